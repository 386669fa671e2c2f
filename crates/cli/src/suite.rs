//! `ungil suite`: from arguments to the points of a study, from its folder to words.

mod ask;
mod progress;
mod words;

use crate::args::Suite;
use crate::compare::sensors;
use crate::failure::{Edge, print};
use crate::signals;
use crate::width::table_width;
use ask::{BLOCKS, QUICK_MOST_S, plan_of, settings};
use progress::Progress;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use ungil_experiment::arm::Arm;
use ungil_experiment::record::Header;
use ungil_experiment::runner::now;
use ungil_experiment::{Error, Machine, energy, record};
use ungil_suite::drive::Drive;
use ungil_suite::plan::{Plan, Point, Skipped};
use ungil_suite::summary::{Summary, summary};
use ungil_suite::workloads::Workload;
use ungil_suite::{folder, plan, table};

/// Lists, exports, replays or runs a suite.
pub(crate) fn run(args: Suite) -> Result<ExitCode, Edge> {
    if args.list {
        return print(&words::list()).map(|()| ExitCode::SUCCESS);
    }
    if let Some(place) = &args.export {
        folder::write_sources(place, None)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(place) = &args.replay {
        let summary = summary(&folder::read(place)?);
        show(&args, &summary, place)?;
        return judge(&summary, place);
    }
    if args.dry_run {
        let (Plan { points, skipped }, ..) = plan_of(&args, &mut Vec::new())?;
        return print(&words::plan(&points, &skipped, args.blocks.unwrap_or(BLOCKS)))
            .map(|()| ExitCode::SUCCESS);
    }
    let stop = signals::stop()?;
    let (place, energy, drive);
    match &args.resume {
        Some(old) => {
            place = std::path::absolute(old).unwrap_or_else(|_| old.clone());
            let study = folder::read(&place)?;
            if let Some(bad) = study.unreadable.first() {
                let what = format!("cannot go on with the record {}", bad.what);
                return Err(Edge::failed(
                    what,
                    &bad.why,
                    "take it away, and start a new suite for its point",
                ));
            }
            energy = study
                .records
                .first()
                .map_or("auto".into(), |(_, r)| r.header.settings.energy.clone());
            drive = Drive::resume(&place, study, &stop)?;
        }
        None => {
            energy = args.energy.clone();
            place = out(&args);
            drive = Drive::new(&place, begin(&args, &place)?, &stop)?;
        }
    }
    let open = || sensors_of(&energy);
    let mut progress = Progress::new(args.quiet);
    let result =
        drive.run(if args.quick { QUICK_MOST_S } else { f64::INFINITY }, &open, &mut |event| {
            progress.show(event)
        });
    drop(progress);
    let summary = summary(&folder::read(&place)?);
    show(&args, &summary, &place)?;
    match result {
        Ok(()) => judge(&summary, &place),
        Err(error @ Error::Interrupted) => {
            let go_on = format!(
                "what was measured is kept; go on with ungil suite --resume {}",
                ungil_experiment::shell::word(&place.to_string_lossy())
            );
            Err(Edge::from(error).with_help(go_on))
        }
        Err(error) => Err(error.into()),
    }
}

fn out(args: &Suite) -> PathBuf {
    let name = || format!(".ungil/suite-{}-{}", now().replace(':', ""), std::process::id());
    let place = args.out.clone().unwrap_or_else(|| name().into());
    std::path::absolute(&place).unwrap_or(place)
}

fn sensors_of(request: &str) -> Result<energy::Opened, Error> {
    let request: Result<energy::Request, _> = request.parse();
    request.and_then(|r| energy::open(&r)).map_err(|e| {
        Error::Failed(ungil_experiment::Failure::new(e.to_string(), e.why(), e.help()))
    })
}

/// Plans, says so, and makes the folder.
fn begin(args: &Suite, place: &Path) -> Result<Vec<(Point, Header)>, Edge> {
    let opened = sensors(&args.energy)?;
    let mut notes = Vec::new();
    let (Plan { points, skipped }, packages) = plan_of(args, &mut notes)?;
    if points.is_empty() {
        let why = skipped.first().map_or_else(String::new, |s| format!("{}: {}", s.what, s.why));
        return Err(Edge::failed(
            "there is nothing to run",
            why,
            "name other workloads, or fix what is missing",
        ));
    }
    if !args.quiet {
        let said = words::plan(&points, &skipped, args.blocks.unwrap_or(BLOCKS));
        said.lines().for_each(|line| eprintln!("note: {line}"));
    }
    let suite = folder::Suite {
        schema: folder::SCHEMA.into(),
        ungil: env!("CARGO_PKG_VERSION").into(),
        started: now(),
        points: points.iter().map(|(point, _)| point.clone()).collect(),
        skipped,
        notes,
    };
    folder::create(place, &suite, args.sources.as_deref())?;
    let sources = folder::sources(place);
    let machine = Machine::here();
    let settings = settings(args, points.len());
    let about = opened.sensors.iter().map(|s| s.about()).collect::<Vec<_>>();
    let absent: Vec<String> = opened.absent.iter().map(|e| format!("{e}: {}", e.why())).collect();
    let header = |point: &Point, arms: Vec<Arm>| -> Option<Header> {
        let workload = Workload::find(&point.workload)?;
        Some(Header {
            schema: record::SCHEMA.into(),
            ungil: env!("CARGO_PKG_VERSION").into(),
            started: suite.started.clone(),
            directory: std::env::current_dir().unwrap_or_default().display().to_string(),
            workload: plan::script(
                workload,
                point.form,
                point.size,
                &sources,
                Some(&packages.folder()),
            ),
            settings: settings.clone(),
            arms,
            machine: machine.clone(),
            sensors: about.clone(),
            absent: absent.clone(),
            notes: suite.notes.clone(),
        })
    };
    Ok(points
        .into_iter()
        .filter_map(|(point, arms)| header(&point, arms).map(|h| (point, h)))
        .collect())
}

fn show(args: &Suite, summary: &Summary, place: &Path) -> Result<(), Edge> {
    if args.json {
        let text = serde_json::to_string_pretty(summary)
            .map_err(|e| Edge::failed("cannot write the summary as JSON", e, "report this"))?;
        return print(&(text + "\n"));
    }
    let text = table::text(summary, table_width(args.wide));
    print(&format!("{text}\nSuite: {}\n", place.display()))
}

/// A suite with failures has failed, whatever else it says.
fn judge(summary: &Summary, place: &Path) -> Result<ExitCode, Edge> {
    let unreadable = |s: &Skipped| (s.what.clone(), s.why.clone());
    let failed = summary.failed.iter().map(|f| (format!("{} on {}", f.what, f.arm), f.why.clone()));
    let all: Vec<(String, String)> =
        failed.chain(summary.unreadable.iter().map(unreadable)).collect();
    let Some((what, why)) = all.first() else { return Ok(ExitCode::SUCCESS) };
    let others =
        if all.len() > 1 { format!(", and {} others", all.len() - 1) } else { String::new() };
    let help = format!(
        "ungil suite --resume {} tries again what failed; its records say how",
        ungil_experiment::shell::word(&place.to_string_lossy())
    );
    Err(Edge::failed(format!("{what} failed{others}"), why, help))
}
