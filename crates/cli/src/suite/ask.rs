//! From the arguments of a suite to its plan and its settings.

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
/// Seconds a point is to take, and in a first look.
const SECONDS: f64 = 1.0;
const QUICK_S: f64 = 0.1;
/// Seconds a first look is given for all its points together, and after which it begins none, so
/// that it ends within two minutes on a busy machine too; and the fewest blocks it makes of each.
pub(super) const QUICK_MOST_S: f64 = 100.0;
const QUICK_BLOCKS: u32 = 1;
/// Blocks of a point: the fewest that decide anything.
pub(super) const BLOCKS: u32 = 5;
/// Share of the available memory that a run may need.
const ROOM: f64 = 0.9;

/// The points and what is left out, with the packages they need, and notes.
pub(super) fn plan_of(args: &Suite, notes: &mut Vec<String>) -> Result<(Plan, Packages), CliError> {
    let search = Search::from_env();
    let pythons = pythons(args, &search, notes)?;
    let packages = Packages::new(&search, !args.no_install && !args.dry_run);
    let mut ask = ask(args, pythons)?;
    // A wrong name is told before anything is fetched.
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
        return Err(CliError::usage(
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
        true => Some("a first look leaves them out".into()),
        false => packages.ungil(&pythons).err(),
    };
    missing
}

/// The settings of every point of a suite of so many.
pub(super) fn settings(args: &Suite, points: usize) -> Settings {
    let most = args.blocks.unwrap_or(BLOCKS);
    let hurried = args.quick && args.blocks.is_none();
    Settings {
        seed: args.seed.unwrap_or_else(seed),
        warmup: args.warmup.unwrap_or(if args.quick { 0 } else { 1 }),
        blocks: if hurried { QUICK_BLOCKS } else { most },
        max_blocks: Some(most),
        precision: 0.0,
        time_limit_s: if hurried { QUICK_MOST_S / points.max(1) as f64 } else { 0.0 },
        timeout_s: args.timeout,
        allow_different_output: false,
        keep_going: true,
        energy: args.energy.clone(),
        idle_s: 2.0,
        metrics: Vec::new(),
    }
}
