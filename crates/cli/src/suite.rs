//! `ungil suite`: plans and runs the study's workloads and prints their summary.

mod planning;
mod progress;
mod render;

use crate::args::Suite;
use crate::compare::sensors;
use crate::error::{CliError, print};
use crate::signals;
use crate::width::table_width;
use planning::{BLOCKS, MAX_QUICK_S, plan_of, settings};
use progress::SuiteProgress;
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
pub(crate) fn run(args: Suite) -> Result<ExitCode, CliError> {
    if args.list {
        return print(&render::list()).map(|()| ExitCode::SUCCESS);
    }
    if let Some(folder_path) = &args.export {
        folder::write_sources(folder_path, None)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(folder_path) = &args.replay {
        let summary = summary(&folder::read(folder_path)?);
        show(&args, &summary, folder_path)?;
        return check_failures(&summary, folder_path);
    }
    if args.dry_run {
        let (Plan { points, skipped }, ..) = plan_of(&args, &mut Vec::new())?;
        return print(&render::plan(&points, &skipped, args.blocks.unwrap_or(BLOCKS)))
            .map(|()| ExitCode::SUCCESS);
    }
    let stop = signals::stop()?;
    let (folder_path, energy, drive);
    match &args.resume {
        Some(old) => {
            folder_path = std::path::absolute(old).unwrap_or_else(|_| old.clone());
            let study = folder::read(&folder_path)?;
            if let Some(bad) = study.unreadable.first() {
                let what = format!("cannot continue the record {}", bad.what);
                return Err(CliError::failed(
                    what,
                    &bad.why,
                    "remove it, and start a new suite for its point",
                ));
            }
            energy = study
                .records
                .first()
                .map_or("auto".into(), |(_, r)| r.header.settings.energy.clone());
            drive = Drive::resume(&folder_path, study, &stop)?;
        }
        None => {
            energy = args.energy.clone();
            folder_path = output_folder(&args);
            drive = Drive::new(&folder_path, begin(&args, &folder_path)?, &stop)?;
        }
    }
    let open = || sensors_of(&energy);
    let mut progress = SuiteProgress::new(args.quiet);
    let result =
        drive.run(if args.quick { MAX_QUICK_S } else { f64::INFINITY }, &open, &mut |event| {
            progress.show(event)
        });
    drop(progress);
    let summary = summary(&folder::read(&folder_path)?);
    show(&args, &summary, &folder_path)?;
    match result {
        Ok(()) => check_failures(&summary, &folder_path),
        Err(error @ Error::Interrupted) => {
            let help = format!(
                "what was measured is kept; continue it: ungil suite --resume {}",
                ungil_experiment::shell::word(&folder_path.to_string_lossy())
            );
            Err(CliError::from(error).with_help(help))
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns the folder of a new suite.
fn output_folder(args: &Suite) -> PathBuf {
    let name = || format!(".ungil/suite-{}-{}", now().replace(':', ""), std::process::id());
    let folder_path = args.out.clone().unwrap_or_else(|| name().into());
    std::path::absolute(&folder_path).unwrap_or(folder_path)
}

fn sensors_of(request: &str) -> Result<energy::Opened, Error> {
    let request: Result<energy::Request, _> = request.parse();
    request.and_then(|r| energy::open(&r)).map_err(|e| {
        Error::Failed(ungil_experiment::Failure::new(e.to_string(), e.why(), e.help()))
    })
}

/// Plans a suite, prints the plan, and creates its folder. Returns its points.
fn begin(args: &Suite, folder_path: &Path) -> Result<Vec<(Point, Header)>, CliError> {
    let opened = sensors(&args.energy)?;
    let mut notes = Vec::new();
    let (Plan { points, skipped }, packages) = plan_of(args, &mut notes)?;
    if points.is_empty() {
        let why = skipped.first().map_or_else(String::new, |s| format!("{}: {}", s.what, s.why));
        return Err(CliError::failed(
            "there is nothing to run",
            why,
            "choose other workloads, or install what is missing",
        ));
    }
    if !args.quiet {
        let plan = render::plan(&points, &skipped, args.blocks.unwrap_or(BLOCKS));
        plan.lines().for_each(|line| eprintln!("note: {line}"));
    }
    let suite = folder::Suite {
        schema: folder::SCHEMA.into(),
        ungil: env!("CARGO_PKG_VERSION").into(),
        started: now(),
        points: points.iter().map(|(point, _)| point.clone()).collect(),
        skipped,
        notes,
    };
    folder::create(folder_path, &suite, args.sources.as_deref())?;
    let sources = folder::sources(folder_path);
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

fn show(args: &Suite, summary: &Summary, folder_path: &Path) -> Result<(), CliError> {
    if args.json {
        let text = serde_json::to_string_pretty(summary).map_err(|e| {
            CliError::failed("cannot write the summary as JSON", e, "report this as a bug")
        })?;
        return print(&(text + "\n"));
    }
    let text = table::text(summary, table_width(args.wide));
    print(&format!("{text}\nSuite: {}\n", folder_path.display()))
}

/// Fails if any run of the suite failed or a record cannot be read.
fn check_failures(summary: &Summary, folder_path: &Path) -> Result<ExitCode, CliError> {
    let unreadable = |s: &Skipped| (s.what.clone(), s.why.clone());
    let failed = summary.failed.iter().map(|f| (format!("{} on {}", f.what, f.arm), f.why.clone()));
    let all: Vec<(String, String)> =
        failed.chain(summary.unreadable.iter().map(unreadable)).collect();
    let Some((what, why)) = all.first() else { return Ok(ExitCode::SUCCESS) };
    let others =
        if all.len() > 1 { format!(", and {} others", all.len() - 1) } else { String::new() };
    let help = format!(
        "see its records; ungil suite --resume {} runs failed points again",
        ungil_experiment::shell::word(&folder_path.to_string_lossy())
    );
    Err(CliError::failed(format!("{what} failed{others}"), why, help))
}
