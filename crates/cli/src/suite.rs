//! `ungil suite`: from arguments to the points of a study, from its folder to words.

mod progress;
mod words;

use crate::args::Suite;
use crate::compare::{seed, sensors};
use crate::failure::{Edge, print};
use crate::signals;
use progress::Progress;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use ungil_experiment::arm::{Arm, Gil, Model, PythonSpec};
use ungil_experiment::pythons::{Interpreter, Search, default_pair, resolve_all};
use ungil_experiment::record::{Header, Settings};
use ungil_experiment::runner::now;
use ungil_experiment::{Error, Machine, energy, record};
use ungil_suite::drive::Drive;
use ungil_suite::packages::Packages;
use ungil_suite::plan::{Ask, Missing, Plan, Point, Skipped};
use ungil_suite::sizes::Scale;
use ungil_suite::summary::{Summary, summary};
use ungil_suite::workloads::{Category, WORKLOADS, Workload};
use ungil_suite::{folder, plan, table};

/// The paper's numbers of workers.
const PAPER_WORKERS: [u32; 6] = [1, 2, 4, 6, 8, 12];
/// Seconds a point is to take, and in a first look.
const SECONDS: f64 = 1.0;
const QUICK_S: f64 = 0.1;
/// Seconds a first look is given in all, with some to spare of the two minutes for what begins late, and its fewest blocks.
const QUICK_LIMIT_S: f64 = 90.0;
const QUICK_BLOCKS: u32 = 2;
/// Blocks of a point: the fewest that decide anything.
const BLOCKS: u32 = 5;
/// Share of the available memory that a run may need.
const ROOM: f64 = 0.9;

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
            energy = study.records.first().map_or("auto".into(), |(_, r)| r.header.settings.energy.clone());
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
    let result = drive.run(&open, &mut |event| progress.show(event));
    drop(progress);
    let summary = summary(&folder::read(&place)?);
    show(&args, &summary, &place)?;
    match result {
        Ok(()) => judge(&summary, &place),
        Err(error @ Error::Interrupted) => {
            let go_on =
                format!("what was measured is kept; go on with ungil suite --resume {}", place.display());
            Err(Edge::from(error).with_mend(go_on))
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
    request
        .and_then(|r| energy::open(&r))
        .map_err(|e| Error::Failed(ungil_experiment::Failure::new(e.to_string(), e.why(), e.mend())))
}

/// Plans, says so, and makes the folder.
fn begin(args: &Suite, place: &Path) -> Result<Vec<(Point, Header)>, Edge> {
    let opened = sensors(&args.energy)?;
    let search = Search::from_env();
    let mut notes = Vec::new();
    let pythons = pythons(args, &search, &mut notes)?;
    let packages = Packages::new(&search, !args.no_install);
    let mut ask = ask(args, pythons)?;
    // What is not there is asked for before anything is fetched.
    plan::plan(&ask)?;
    let named: Vec<Interpreter> = ask.pythons.iter().map(|(python, _)| python.clone()).collect();
    ask.missing = missing(args, &ask, &packages, &named, &mut notes);
    let Plan { points, skipped } = plan::plan(&ask)?;
    if points.is_empty() {
        let why = skipped.first().map_or_else(String::new, |s| format!("{}: {}", s.what, s.why));
        return Err(Edge::failed(
            "there is nothing to run",
            why,
            "name other workloads, or mend what is missing",
        ));
    }
    if !args.quiet {
        words::plan(&points, &skipped, args.blocks.unwrap_or(BLOCKS))
            .iter()
            .for_each(|line| eprintln!("note: {line}"));
    }
    let suite = folder::Suite {
        schema: folder::SCHEMA.into(),
        ungil: env!("CARGO_PKG_VERSION").into(),
        started: now(),
        points: points.iter().map(|(point, _)| point.clone()).collect(),
        skipped,
        notes,
    };
    folder::create(place, &suite)?;
    let sources = folder::sources(place);
    folder::write_sources(&sources, args.sources.as_deref())?;
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
            workload: plan::script(workload, point.form, point.size, &sources, Some(&packages.folder())),
            settings: settings.clone(),
            arms,
            machine: machine.clone(),
            sensors: about.clone(),
            absent: absent.clone(),
            notes: suite.notes.clone(),
        })
    };
    Ok(points.into_iter().filter_map(|(point, arms)| header(&point, arms).map(|h| (point, h))).collect())
}

fn pythons(args: &Suite, search: &Search, notes: &mut Vec<String>) -> Result<Vec<(Interpreter, Gil)>, Edge> {
    if args.python.is_empty() {
        let pair = default_pair(search)?;
        let names = format!("{} and {}", pair.gil.name, pair.free_threaded.name);
        notes.extend(pair.differences.iter().map(|d| format!("{names} were built differently: {d}")));
        return Ok(vec![(pair.gil, Gil::Default), (pair.free_threaded, Gil::Default)]);
    }
    let specs: Vec<PythonSpec> = args.python.iter().map(|t| t.parse()).collect::<Result<_, _>>()?;
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    let named = resolve_all(&names, search)?;
    Ok(named.into_iter().zip(specs).map(|(python, spec)| (python, spec.gil)).collect())
}

