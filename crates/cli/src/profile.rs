//! `ungil profile`: captures a profile, or converts or compares recordings.

mod alloc;
mod launch;
mod output;
mod render;
mod replay;

use crate::args::{Profile, ProfileMode};
use crate::error::{CliError, print};
use crate::signals;
use indicatif::{ProgressBar, ProgressStyle};
use launch::{Launched, WaitReporter};
use output::{Output, Written};
use std::io::IsTerminal;
use std::process::{ExitCode, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use ungil_format::{counted, duration};
use ungil_profile::capture::{
    CaptureEnding, CaptureOptions, CaptureProgress, CaptureResult, TaskMode, capture,
};
use ungil_profile::{Build, Builder, Format, Header, Unit};
use ungil_remote::Python;

/// Runs the command.
pub(crate) fn run(args: &Profile) -> Result<ExitCode, CliError> {
    check_options(args)?;
    if let Some(path) = &args.replay {
        return replay::replay(args, path);
    }
    if let [before, after] = args.diff.as_slice() {
        return replay::diff(args, before, after);
    }
    // Checked before a program is started or an hour is spent.
    output::check(args)?;
    if args.mode == ProfileMode::Alloc {
        return alloc::run(args);
    }
    output::chosen_format(args)?;
    let stop = signals::flag()?;
    let Some(pid) = pid(args) else {
        return started(args, Launched::start(args)?, &stop);
    };
    if !args.args.is_empty() {
        return Err(CliError::usage(
            "arguments after '--' belong to a script or module",
            format!("{pid} is the PID of a running process"),
            "omit them, or give a script",
        ));
    }
    let python = Python::attach(pid)?;
    check_gil(args, &python)?;
    let (captured, written) = profile(args, python, &stop)?;
    report(args, &captured, &written, None)?;
    check_complete(&captured, &written)?;
    Ok(ExitCode::SUCCESS)
}

/// Profiles a program that ungil started. If profiling fails the program still runs to its end,
/// unless ungil is stopped.
fn started(
    args: &Profile,
    mut launched: Launched,
    stop: &Arc<AtomicBool>,
) -> Result<ExitCode, CliError> {
    let profiled = launched.python(args.quiet, stop).and_then(|python| profile(args, python, stop));
    let (captured, written) = match profiled {
        Ok(profiled) => profiled,
        Err(error) => {
            let code = error.report();
            if launched.is_running() && !args.quiet {
                eprintln!("note: the program continues without profiling; Ctrl-C ends it");
            }
            launched.end(stop);
            return Ok(code);
        }
    };
    if captured.ending == CaptureEnding::TimeLimit && !args.quiet {
        eprintln!("note: the profile is written; the program continues, Ctrl-C ends it");
    }
    let status = launched.end(stop);
    report(args, &captured, &written, Some(&status))?;
    check_complete(&captured, &written)?;
    // Termination by us or by Ctrl-C is not the program's own failure.
    let failed = !stop.load(Ordering::Relaxed) && status.is_some_and(|status| !status.success());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Captures a profile and writes its files.
fn profile(
    args: &Profile,
    python: Python,
    stop: &Arc<AtomicBool>,
) -> Result<(CaptureResult, Written), CliError> {
    let header = header(args, &python);
    let mut output = Output::new(args, &header)?;
    let builder = output.builder(header)?;
    let options = CaptureOptions {
        mode: args.mode.into(),
        rate_hz: args.rate_hz(),
        duration: args.duration.map(Duration::from_secs_f64),
        threads: args.threads.clone(),
        children: args.children(),
        tasks: tasks(args),
        native: args.native,
    };
    let captured = watch(python, &options, builder, stop, args);
    let written = output.finish(&captured.finished)?;
    Ok((captured, written))
}

/// Prints the summary of a profile.
fn report(
    args: &Profile,
    captured: &CaptureResult,
    written: &Written,
    status: Option<&Option<ExitStatus>>,
) -> Result<(), CliError> {
    print(&if args.json {
        render::json(captured, written, status)
    } else {
        render::text(captured, written, status)
    })
}

/// Returns an error if the recording is incomplete or the profile is empty.
fn check_complete(captured: &CaptureResult, written: &Written) -> Result<(), CliError> {
    if let Err(error) = &captured.finished.recording
        && written.format == Format::Recording
    {
        return Err(output::incomplete(&written.recording, error));
    }
    if captured.stacks > 0 {
        return Ok(());
    }
    let totals = &captured.finished.profile.totals;
    Err(CliError::failed(
        "the profile is empty",
        match totals.notes.as_slice() {
            [] => format!("no thread stack could be read in {}", counted(totals.captured, "look")),
            notes => notes.join("; "),
        },
        "profile for longer, or list its threads with ungil dump",
    ))
}

fn tasks(args: &Profile) -> TaskMode {
    match (args.tasks, args.no_tasks) {
        (_, true) => TaskMode::No,
        (true, _) => TaskMode::All,
        _ => TaskMode::Running,
    }
}

/// Returns the process id that was given, if any.
fn pid(args: &Profile) -> Option<u32> {
    args.target.as_ref()?.to_str()?.parse().ok()
}

/// Returns an error if the GIL is to be profiled but is disabled.
fn check_gil(args: &Profile, python: &Python) -> Result<(), CliError> {
    if args.mode == ProfileMode::Gil && build(python) == Build::FreeThreaded {
        let pid = python.process().pid;
        return Err(no_gil(format!(
            "process {pid} runs a free-threaded Python with the GIL disabled"
        )));
    }
    Ok(())
}

fn no_gil(why: String) -> CliError {
    CliError::usage(
        "there is no GIL to profile",
        why,
        "use --mode lock to see what its threads wait for",
    )
}

fn build(python: &Python) -> Build {
    if !python.offsets().free_threaded {
        return Build::Gil;
    }
    if python.has_gil() { Build::FreeThreadedGilOn } else { Build::FreeThreaded }
}

fn header(args: &Profile, python: &Python) -> Header {
    Header {
        command: python.process().command.join(" "),
        pids: vec![python.process().pid],
        python: python.version().to_string(),
        build: Some(build(python)),
        mode: args.mode.into(),
        unit: Unit::Nanoseconds,
        rate_asked_hz: args.rate_hz(),
        started: ungil_experiment::runner::now(),
        ungil: env!("CARGO_PKG_VERSION").into(),
    }
}

/// Captures a profile, with progress on a terminal.
fn watch(
    python: Python,
    options: &CaptureOptions,
    builder: Builder,
    stop: &Arc<AtomicBool>,
    args: &Profile,
) -> CaptureResult {
    let bar = if args.quiet || !std::io::stderr().is_terminal() {
        ProgressBar::hidden()
    } else {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar
    };
    let mut waits = WaitReporter::new(args.quiet);
    let mut on_progress = |now: CaptureProgress| {
        if let Some((program, since)) = &now.without_python {
            waits.notify(&program.display().to_string(), *since);
        }
        let processes = if now.processes == 1 {
            String::new()
        } else {
            format!(" in {}", counted(now.processes, "process"))
        };
        let until = options.duration.map_or("(Ctrl-C ends it)".into(), |most| {
            format!("of {}", duration(most.as_secs_f64()))
        });
        bar.set_message(format!(
            "{} {until}  {} at {}{processes}, {} missed",
            duration(now.elapsed.as_secs_f64()),
            counted(now.looks, "look"),
            counted(now.threads, "thread"),
            now.missed
        ));
        bar.tick();
    };
    let captured =
        capture(python, options, builder, &mut || stop.load(Ordering::Relaxed), &mut on_progress);
    bar.finish_and_clear();
    captured
}

/// Rejects options that do not apply, instead of ignoring them.
fn check_options(args: &Profile) -> Result<(), CliError> {
    let sampling = [
        ("--rate", args.rate.is_some()),
        ("--threads", !args.threads.is_empty()),
        ("--children", args.children.is_some()),
        ("--tasks", args.tasks),
        ("--no-tasks", args.no_tasks),
        ("--native", args.native),
    ];
    let alloc = &args.alloc;
    let allocation = [
        ("--every", alloc.every.is_some()),
        ("--patience", alloc.patience.is_some()),
        ("--lines", alloc.lines.is_some()),
    ];
    let running = [("--duration", args.duration.is_some()), ("--python", args.python.is_some())];
    let mode = || format!("--mode {}", ungil_profile::Mode::from(args.mode).name());
    let offline =
        args.replay.is_some().then_some("--replay").or((!args.diff.is_empty()).then_some("--diff"));
    let (rejected, to, why) = match offline {
        Some(option) => {
            ([sampling.as_slice(), &running].concat(), option.into(), "it only reads recordings")
        }
        None if args.mode == ProfileMode::Alloc => (
            sampling.to_vec(),
            mode(),
            "an allocation profile samples by bytes, and only in the given process",
        ),
        None => (allocation.to_vec(), mode(), "it is an option of --mode alloc"),
    };
    match rejected.iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(CliError::usage(
            format!("{option} cannot be used with {to}"),
            why,
            if offline.is_some() { "omit it" } else { "omit it, or use another --mode" },
        )),
        None => Ok(()),
    }
}
