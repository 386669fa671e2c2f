//! `ungil profile --mode alloc`: allocations of a program that ungil starts, or of a running
//! process.

use super::launch::{named, python};
use super::output::{Output, chosen_format};
use crate::args::Profile;
use crate::error::{CliError, print};
use crate::sanitize::{self, sanitize};
use crate::width::{table_width, text_width};
use serde_json::{Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::process::{ExitCode, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use ungil_format::wrap;
use ungil_profile::alloc::{AllocError, Allocations, AttachRequest, LaunchRequest, attach, launch};
use ungil_remote::unicode::decoded;

/// The measured allocations, the profiled command, and its exit status if ungil started it.
struct Measured {
    allocations: Allocations,
    command: String,
    status: Option<ExitStatus>,
    /// Whether it was stopped by a signal to ungil.
    stopped: bool,
}

/// Profiles, writes the files, and prints the report.
pub(super) fn run(args: &Profile) -> Result<ExitCode, CliError> {
    chosen_format(args)?;
    let started = ungil_experiment::runner::now();
    let Measured { allocations, command, status, stopped } = measure(args)?;
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
        print(&sanitize::sanitize_json(&format!("{report:#}\n")))?;
    } else {
        let words = allocations.render(args.alloc.lines(), table_width(false));
        let words: String = words.lines().map(|line| format!("{}\n", sanitize(line))).collect();
        print(&wrap(&words, text_width(), 4))?;
        if let Some(status) = status.filter(|status| !status.success()) {
            print(&format!("The program ended with {status}.\n"))?;
        }
        print(&written.render())?;
    }
    let failed = !stopped && status.is_some_and(|status| !status.success());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn measure(args: &Profile) -> Result<Measured, CliError> {
    let [interrupted, ended] = [listen(&[SIGINT])?, listen(&[SIGTERM, SIGHUP])?];
    if let Some(pid) = super::pid(args) {
        check_running(args, pid)?;
        let request = AttachRequest {
            pid,
            every: args.alloc.every(),
            duration: args.duration.map(Duration::from_secs_f64),
            timeout: Duration::from_secs_f64(args.alloc.patience()),
        };
        // Read before profiling: afterwards the process may have ended.
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = decoded(&command).replace('\0', " ").trim().into();
        let asked = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        let allocations =
            attach(&request, || asked(&interrupted) || asked(&ended)).map_err(to_edge)?;
        return Ok(Measured { allocations, command, status: None, stopped: false });
    }
    let (target, module) = named(args)?;
    check_started(args)?;
    let what = LaunchRequest {
        python: python(args.python.as_deref())?.executable,
        target,
        module,
        arguments: args.args.clone(),
        every: args.alloc.every(),
        stdout_to_stderr: args.json,
    };
    // A terminal sends Ctrl-C to the program as well; otherwise ungil must forward it.
    let terminal = std::io::stdin().is_terminal();
    let mut stopped = false;
    let mut forward = || {
        let interrupted = interrupted.swap(false, Ordering::Relaxed);
        let ended = ended.swap(false, Ordering::Relaxed);
        stopped |= interrupted || ended;
        let interrupted = interrupted && !terminal;
        interrupted.then_some(SIGINT).or(ended.then_some(SIGTERM))
    };
    let (allocations, status) = launch(&what, &mut forward).map_err(to_edge)?;
    let words = [what.python.as_os_str(), &what.target]
        .into_iter()
        .chain(args.args.iter().map(AsRef::as_ref));
    let command: Vec<String> = words.map(|word| decoded(word.as_bytes())).collect();
    Ok(Measured { allocations, command: command.join(" "), status: Some(status), stopped })
}

/// Rejects options that do not apply to a running process.
fn check_running(args: &Profile, pid: u32) -> Result<(), CliError> {
    let refused =
        [("arguments after '--'", !args.args.is_empty()), ("--python", args.python.is_some())];
    match refused.into_iter().find(|(_, given)| *given) {
        Some((what, _)) => Err(CliError::usage(
            format!("{what} cannot be used with a running process"),
            format!("{pid} is the PID of a running process"),
            "omit them, or give a script",
        )),
        None => Ok(()),
    }
}

/// Rejects options that do not apply to a program that ungil starts.
fn check_started(args: &Profile) -> Result<(), CliError> {
    let refused =
        [("--duration", args.duration.is_some()), ("--patience", args.alloc.patience.is_some())];
    match refused.into_iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(CliError::usage(
            format!("{option} cannot be used with a program that ungil starts"),
            "its allocations are watched from its start to its end",
            "leave it out; Ctrl-C ends the program and keeps the profile",
        )),
        None => Ok(()),
    }
}

fn listen(signals: &[i32]) -> Result<Arc<AtomicBool>, CliError> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in signals {
        signal_hook::flag::register(*signal, flag.clone()).map_err(|e| {
            CliError::failed("cannot listen for Ctrl-C", e, "close some open files, and try again")
        })?;
    }
    Ok(flag)
}

fn to_edge(error: AllocError) -> CliError {
    match error {
        AllocError::Attach(error) => CliError::from(error),
        error => CliError::failed(error.to_string(), error.why(), error.help()),
    }
}