fn ask(args: &Suite, pythons: Vec<(Interpreter, Gil)>) -> Result<Ask, Edge> {
    let cores = u32::try_from(Machine::here().cpus).unwrap_or(1);
    let scale = match (args.scale, args.paper, args.quick) {
        (Some(share), ..) => Scale::Share(share),
        (None, true, _) => Scale::Share(1.0),
        (None, false, true) => Scale::Seconds(QUICK_S),
        (None, false, false) => Scale::Seconds(SECONDS),
    };
    let workers = match (&args.workers[..], args.paper, args.quick) {
        ([], true, _) => PAPER_WORKERS.to_vec(),
        ([], false, true) => vec![cores],
        ([], false, false) => ungil_experiment::plan::default_workers(cores),
        (given, ..) => given.to_vec(),
    };
    let memory = match args.memory {
        Some(bytes) => bytes,
        None => {
            (ungil_suite::available_memory().ok_or_else(|| {
                Edge::failed(
                    "cannot tell how much memory there is",
                    "/proc/meminfo does not say",
                    "say it with --memory",
                )
            })? as f64
                * ROOM) as u64
        }
    };
    let models: Vec<Model> = args.models.iter().map(|m| m.parse()).collect::<Result<_, _>>()?;
    if let Some(other) = models.iter().find(|m| matches!(m, Model::Sequential | Model::Asyncio)) {
        return Err(Edge::usage(
            format!("no workload knows the model '{other}'"),
            "the models are threads, fork, spawn, forkserver, interpreters",
            "correct --models",
        ));
    }
    Ok(Ask {
        categories: args.category.clone(),
        workloads: args.workload.clone(),
        scale,
        all_sizes: args.paper,
        pythons,
        models,
        workers,
        memory,
        missing: Missing::default(),
    })
}

/// What cannot run for want of a package, after what may be fetched was fetched.
fn missing(
    args: &Suite,
    ask: &Ask,
    packages: &Packages,
    pythons: &[Interpreter],
    notes: &mut Vec<String>,
) -> Missing {
    let chosen = |category: Category| {
        let named = |w: &&Workload| ask.workloads.iter().any(|n| n == w.name) && w.category == category;
        ask.categories.iter().any(|c| c == category.name())
            || WORKLOADS.iter().any(|w| named(&w))
            || ask.categories.is_empty() && ask.workloads.is_empty()
    };
    let mut missing = Missing::default();
    if chosen(Category::Numpy) {
        let say = &mut |says: &str| {
            if !args.quiet {
                eprintln!("note: {says}");
            }
        };
        match packages.numpy(pythons, say) {
            Ok(versions) => notes.push(versions),
            Err(why) => missing.numpy = Some(why),
        }
    }
    missing.ungil = match args.quick {
        true => Some("a first look leaves them out".into()),
        false => packages.ungil(pythons).err(),
    };
    missing
}

fn settings(args: &Suite, points: usize) -> Settings {
    let most = args.blocks.unwrap_or(BLOCKS);
    let hurried = args.quick && args.blocks.is_none();
    Settings {
        seed: args.seed.unwrap_or_else(seed),
        warmup: args.warmup.unwrap_or(if args.quick { 0 } else { 1 }),
        blocks: if hurried { QUICK_BLOCKS } else { most },
        max_blocks: Some(most),
        precision: 0.0,
        time_limit_s: if hurried { QUICK_LIMIT_S / points.max(1) as f64 } else { 0.0 },
        timeout_s: args.timeout,
        allow_different_output: false,
        keep_going: true,
        energy: args.energy.clone(),
        idle_s: 2.0,
        metrics: Vec::new(),
    }
}

fn show(args: &Suite, summary: &Summary, place: &Path) -> Result<(), Edge> {
    if args.json {
        let text = serde_json::to_string_pretty(summary)
            .map_err(|e| Edge::failed("cannot write the summary as JSON", e, "report this"))?;
        return print(&(text + "\n"));
    }
    print(&format!("{}\nSuite: {}\n", table::text(summary), place.display()))
}

/// A suite with failures has failed, whatever else it says.
fn judge(summary: &Summary, place: &Path) -> Result<ExitCode, Edge> {
    let unreadable = |s: &Skipped| (s.what.clone(), s.why.clone());
    let failed = summary.failed.iter().map(|f| (format!("{} on {}", f.what, f.arm), f.why.clone()));
    let all: Vec<(String, String)> = failed.chain(summary.unreadable.iter().map(unreadable)).collect();
    let Some((what, why)) = all.first() else { return Ok(ExitCode::SUCCESS) };
    let others = if all.len() > 1 { format!(", and {} others", all.len() - 1) } else { String::new() };
    let mend = format!("look into {}; ungil suite --resume tries what failed again", place.display());
    Err(Edge::failed(format!("{what} failed{others}"), why, mend))
}
