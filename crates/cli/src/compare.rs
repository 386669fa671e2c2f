//! `ungil compare`: plans an experiment from the arguments, runs it and prints its record.

#[cfg(feature = "live")]
mod lock_profile;

use crate::args::Compare;
use crate::error::{CliError, print};
use crate::progress::Progress;
#[cfg(feature = "live")]
use crate::sanitize::sanitize;
use crate::signals;
use crate::width::{table_width, text_width};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use ungil_experiment::arm::PythonSpec;
use ungil_experiment::load::CustomMetric;
use ungil_experiment::record::{Header, Record, SCHEMA, Settings, Writer};
use ungil_experiment::runner::{Experiment, now};
use ungil_experiment::threshold::{Threshold, ThresholdCheck};
use ungil_experiment::workload::Workload;
use ungil_experiment::{Machine, energy, plan};
use ungil_format::wrap;
use ungil_pythons::{Search, default_pair, resolve_all};
use ungil_report::{View, csv, json, terminal};

/// Exit code: a `--fail-if` bound was crossed.
const CROSSED: u8 = 3;

/// Runs, resumes or replays an experiment and prints the result.
pub(crate) fn run(args: Compare) -> Result<ExitCode, CliError> {
    let bounds: Vec<Threshold> =
        args.fail_if.iter().map(|b| b.parse()).collect::<Result<_, _>>()?;
    if let Some(path) = &args.replay {
        return replay(&args, &bounds, &Record::read(path)?, path);
    }
    let stop = signals::stop()?;
    let opened;
    let mut experiment = match &args.resume {
        Some(path) => {
            let path = &std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let record = Record::read(path)?;
            if record.complete {
                let blocks = record.comparison.as_ref().map_or(0, |c| c.blocks);
                let blocks = ungil_format::counted(blocks, "block");
                eprintln!(
                    "note: the record is complete ({blocks}); there is nothing left to measure"
                );
                return replay(&args, &bounds, &record, path);
            }
            std::env::set_current_dir(&record.header.directory).map_err(|e| {
                let what = format!(
                    "cannot change to {}, the directory of the experiment",
                    record.header.directory
                );
                CliError::failed(what, e, "restore that directory, or start a new experiment")
            })?;
            opened = sensors(&record.header.settings.energy)?;
            check_names(&bounds, &record.header)?;
            Experiment::resume(record, path, &stop)?
        }
        None => {
            opened = sensors(&args.energy)?;
            let header = header(&args, &opened)?;
            check_names(&bounds, &header)?;
            let path = args.out.clone().unwrap_or_else(|| default_path(&header));
            Experiment::new(Writer::create(&path)?, header, &stop)?
        }
    };
    let header = &experiment.record.header;
    let progress = Progress::new(header.arms.len(), header.settings.time_limit_s, args.quiet);
    let result = experiment.run(opened.sensors, &mut |event| progress.show(event));
    drop(progress);
    let path = experiment.writer.path().to_path_buf();
    let comparison = ungil_report::comparison(&experiment.record);
    let view = View { record: &experiment.record, comparison: &comparison };
    if result.is_ok() || comparison.blocks > 0 {
        show(&args, view, &path)?;
    }
    result.map_err(|e| CliError::from(e).with_record(&path))?;
    check_crossed(&bounds, view)
}

/// Prints a record and checks the bounds on it, without running anything.
fn replay(
    args: &Compare,
    bounds: &[Threshold],
    record: &Record,
    path: &Path,
) -> Result<ExitCode, CliError> {
    check_names(bounds, &record.header)?;
    let comparison = ungil_report::comparison(record);
    if comparison.blocks == 0 {
        return Err(CliError::failed(
            format!("there is nothing to show in {}", path.display()),
            "it has no complete block",
            format!(
                "continue it: ungil compare --resume {}",
                ungil_experiment::shell::word(&path.to_string_lossy())
            ),
        ));
    }
    if !record.complete {
        let why = record.stopped.as_deref().unwrap_or("it was cut off or is still being written");
        eprintln!("note: the record is not complete ({why}); ungil compare --resume continues it");
    }
    let view = View { record, comparison: &comparison };
    show(args, view, path)?;
    check_crossed(bounds, view)
}

fn check_names(bounds: &[Threshold], header: &Header) -> Result<(), CliError> {
    let ids: Vec<&str> = header.arms.iter().map(|a| a.id.as_str()).collect();
    Ok(bounds.iter().try_for_each(|b| b.check(&ids))?)
}

fn show(args: &Compare, view: View<'_>, path: &Path) -> Result<(), CliError> {
    if args.json {
        let object = json(view, &path.display().to_string());
        let text = serde_json::to_string_pretty(&object).map_err(|e| {
            CliError::failed("cannot write the result as JSON", e, "report this as a bug")
        })?;
        return print(&(text + "\n"));
    }
    if args.csv {
        return print(&csv(view));
    }
    #[allow(unused_mut)] // without the feature `live` there are no profiles
    let mut text = terminal(view, table_width(args.wide));
    #[cfg(feature = "live")]
    if ungil_report::collapses(view)
        && let Some((profile, finding)) = lock_profile::finding(path, &view.record.header.workload)
    {
        let finding = sanitize(&finding);
        text.push_str(&format!("- Lock profile {}: {finding}.\n", profile.display()));
    }
    // Tables have their width already; sentences are broken on a terminal only.
    let text = wrap(&text, if args.wide { None } else { text_width() }, 2);
    print(&format!("{text}\nRecord: {}\n", path.display()))
}

