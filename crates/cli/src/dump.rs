//! `ungil dump`: what every thread of a live Python, or of a core file, is doing, what it waits for and who has that.

mod short;
mod style;
mod text;
mod words;

use crate::args::{Dump, Target};
use crate::clean;
use crate::failure::{DEADLOCK, Edge, print};
use std::process::ExitCode;
use ungil_remote::AttachError;
use ungil_remote::native::Stop;
use ungil_remote::scene::Looker;
use ungil_remote::snapshot::{Options, Snapshot, take};

pub(crate) use words::death;

/// Looks into each process and prints what was found.
pub(crate) fn run(args: &Dump) -> Result<ExitCode, Edge> {
    check(args)?;
    let (targets, mut refused) = if args.all { every_python() } else { (args.targets.clone(), Vec::new()) };
    let mut snapshots = Vec::new();
    let mut failed: Vec<(Target, AttachError)> = Vec::new();
    for target in targets {
        match look(&target, args) {
            Ok(mut snapshot) => {
                if args.short {
                    short::shorten(&mut snapshot);
                }
                if !args.json {
                    print(&text::snapshot(&snapshot, style::Style::of_stdout()))?;
                }
                snapshots.push(snapshot);
            }
            // One that ended while all are looked at is no failure.
            Err(AttachError::NoProcess(_) | AttachError::Ended(_) | AttachError::Zombie(_)) if args.all => {}
            // So is one that is starting or ending, but it is there.
            Err(error @ (AttachError::NoThread(_) | AttachError::Exec(_))) if args.all => {
                refused.push((target, error))
            }
            Err(error) => failed.push((target, error)),
        }
    }
    if args.json {
        print_json(args, &snapshots, &failed, &refused)?;
    } else if args.all && !snapshots.is_empty() {
        print(&words::all(snapshots.len(), &refused))?;
    }
    if args.all && snapshots.is_empty() && failed.is_empty() {
        return Err(words::none(&refused));
    }
    let deadlock = snapshots.iter().any(Snapshot::has_deadlock);
    let has_failed = !failed.is_empty();
    for (_, error) in failed {
        Edge::from(error).report();
    }
    Ok(match (deadlock, has_failed) {
        (true, _) => ExitCode::from(DEADLOCK),
        (false, true) => ExitCode::FAILURE,
        (false, false) => ExitCode::SUCCESS,
    })
}

/// Refuses options that a core, or a live process, has no use for.
fn check(args: &Dump) -> Result<(), Edge> {
    let has_core = args.targets.iter().any(Target::is_core);
    if has_core && args.stop {
        return Err(Edge::usage(
            "--stop needs a live process",
            "a core has the registers of every thread",
            "leave --stop out: --native shows the C frames of all threads",
        ));
    }
    args.files.check(has_core)
}

fn look(target: &Target, args: &Dump) -> Result<Snapshot, AttachError> {
    let mut python = target.open(&args.files)?;
    let native = match (args.native, args.stop) {
        (false, _) => None,
        (true, false) => Some(Stop::Never),
        (true, true) => Some(Stop::Briefly),
    };
    let options = Options { source: !args.no_source, tasks: true, native };
    let snapshot = take(&mut python, &mut Looker::default(), options);
    match snapshot {
        Ok(snapshot) if snapshot.threads().next().is_none() => Err(python.process().no_thread()),
        Ok(snapshot) => Ok(snapshot),
        Err(error) => Err(python.process().trouble(error)),
    }
}

/// The Pythons of this machine, and processes that could not be looked into.
fn every_python() -> (Vec<Target>, Vec<(Target, AttachError)>) {
    let listing = ungil_remote::host::pythons();
    let refused = listing.refused.into_iter().map(|(pid, error)| (Target::Process(pid), error));
    (listing.found.iter().map(|found| Target::Process(found.pid)).collect(), refused.collect())
}

/// One process is an object; several are in a list.
fn print_json(
    args: &Dump,
    snapshots: &[Snapshot],
    failed: &[(Target, AttachError)],
    refused: &[(Target, AttachError)],
) -> Result<(), Edge> {
    let error = |(target, error): &(Target, AttachError)| {
        let error = error.to_string();
        match target {
            Target::Process(pid) => serde_json::json!({ "pid": pid, "error": error }),
            Target::Core(path) => serde_json::json!({ "core": path.display().to_string(), "error": error }),
        }
    };
    let several = args.all || args.targets.len() > 1;
    let value = match snapshots {
        [one] if !several => serde_json::to_value(one),
        [] if !several => return Ok(()),
        all => serde_json::to_value(all).map(|processes| {
            let failed: Vec<_> = failed.iter().map(error).collect();
            let refused: Vec<_> = refused.iter().map(error).collect();
            serde_json::json!({ "schema": "ungil.dump/1", "processes": processes, "failed": failed, "refused": refused })
        }),
    };
    let value =
        value.map_err(|e| Edge::failed("cannot write the result as JSON", e, "report this as a defect"))?;
    print(&format!("{}\n", clean::json(&format!("{value:#}"))))
}
