//! `ungil profile --mode alloc`: allocations of a program that is started, or of one that lets
//! itself be asked.

use super::launch::{named, python};
use super::output::{Output, chosen};
use crate::args::Profile;
use crate::clean::{self, clean};
use crate::failure::{Edge, print};
use serde_json::{Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::process::{ExitCode, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use ungil_profile::alloc::{AllocError, Allocations, AttachRequest, LaunchRequest, attach, launch};
use ungil_remote::unicode::decoded;

/// What was measured, of which command, and how that ended if it is ours.
struct Measured {
    allocations: Allocations,
    command: String,
    status: Option<ExitStatus>,
    /// It was told to end.
    told: bool,
}

/// Profiles, writes, and prints what came of it.
pub(super) fn run(args: &Profile) -> Result<ExitCode, Edge> {
    chosen(args)?;
    let started = ungil_experiment::runner::now();
    let Measured { allocations, command, status, told } = measure(args)?;
    let profile = allocations.profile(&command, &started, env!("CARGO_PKG_VERSION")).profile;
    let written = Output::new(args, &profile.header)?.save(&profile)?;
    if args.json {
        let mut report = allocations.json();
        if let Value::Object(map) = &mut report {
            map.insert("exit_code".into(), json!(status.and_then(|status| status.code())));
            map.insert(
                "written".into(),
                json!({"path": written.path, "format": written.format.name()}),
            );
            map.insert("recording".into(), json!(written.recording));
        }
        print(&clean::json(&format!("{report:#}\n")))?;
    } else {
        let words = allocations.render(args.alloc.lines());
        print(&words.lines().map(|line| format!("{}\n", clean(line))).collect::<String>())?;
        if let Some(status) = status.filter(|status| !status.success()) {
            print(&format!("The program ended with {status}.\n"))?;
        }
        print(&written.render())?;
    }
    let failed = !told && status.is_some_and(|status| !status.success());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn measure(args: &Profile) -> Result<Measured, Edge> {
    let [interrupted, ended] = [listen(&[SIGINT])?, listen(&[SIGTERM, SIGHUP])?];
    if let Some(pid) = super::pid(args) {
        running(args, pid)?;
        let request = AttachRequest {
            pid,
            every: args.alloc.every(),
            duration: args.duration.map(Duration::from_secs_f64),
            timeout: Duration::from_secs_f64(args.alloc.patience()),
        };
        // Before it is watched: afterwards it may be gone.
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = decoded(&command).replace('\0', " ").trim().into();
        let asked = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        let allocations =
            attach(&request, || asked(&interrupted) || asked(&ended)).map_err(edge)?;
        return Ok(Measured { allocations, command, status: None, told: false });
    }
    let (target, module) = named(args)?;
    started(args)?;
    let what = LaunchRequest {
        python: python(args.python.as_deref())?.executable,
        target,
        module,
        arguments: args.args.clone(),
        every: args.alloc.every(),
        stdout_to_stderr: args.json,
    };
    // The terminal sends Ctrl-C to the program as well; from anywhere else it is ours to hand on.
    let terminal = std::io::stdin().is_terminal();
    let mut told = false;
    let mut hand_on = || {
        let interrupted = interrupted.swap(false, Ordering::Relaxed);
        let ended = ended.swap(false, Ordering::Relaxed);
        told |= interrupted || ended;
        let interrupted = interrupted && !terminal;
        interrupted.then_some(SIGINT).or(ended.then_some(SIGTERM))
    };
    let (allocations, status) = launch(&what, &mut hand_on).map_err(edge)?;
    let words = [what.python.as_os_str(), &what.target]
        .into_iter()
        .chain(args.args.iter().map(AsRef::as_ref));
    let command: Vec<String> = words.map(|word| decoded(word.as_bytes())).collect();
    Ok(Measured { allocations, command: command.join(" "), status: Some(status), told })
}

/// What is asked of a process that runs must have a meaning there.
fn running(args: &Profile, pid: u32) -> Result<(), Edge> {
    let refused =
        [("arguments after '--'", !args.args.is_empty()), ("--python", args.python.is_some())];
    match refused.into_iter().find(|(_, given)| *given) {
        Some((what, _)) => Err(Edge::usage(
            format!("{what} and a process that runs do not go together"),
            format!("{pid} is a process that runs already"),
            "leave them out, or name a script",
        )),
        None => Ok(()),
    }
}

/// And what is asked of a program that is started, there.
fn started(args: &Profile) -> Result<(), Edge> {
    let refused =
        [("--duration", args.duration.is_some()), ("--patience", args.alloc.patience.is_some())];
    match refused.into_iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(Edge::usage(
            format!("{option} means nothing to a program that ungil starts"),
            "its allocations are watched from its start to its end",
            "leave it out; Ctrl-C ends the program and keeps the profile",
        )),
        None => Ok(()),
    }
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

fn edge(error: AllocError) -> Edge {
    match error {
        AllocError::Attach(error) => Edge::from(error),
        error => Edge::failed(error.to_string(), error.why(), error.help()),
    }
}
