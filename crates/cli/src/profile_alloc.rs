//! `ungil profile --mode alloc`: allocations of a program that is started, or of one that lets itself be asked.

use crate::args::AllocArgs;
use crate::failure::{Edge, print};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::ffi::OsStr;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use ungil_profile::alloc::{Allocations, Ask, Error, Launch, attach, launch};
use ungil_profile::{Format, write};
use ungil_pythons::Search;

/// Profiles, and prints what came of it.
pub(crate) fn run(args: &AllocArgs) -> Result<ExitCode, Edge> {
    let format = match &args.output {
        Some(path) => Some((path, Format::of_path(path).ok_or_else(|| unknown_format(path))?)),
        None => None,
    };
    let started = jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    let (allocations, command) = measure(args)?;
    if let Some((path, format)) = format {
        let finished = allocations.profile(&command, &started, env!("CARGO_PKG_VERSION"));
        write(format, &finished.profile, None, path).map_err(|e| {
            Edge::failed(format!("cannot write {}", path.display()), e, "give a file you may write")
        })?;
    }
    if args.json {
        let text = serde_json::to_string_pretty(&allocations.json())
            .map_err(|e| Edge::failed("cannot write the result as JSON", e, "report this"))?;
        print(&(text + "\n"))?;
    } else {
        print(&allocations.words(args.lines))?;
        if let Some((path, format)) = format {
            print(&format!("Written: {} (for {})\n", path.display(), format.opens_with()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown_format(path: &std::path::Path) -> Edge {
    let endings: Vec<&str> = Format::ALL.iter().filter_map(|f| f.endings().first().copied()).collect();
    let what = format!("{} does not say which format it is to have", path.display());
    Edge::usage(
        what,
        "a format is chosen by the ending of the file's name",
        format!("end it with {}", endings.join(", ")),
    )
}

fn measure(args: &AllocArgs) -> Result<(Allocations, String), Edge> {
    let [interrupted, ended] = [listen(&[SIGINT])?, listen(&[SIGTERM, SIGHUP])?];
    let asked = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
    if let Some(pid) = args.target.as_deref().and_then(OsStr::to_str).and_then(|t| t.parse().ok()) {
        let ask = Ask {
            pid,
            every: args.every,
            duration: args.duration.map(Duration::from_secs_f64),
            patience: Duration::from_secs_f64(args.patience),
        };
        let allocations = attach(&ask, || asked(&interrupted) || asked(&ended)).map_err(edge)?;
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        return Ok((allocations, String::from_utf8_lossy(&command).replace('\0', " ").trim().into()));
    }
    let (target, module) = match (&args.module, &args.target) {
        (Some(module), _) => (module, true),
        (None, Some(script)) => (script, false),
        (None, None) => {
            return Err(Edge::usage("nothing to profile", "no PID, SCRIPT or -m MODULE", "name one"));
        }
    };
    let python = args.python.as_deref().unwrap_or("python3");
    let what = Launch {
        python: ungil_pythons::resolve(python, &Search::from_env())?.executable,
        target: target.clone(),
        module,
        arguments: args.args.clone(),
        every: args.every,
        apart: args.json,
    };
    // The terminal sends Ctrl-C to the program as well; from anywhere else it is ours to hand on.
    let terminal = std::io::stdin().is_terminal();
    let mut hand_on = || {
        let interrupted = interrupted.swap(false, Ordering::Relaxed) && !terminal;
        let ended = ended.swap(false, Ordering::Relaxed);
        interrupted.then_some(SIGINT).or(ended.then_some(SIGTERM))
    };
    let (allocations, status) = launch(&what, &mut hand_on).map_err(edge)?;
    if !status.success() {
        eprintln!("ungil: the program ended with {status}");
    }
    let words =
        [what.python.as_os_str(), target.as_os_str()].into_iter().chain(args.args.iter().map(AsRef::as_ref));
    let command: Vec<String> = words.map(|w| w.to_string_lossy().into_owned()).collect();
    Ok((allocations, command.join(" ")))
}

fn listen(signals: &[i32]) -> Result<Arc<AtomicBool>, Edge> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in signals {
        signal_hook::flag::register(*signal, flag.clone()).map_err(|e| {
            Edge::failed("cannot listen for Ctrl-C", e, "close some open files, and try again")
        })?;
    }
    Ok(flag)
}

fn edge(error: Error) -> Edge {
    Edge::failed(error.to_string(), error.why(), error.mend())
}
