//! Plan and settings of a suite from its arguments.

use crate::args::Suite;
use crate::compare::seed;
use crate::error::CliError;
use ungil_experiment::Machine;
use ungil_experiment::arm::{Gil, Model, PythonSpec};
use ungil_experiment::pythons::{Interpreter, Search, default_pair, resolve_all};
use ungil_experiment::record::Settings;
use ungil_suite::packages::Packages;
use ungil_suite::plan::{self, Ask, Missing, Plan};
use ungil_suite::sizes::Scale;
use ungil_suite::workloads::Category;

/// The paper's numbers of workers.
const PAPER_WORKERS: [u32; 6] = [1, 2, 4, 6, 8, 12];
/// Target time of a run in seconds, and with `--quick`.
const SECONDS: f64 = 1.0;
const QUICK_S: f64 = 0.1;
/// Time limit of `--quick` for all points together; no point starts after it, so that a suite ends
/// within two minutes even on a busy machine. And the minimum number of blocks per point.
pub(super) const MAX_QUICK_S: f64 = 100.0;
const QUICK_BLOCKS: u32 = 1;
/// Blocks per point: the fewest that decide anything.
pub(super) const BLOCKS: u32 = 5;
/// Share of the available memory that a run may need.
const MEMORY_SHARE: f64 = 0.9;

/// Returns the points, the skipped ones, and the packages they need. Adds to `notes`.
pub(super) fn plan_of(args: &Suite, notes: &mut Vec<String>) -> Result<(Plan, Packages), CliError> {
    let search = Search::from_env();
    let pythons = pythons(args, &search, notes)?;
    let packages = Packages::new(&search, !args.no_install && !args.dry_run);
    let mut ask = ask(args, pythons)?;
    // Planned twice, so that a wrong name is reported before anything is downloaded.
    let wanted = plan::plan(&ask)?;
    let numpy = wanted.points.iter().any(|(point, _)| point.category == Category::Numpy);
    ask.missing = missing(args, &ask, numpy, &packages, notes);
    Ok((plan::plan(&ask)?, packages))
}

fn pythons(
    args: &Suite,
    search: &Search,
    notes: &mut Vec<String>,
) -> Result<Vec<(Interpreter, Gil)>, CliError> {
    if args.python.is_empty() {
        let pair = default_pair(search)?;
        let names = format!("{} and {}", pair.gil.name, pair.free_threaded.name);
        notes.extend(
            pair.differences.iter().map(|d| format!("{names} were built differently: {d}")),
        );
        return Ok(vec![(pair.gil, Gil::Default), (pair.free_threaded, Gil::Default)]);
    }
    let specs: Vec<PythonSpec> = args.python.iter().map(|t| t.parse()).collect::<Result<_, _>>()?;
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    let named = resolve_all(&names, search)?;
    Ok(named.into_iter().zip(specs).map(|(python, spec)| (python, spec.gil)).collect())
}

fn ask(args: &Suite, pythons: Vec<(Interpreter, Gil)>) -> Result<Ask, CliError> {
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
                CliError::failed(
                    "cannot determine the available memory",
                    "/proc/meminfo does not state it",
                    "give it with --memory",
                )
            })? as f64
                * MEMORY_SHARE) as u64
        }
    };
    let models: Vec<Model> = args.models.iter().map(|m| m.parse()).collect::<Result<_, _>>()?;
    if let Some(other) = models.iter().find(|m| matches!(m, Model::Sequential | Model::Asyncio)) {
        return Err(CliError::usage(
            format!("no workload supports the model '{other}'"),
            "the models are threads, fork, spawn, forkserver and interpreters",
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

/// Installs packages as far as allowed; returns what cannot run because a package is missing.
fn missing(
    args: &Suite,
    ask: &Ask,
    numpy: bool,
    packages: &Packages,
    notes: &mut Vec<String>,
) -> Missing {
    let pythons: Vec<Interpreter> = ask.pythons.iter().map(|(python, _)| python.clone()).collect();
    let mut missing = Missing::default();
    if numpy {
        let say = &mut |says: &str| {
            if !args.quiet {
                eprintln!("note: {says}");
            }
        };
        match packages.numpy(&pythons, say) {
            Ok(versions) => notes.push(versions),
            Err(why) => missing.numpy = Some(why),
        }
    }
    missing.ungil = match args.quick {
        true => Some("--quick skips them".into()),
        false => packages.ungil(&pythons).err(),
    };
    missing
}

/// Returns the settings of each point of a suite with `points` points.
pub(super) fn settings(args: &Suite, points: usize) -> Settings {
    let max_blocks = args.blocks.unwrap_or(BLOCKS);
    let limited = args.quick && args.blocks.is_none();
    Settings {
        seed: args.seed.unwrap_or_else(seed),
        warmup: args.warmup.unwrap_or(if args.quick { 0 } else { 1 }),
        blocks: if limited { QUICK_BLOCKS } else { max_blocks },
        max_blocks: Some(max_blocks),
        precision: 0.0,
        time_limit_s: if limited { MAX_QUICK_S / points.max(1) as f64 } else { 0.0 },
        timeout_s: args.timeout,
        allow_different_output: false,
        keep_going: true,
        energy: args.energy.clone(),
        idle_s: 2.0,
        metrics: Vec::new(),
    }
}
