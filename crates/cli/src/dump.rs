//! `ungil dump`: shows what every thread of a live Python, or of a core file, is doing, what it
//! waits for and who holds that.

mod format;
mod render;
mod short_paths;
mod style;

use crate::args::{Dump, Target};
use crate::error::{CliError, DEADLOCK, print};
use crate::sanitize;
use crate::signals;
use crate::width::text_width;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use ungil_format::{counted, wrap};
use ungil_remote::lock_order::LockOrder;
use ungil_remote::native::StopPolicy;
use ungil_remote::snapshot::{
    LockOrders, Snapshot, SnapshotOptions, lock_orders, take_snapshot, watch_lock_order,
};
use ungil_remote::thread_observer::ThreadObserver;
use ungil_remote::{AttachError, Python};

pub(crate) use format::death;

/// Reads each target and prints the result.
pub(crate) fn run(args: &Dump) -> Result<ExitCode, CliError> {
    check(args)?;
    let (targets, mut refused) =
        if args.all { every_python() } else { (args.targets.clone(), Vec::new()) };
    let mut snapshots = Vec::new();
    let mut failed: Vec<(Target, AttachError)> = Vec::new();
    for target in targets {
        match snapshot(&target, args) {
            Ok(mut snapshot) => {
                if args.short {
                    short_paths::shorten(&mut snapshot);
                }
                if !args.json {
                    let text = render::snapshot(&snapshot, style::Style::of_stdout());
                    print(&wrap(&text, text_width(), 4))?;
                }
                snapshots.push(snapshot);
            }
            // With --all, a process that has ended meanwhile is not a failure.
            Err(AttachError::NoProcess(_) | AttachError::Ended(_) | AttachError::Zombie(_))
                if args.all => {}
            // Neither is one that is starting or ending, but it exists, so it is listed as skipped.
            Err(error @ (AttachError::NoThread(_) | AttachError::Exec(_))) if args.all => {
                refused.push((target, error))
            }
            Err(error) => failed.push((target, error)),
        }
    }
    if args.json {
        print_json(args, &snapshots, &failed, &refused)?;
    } else if args.all && !snapshots.is_empty() {
        print(&wrap(&format::all(snapshots.len(), &refused), text_width(), 2))?;
    }
    if args.all && snapshots.is_empty() && failed.is_empty() {
        return Err(format::none(&refused));
    }
    let has_risky_order =
        |snapshot: &Snapshot| snapshot.lock_order.as_ref().is_some_and(|orders| !orders.is_empty());
    let deadlock =
        snapshots.iter().any(|snapshot| snapshot.has_deadlock() || has_risky_order(snapshot));
    let has_failed = !failed.is_empty();
    for (_, error) in failed {
        CliError::from(error).report();
    }
    Ok(match (deadlock, has_failed) {
        (true, _) => ExitCode::from(DEADLOCK),
        (false, true) => ExitCode::FAILURE,
        (false, false) => ExitCode::SUCCESS,
    })
}

/// Rejects options that do not apply to a core, or to a live process.
fn check(args: &Dump) -> Result<(), CliError> {
    let has_core = args.targets.iter().any(Target::is_core);
    if has_core && args.stop {
        return Err(CliError::usage(
            "--stop needs a live process",
            "a core contains the registers of every thread",
            "omit --stop: --native alone shows the C frames of all threads",
        ));
    }
    if has_core && args.watch.is_some() {
        return Err(CliError::usage(
            "--watch needs a live process",
            "a core is a single moment, and lock orders are observed over time",
            "omit --watch: existing deadlocks are found in the core",
        ));
    }
    args.files.check(has_core)
}

fn snapshot(target: &Target, args: &Dump) -> Result<Snapshot, AttachError> {
    let mut python = target.open(&args.files)?;
    let native = match (args.native, args.stop) {
        (false, _) => None,
        (true, false) => Some(StopPolicy::Never),
        (true, true) => Some(StopPolicy::Briefly),
    };
    let options = SnapshotOptions { source: !args.no_source, tasks: true, native };
    let mut observer = ThreadObserver::default();
    let orders = args.watch.map(|seconds| watch(&mut python, &mut observer, seconds));
    let snapshot = take_snapshot(&mut python, &mut observer, options);
    match snapshot {
        Ok(snapshot) if snapshot.threads().next().is_none() => {
            Err(python.process().no_thread_error())
        }
        Ok(mut snapshot) => {
            if let Some(orders) = orders {
                if orders.left_out > 0 {
                    let cycles = counted(orders.left_out, "cycle");
                    snapshot.warnings.push(format!(
                        "{cycles} in the order of locks left out: only local variables refer to the locks, so they may be different locks"
                    ));
                }
                snapshot.lock_order = Some(orders.cycles);
            }
            Ok(snapshot)
        }
        Err(error) => Err(python.process().attach_error(error)),
    }
}

/// Watches the order in which threads take locks, until the time is over or Ctrl-C. The snapshot
/// that follows reports a process that ends meanwhile.
fn watch(python: &mut Python, observer: &mut ThreadObserver, seconds: f64) -> LockOrders {
    let (stop, end) = (signals::flag().ok(), Instant::now() + Duration::from_secs_f64(seconds));
    let stop_requested = || stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed));
    let mut order = LockOrder::default();
    let mut is_over = || Instant::now() >= end || stop_requested();
    let watched = watch_lock_order(python, observer, &mut order, &mut is_over);
    match watched.and_then(|()| observer.dump(python)) {
        Ok(dump) => lock_orders(&mut order, python, &dump),
        Err(_) => LockOrders::default(),
    }
}

/// Finds the Pythons of this machine, and the processes that could not be read.
fn every_python() -> (Vec<Target>, Vec<(Target, AttachError)>) {
    let listing = ungil_remote::discovery::pythons();
    let refused = listing.refused.into_iter().map(|(pid, error)| (Target::Process(pid), error));
    (listing.found.iter().map(|found| Target::Process(found.pid)).collect(), refused.collect())
}

/// Prints JSON: an object for one process, a list for several.
fn print_json(
    args: &Dump,
    snapshots: &[Snapshot],
    failed: &[(Target, AttachError)],
    refused: &[(Target, AttachError)],
) -> Result<(), CliError> {
    let error = |(target, error): &(Target, AttachError)| {
        let error = error.to_string();
        match target {
            Target::Process(pid) => serde_json::json!({ "pid": pid, "error": error }),
            Target::Core(path) => {
                serde_json::json!({ "core": path.display().to_string(), "error": error })
            }
        }
    };
    let several = args.all || args.targets.len() > 1;
    let value = match snapshots {
        [one] if !several => serde_json::to_value(one),
        [] if !several => return Ok(()),
        all => serde_json::to_value(all).map(|processes| {
            let failed: Vec<_> = failed.iter().map(error).collect();
            let refused: Vec<_> = refused.iter().map(error).collect();
            serde_json::json!({ "schema": "ungil.dump/2", "processes": processes, "failed": failed, "refused": refused })
        }),
    };
    let value = value.map_err(|e| {
        CliError::failed("cannot write the result as JSON", e, "report this as a bug")
    })?;
    print(&format!("{}\n", sanitize::sanitize_json(&format!("{value:#}"))))
}