fn check_crossed(bounds: &[Threshold], view: View<'_>) -> Result<ExitCode, CliError> {
    let mut code = ExitCode::SUCCESS;
    for bound in bounds {
        match bound.evaluate(view.comparison) {
            ThresholdCheck::Exceeded(says) => {
                eprintln!("crossed: {says}");
                code = ExitCode::from(CROSSED);
            }
            ThresholdCheck::Inconclusive(says) => eprintln!("inconclusive: {says}"),
            ThresholdCheck::Passed(says) => eprintln!("holds: {says}"),
        }
    }
    Ok(code)
}

pub(crate) fn sensors(request: &str) -> Result<energy::Opened, CliError> {
    let edge = |e: energy::EnergyError| CliError::usage(e.to_string(), e.why(), e.help());
    let request: energy::Request = request.parse().map_err(edge)?;
    energy::open(&request).map_err(edge)
}

fn default_path(header: &Header) -> PathBuf {
    let name = header.workload.name();
    let plain: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' })
        .take(40)
        .collect();
    let time = header.started.replace(':', "");
    PathBuf::from(".ungil").join(format!("{time}-{plain}-{}.jsonl", std::process::id()))
}

fn workload(args: &Compare) -> Result<Workload, CliError> {
    let workload = if let Some(path) = &args.script {
        Workload::Script { path: path.clone(), args: args.args.clone() }
    } else if let Some(name) = &args.module {
        Workload::Module { name: name.clone(), args: args.args.clone() }
    } else if let Some(command) = &args.command {
        Workload::Command { command: command.clone() }
    } else if let (Some(target), Some(items)) = (&args.task, &args.items) {
        Workload::Task { target: target.clone(), items: items.clone(), chunk: args.chunk }
    } else if let (Some(command), Some(load)) = (&args.serve, &args.load) {
        Workload::Serve {
            command: command.clone(),
            load: load.clone(),
            ready: args.ready.clone(),
            ready_timeout_s: args.ready_timeout,
            settle_s: args.settle,
        }
    } else {
        return Err(CliError::usage(
            "there is nothing to compare",
            "no workload was given",
            "give a script, -m MODULE, --command, --task or --serve; see the examples in ungil compare --help",
        ));
    };
    if !args.args.is_empty() && args.script.is_none() && args.module.is_none() {
        return Err(CliError::usage(
            "arguments after '--' need a script or module",
            "this workload is a command",
            "put the arguments into the command",
        ));
    }
    workload.check()?;
    Ok(workload)
}

fn header(args: &Compare, opened: &energy::Opened) -> Result<Header, CliError> {
    let workload = workload(args)?;
    args.metrics.iter().try_for_each(|m| CustomMetric::parse(m).map(|_| ()))?;
    let search = Search::from_env();
    let machine = Machine::here();
    let mut request = plan::Request {
        models: args.models.iter().map(|m| m.parse()).collect::<Result<_, _>>()?,
        workers: args.workers.clone(),
        also: args.also.iter().map(|a| (a.name.clone(), a.command.clone())).collect(),
        again: args.aa,
        cores: u32::try_from(machine.cpus).unwrap_or(1),
        ..plan::Request::default()
    };
    if args.python.is_empty() {
        let pair = default_pair(&search)?;
        let gil = ungil_experiment::arm::Gil::Default;
        request.pythons = vec![(pair.gil.clone(), gil), (pair.free_threaded.clone(), gil)];
        request.pair = Some(pair);
    }
    let specs: Vec<PythonSpec> =
        args.python.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    let named = resolve_all(&names, &search)?;
    request.pythons.extend(named.into_iter().zip(specs).map(|(python, spec)| (python, spec.gil)));
    let (arms, notes) = plan::arms(&workload, &request)?;
    notes.iter().for_each(|n| eprintln!("note: {n}"));
    Ok(Header {
        schema: SCHEMA.into(),
        ungil: env!("CARGO_PKG_VERSION").into(),
        started: now(),
        directory: std::env::current_dir().unwrap_or_default().display().to_string(),
        workload,
        settings: settings(args),
        arms,
        machine,
        sensors: opened.sensors.iter().map(|s| s.about()).collect(),
        absent: opened.absent.iter().map(|e| format!("{e}: {}", e.why())).collect(),
        notes,
    })
}

/// Returns a seed from the clock.
pub(crate) fn seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // 53 bits, so that a JSON reader that stores numbers as doubles keeps it exactly.
    now.map_or(1, |d| u64::from(d.subsec_nanos()) ^ (d.as_secs() << 20)) & ((1 << 53) - 1)
}

fn settings(args: &Compare) -> Settings {
    Settings {
        seed: args.seed.unwrap_or_else(seed),
        warmup: args.warmup,
        blocks: args.blocks,
        max_blocks: args.max_blocks,
        precision: args.precision,
        time_limit_s: args.time_limit,
        timeout_s: args.timeout,
        allow_different_output: args.allow_different_output,
        keep_going: args.keep_going,
        energy: args.energy.clone(),
        idle_s: args.idle,
        metrics: args.metrics.clone(),
    }
}
