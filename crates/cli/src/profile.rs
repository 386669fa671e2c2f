//! `ungil profile`: from arguments to a capture, from a capture to files and words.

mod alloc;
mod launch;
mod output;
mod replay;
mod words;

use crate::args::{Profile, ProfileMode};
use crate::failure::{Edge, print};
use crate::signals;
use indicatif::{ProgressBar, ProgressStyle};
use launch::Launched;
use output::Output;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use ungil_format::counted;
use ungil_profile::capture::{Captured, Ending, Options, Progress, TaskMode, attach, capture};
use ungil_profile::{Build, Builder, Format, Header, Unit};
use ungil_remote::Python;

/// How long a program that was started may take to become a Python that can be read.
const PATIENCE: Duration = Duration::from_secs(10);

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
    let (python, launched) = target(args)?;
    check(args, &python)?;
    let header = header(args, &python);
    let mut output = Output::new(args, &header)?;
    let builder = output.builder(header)?;
    let options = Options {
        mode: args.mode.into(),
        rate_hz: args.rate_hz(),
        duration: args.duration.map(Duration::from_secs_f64),
        threads: args.threads.clone(),
        children: args.children(),
        tasks: tasks(args),
        native: args.native,
    };
    let captured = watch(python, &options, builder, &told, args);
    let written = output.finish(&captured.finished)?;
    if captured.ending == Ending::Time && launched.is_some() && !args.quiet {
        eprintln!("note: the profile is written; the program goes on, Ctrl-C ends it");
    }
    let status = launched.map(|launched| launched.end(&told));
    // What a program was told to do by us or by Ctrl-C is not its own failure.
    let failed = !told.load(Ordering::Relaxed) && status.flatten().is_some_and(|status| !status.success());
    if args.json {
        print(&words::json(&captured, &written, status.as_ref()))?;
    } else {
        print(&words::text(&captured, &written, status.as_ref()))?;
    }
    match &captured.finished.recording {
        Err(error) if written.format == Format::Recording => {
            Err(output::incomplete(&written.recording, error))
        }
        _ if failed => Ok(ExitCode::FAILURE),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn tasks(args: &Profile) -> TaskMode {
    match (args.tasks, args.no_tasks) {
        (_, true) => TaskMode::No,
        (true, _) => TaskMode::All,
        _ => TaskMode::Running,
    }
}

/// The process to look at, attached to; and the program, if it is one of ours.
fn target(args: &Profile) -> Result<(Python, Option<Launched>), Edge> {
    if let Some(pid) = pid(args) {
        if !args.args.is_empty() {
            return Err(Edge::usage(
                "arguments after '--' belong to a script or module",
                format!("{pid} is a process that runs already"),
                "leave them out, or name a script",
            ));
        }
        return Ok((attach(pid, Duration::ZERO).map_err(Edge::from)?, None));
    }
    let launched = Launched::start(args)?;
    match attach(launched.pid(), PATIENCE) {
        Ok(python) => Ok((python, Some(launched))),
        Err(error) => Err(launched.explain(error)),
    }
}

/// The process that was named, if one was.
fn pid(args: &Profile) -> Option<u32> {
    args.target.as_ref()?.to_str()?.parse().ok()
}

/// What cannot be had of this Python is said before time is spent on it.
fn check(args: &Profile, python: &Python) -> Result<(), Edge> {
    if args.mode == ProfileMode::Gil && build(python) == Build::FreeThreaded {
        return Err(Edge::usage(
            "there is no GIL to profile",
            format!("process {} runs a free-threaded Python whose GIL is off", python.process().pid),
            "--mode lock shows what its threads wait for",
        ));
    }
    Ok(())
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
    options: &Options,
    builder: Builder,
    told: &Arc<AtomicBool>,
    args: &Profile,
) -> Captured {
    let bar = if args.quiet || !std::io::stderr().is_terminal() {
        ProgressBar::hidden()
    } else {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar
    };
    let mut tell = |now: Progress| {
        let processes = if now.processes == 1 {
            String::new()
        } else {
            format!(" in {}", counted(now.processes, "process"))
        };
        let until = options
            .duration
            .map_or("Ctrl-C ends it".into(), |most| format!("of {:.0} s", most.as_secs_f64()));
        bar.set_message(format!(
            "{:.1} s {until}  {} at {}{processes}, {} missed",
            now.elapsed.as_secs_f64(),
            counted(now.looks, "look"),
            counted(now.threads, "thread"),
            now.missed
        ));
        bar.tick();
    };
    let captured = capture(python, options, builder, &mut || told.load(Ordering::Relaxed), &mut tell);
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
    let kept = args.replay.is_some().then_some("--replay").or((!args.diff.is_empty()).then_some("--diff"));
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
