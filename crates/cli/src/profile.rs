//! `ungil profile`: from arguments to a capture, from a capture to files and words.

mod alloc;
mod launch;
mod output;
mod render;
mod replay;

use crate::args::{Profile, ProfileMode};
use crate::failure::{Edge, print};
use crate::signals;
use indicatif::{ProgressBar, ProgressStyle};
use launch::{Launched, Waits};
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

/// Profiles, or turns a profile into something else.
pub(crate) fn run(args: &Profile) -> Result<ExitCode, Edge> {
    fits(args)?;
    if let Some(path) = &args.replay {
        return replay::replay(args, path);
    }
    if let [before, after] = args.diff.as_slice() {
        return replay::diff(args, before, after);
    }
    // Before a program is started, or an hour is spent.
    output::check(args)?;
    if args.mode == ProfileMode::Alloc {
        return alloc::run(args);
    }
    output::chosen(args)?;
    let told = signals::flag()?;
    let Some(pid) = pid(args) else {
        return started(args, Launched::start(args)?, &told);
    };
    if !args.args.is_empty() {
        return Err(Edge::usage(
            "arguments after '--' belong to a script or module",
            format!("{pid} is a process that runs already"),
            "leave them out, or name a script",
        ));
    }
    let python = Python::attach(pid)?;
    has_gil(args, &python)?;
    let (captured, written) = profile(args, python, &told)?;
    report(args, &captured, &written, None)?;
    complete(&captured, &written)?;
    Ok(ExitCode::SUCCESS)
}

/// Profiles a program that was started for it. Whatever goes wrong with the profile, the program
/// runs to its own end, unless ungil is told to end.
fn started(
    args: &Profile,
    mut launched: Launched,
    told: &Arc<AtomicBool>,
) -> Result<ExitCode, Edge> {
    let profiled = launched.python(args.quiet, told).and_then(|python| profile(args, python, told));
    let (captured, written) = match profiled {
        Ok(profiled) => profiled,
        Err(error) => {
            let code = error.report();
            if launched.is_running() && !args.quiet {
                eprintln!("note: the program goes on without a profile; Ctrl-C ends it");
            }
            launched.end(told);
            return Ok(code);
        }
    };
    if captured.ending == CaptureEnding::TimeLimit && !args.quiet {
        eprintln!("note: the profile is written; the program goes on, Ctrl-C ends it");
    }
    let status = launched.end(told);
    report(args, &captured, &written, Some(&status))?;
    complete(&captured, &written)?;
    // What a program was told to do by us or by Ctrl-C is not its own failure.
    let failed = !told.load(Ordering::Relaxed) && status.is_some_and(|status| !status.success());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Captures a profile and writes its files.
fn profile(
    args: &Profile,
    python: Python,
    told: &Arc<AtomicBool>,
) -> Result<(CaptureResult, Written), Edge> {
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
    let captured = watch(python, &options, builder, told, args);
    let written = output.finish(&captured.finished)?;
    Ok((captured, written))
}

/// Prints what a profile came to.
fn report(
    args: &Profile,
    captured: &CaptureResult,
    written: &Written,
    status: Option<&Option<ExitStatus>>,
) -> Result<(), Edge> {
    print(&if args.json {
        render::json(captured, written, status)
    } else {
        render::text(captured, written, status)
    })
}

/// Refuses to call a profile done that is cut off, or that has nothing in it.
fn complete(captured: &CaptureResult, written: &Written) -> Result<(), Edge> {
    if let Err(error) = &captured.finished.recording
        && written.format == Format::Recording
    {
        return Err(output::incomplete(&written.recording, error));
    }
    if captured.stacks > 0 {
        return Ok(());
    }
    let totals = &captured.finished.profile.totals;
    Err(Edge::failed(
        "the profile is empty",
        match totals.notes.as_slice() {
            [] => format!(
                "no stack of a thread could be read in {}",
                counted(totals.captured, "look")
            ),
            notes => notes.join("; "),
        },
        "profile it for longer, or use ungil dump to see which threads there are",
    ))
}

fn tasks(args: &Profile) -> TaskMode {
    match (args.tasks, args.no_tasks) {
        (_, true) => TaskMode::No,
        (true, _) => TaskMode::All,
        _ => TaskMode::Running,
    }
}

/// The process that was named, if one was.
fn pid(args: &Profile) -> Option<u32> {
    args.target.as_ref()?.to_str()?.parse().ok()
}

/// Refuses to profile a GIL that is off.
fn has_gil(args: &Profile, python: &Python) -> Result<(), Edge> {
    if args.mode == ProfileMode::Gil && build(python) == Build::FreeThreaded {
        let pid = python.process().pid;
        return Err(no_gil(format!("process {pid} runs a free-threaded Python whose GIL is off")));
    }
    Ok(())
}

fn no_gil(why: String) -> Edge {
    Edge::usage("there is no GIL to profile", why, "--mode lock shows what its threads wait for")
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

/// Captures, with progress on a terminal.
fn watch(
    python: Python,
    options: &CaptureOptions,
    builder: Builder,
    told: &Arc<AtomicBool>,
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
    let mut waits = Waits::new(args.quiet);
    let mut tell = |now: CaptureProgress| {
        if let Some((program, since)) = &now.without_python {
            waits.tell(&program.display().to_string(), *since);
        }
        let processes = if now.processes == 1 {
            String::new()
        } else {
            format!(" in {}", counted(now.processes, "process"))
        };
        let until = options
            .duration
            .map_or("Ctrl-C ends it".into(), |most| format!("of {}", duration(most.as_secs_f64())));
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
        capture(python, options, builder, &mut || told.load(Ordering::Relaxed), &mut tell);
    bar.finish_and_clear();
    captured
}

/// An option that has no use where it was given is refused, not ignored.
fn fits(args: &Profile) -> Result<(), Edge> {
    let looks = [
        ("--rate", args.rate.is_some()),
        ("--threads", !args.threads.is_empty()),
        ("--children", args.children.is_some()),
        ("--tasks", args.tasks),
        ("--no-tasks", args.no_tasks),
        ("--native", args.native),
    ];
    let alloc = &args.alloc;
    let samples = [
        ("--every", alloc.every.is_some()),
        ("--patience", alloc.patience.is_some()),
        ("--lines", alloc.lines.is_some()),
    ];
    let runs = [("--duration", args.duration.is_some()), ("--python", args.python.is_some())];
    let mode = || format!("--mode {}", ungil_profile::Mode::from(args.mode).name());
    let kept =
        args.replay.is_some().then_some("--replay").or((!args.diff.is_empty()).then_some("--diff"));
    let (others, to, why) = match kept {
        Some(option) => (
            [looks.as_slice(), &runs].concat(),
            option.into(),
            "it reads what was recorded and looks at nothing",
        ),
        None if args.mode == ProfileMode::Alloc => (
            looks.to_vec(),
            mode(),
            "a profile of allocations takes no looks: it samples by bytes, in the process that was named alone",
        ),
        None => (samples.to_vec(), mode(), "it is an option of --mode alloc"),
    };
    match others.iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(Edge::usage(
            format!("{option} means nothing to {to}"),
            why,
            if kept.is_some() { "leave it out" } else { "leave it out, or use another --mode" },
        )),
        None => Ok(()),
    }
}
