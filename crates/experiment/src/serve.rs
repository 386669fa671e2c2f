//! Runs a service under load: starts it, waits until it is ready, runs the load generator, and
//! stops it. The measured window is the time of the load. The load generator is not part of the
//! measured tree.

mod http;
pub(crate) mod ready;

use crate::arm::Arm;
use crate::context::{Findings, RunContext};
use crate::error::{Error, failed};
use crate::hazard::{Hazard, HazardKind};
use crate::load::{self, CustomMetric};
use crate::phase::Message;
use crate::record::{Outcome, Run};
use crate::session::{Session, SessionEvent};
use crate::shell;
use crate::window::Window;
use crate::workload::{Fill, Serving, split};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Start of the reason if the service exited before the load did.
pub(crate) const SERVICE_EXITED: &str = "the service exited";
/// Time that a service has to exit after SIGTERM.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum bytes read of a load generator's output.
const MAX_LOAD_OUTPUT: u64 = 4 << 20;

/// Returns a free port on the loopback interface.
pub(crate) fn free_port() -> Result<u16, Error> {
    let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|l| l.local_addr()).map(|a| a.port());
    port.map_err(|e| {
        failed("no free port", e.to_string(), "stop programs that hold many ports, and try again")
    })
}

/// The load generator's process; killed on drop.
struct LoadGenerator(Child);

impl Drop for LoadGenerator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a service under load once.
pub(crate) fn drive(
    cx: &mut RunContext<'_>,
    session: &mut Session<'_>,
    window: &mut Window,
    found: &mut Findings,
    arm: &Arm,
    serving: Serving<'_>,
    port: u16,
) -> Result<(), Error> {
    if !ready::wait(cx, session, found, arm, serving, port)? {
        return Ok(());
    }
    if !settle(cx, session, found, serving.settle_s)? {
        return Ok(());
    }
    let fill = Fill::service(arm, port);
    let words: Vec<String> = split(serving.load)?.iter().map(|w| fill.fill(w)).collect();
    session.sampler.reset();
    session.waiting.begin(&session.tree.members(), true);
    let tree = &session.tree;
    window.open(&mut cx.sensors, || tree.counters(None));
    let began = ungil_meter::monotonic_ns();
    let (mut load, mut output) = start_load(&words)?;
    let pid = i32::try_from(load.0.id()).unwrap_or(0);
    session.tree.disown(pid);
    session.watched = Pid::from_raw(pid).and_then(|p| pidfd_open(p, PidfdFlags::empty()).ok());
    let failure = loop {
        match session.next(None, &mut cx.sensors)? {
            SessionEvent::WatchedExited => break None,
            SessionEvent::Ended => break Some(format!("{SERVICE_EXITED} under load")),
            SessionEvent::TimedOut => {
                found.outcome = Some(Outcome::TimedOut);
                break Some("the load exceeded --timeout".into());
            }
            SessionEvent::Message(message) => handle_message(message, session, found)?,
            SessionEvent::Elapsed => {}
        }
    };
    session.watched = None;
    if let Some(why) = failure {
        window.discard();
        found.outcome.get_or_insert(Outcome::Invalid { why });
        session.tree.kill()?;
        return Ok(());
    }
    let wall_s = (ungil_meter::monotonic_ns() - began) as f64 / 1e9;
    found.load_cpu_s = ungil_meter::process_cpu_s(pid).unwrap_or(0.0);
    let counters = session.tree.counters(None);
    window.close(&mut cx.sensors, wall_s, counters);
    session.waiting.end(None);
    let memory = session.sampler.checkpoint(&session.tree);
    window.add_memory(session.sampler.peaks(), Some(memory));
    let status = load
        .0
        .wait()
        .map_err(|e| failed("cannot wait for the load generator", e.to_string(), "run it again"))?;
    let mut text = Vec::new();
    let read = output
        .seek(SeekFrom::Start(0))
        .and_then(|_| (&mut output).take(MAX_LOAD_OUTPUT).read_to_end(&mut text));
    read.map_err(|e| {
        failed("cannot read the load generator's output", e.to_string(), "run it again")
    })?;
    let text = String::from_utf8_lossy(&text);
    let custom: Vec<CustomMetric> =
        cx.settings.metrics.iter().map(|m| CustomMetric::parse(m)).collect::<Result<_, _>>()?;
    let report = load::read(&text, &custom);
    if let Some(says) = report.failed() {
        session.note(Hazard::new(HazardKind::FailedRequests, says));
    }
    if !status.success() {
        let says = text
            .lines()
            .rev()
            .find(|l| !l.trim().is_empty())
            .unwrap_or("it printed nothing")
            .trim();
        found.outcome =
            Some(Outcome::Invalid { why: format!("the load generator failed ({status}): {says}") });
    } else if let Some(why) = report.useless() {
        let before = found.ready_answer.take().map_or_else(String::new, |says| format!("; {says}"));
        found.outcome = Some(Outcome::Invalid { why: format!("{why}{before}") });
    } else if report.metrics.is_empty() {
        let why =
            "the load generator printed no known figure; define one with --metric".to_string();
        found.outcome = Some(Outcome::Invalid { why });
    }
    found.metrics.extend(report.metrics);
    found.missing.extend(report.missing);
    stop_service(cx, session, found)
}

/// Completes the shell command that starts a service. A service that does not exit by itself shows
/// the fault only under load, so the command also runs the load.
///
/// # Errors
/// If the load generator's command line cannot be split into words.
pub(crate) fn by_hand(
    line: &str,
    arm: &Arm,
    run: &Run,
    serving: Serving<'_>,
    port: u16,
) -> Result<String, Error> {
    if matches!(&run.outcome, Outcome::Invalid { why } if why.starts_with(SERVICE_EXITED)) {
        return Ok(line.to_string());
    }
    let fill = Fill::service(arm, port);
    let load: Vec<String> =
        split(serving.load)?.iter().map(|word| shell::word(&fill.fill(word))).collect();
    Ok(format!("{line} & sleep 5; {}; kill $!", load.join(" ")))
}

/// Waits `seconds` before the load; returns false if the service exited or timed out.
fn settle(
    cx: &mut RunContext<'_>,
    session: &mut Session<'_>,
    found: &mut Findings,
    seconds: f64,
) -> Result<bool, Error> {
    let Some(until) = Instant::now().checked_add(Duration::from_secs_f64(seconds)) else {
        return Ok(true);
    };
    loop {
        match session.next(Some(until), &mut cx.sensors)? {
            SessionEvent::Elapsed => return Ok(true),
            SessionEvent::Ended => {
                let why = format!("{SERVICE_EXITED} after it was ready, before the load began");
                found.outcome = Some(Outcome::Invalid { why });
                return Ok(false);
            }
            SessionEvent::TimedOut => {
                found.outcome = Some(Outcome::TimedOut);
                session.tree.kill()?;
                return Ok(false);
            }
            SessionEvent::Message(message) => handle_message(message, session, found)?,
            SessionEvent::WatchedExited => {}
        }
    }
}

/// Handles a message of a service. Its phase marks do not count, because the window is the time of
/// the load, but they are answered, so that it continues.
fn handle_message(
    message: Message,
    session: &mut Session<'_>,
    found: &mut Findings,
) -> Result<(), Error> {
    match message {
        Message::Metric(name, value) => drop(found.metrics.insert(name, value)),
        Message::Start(_) | Message::End(..) => {
            let says = "the service marked a phase, which is ignored: a service is measured during the load";
            session.note(Hazard::new(HazardKind::Phase, says));
            session.release_workload()?;
        }
        Message::Unknown(_) => {}
    }
    Ok(())
}

fn start_load(words: &[String]) -> Result<(LoadGenerator, File), Error> {
    let cannot = |e: std::io::Error| {
        let program = words.first().map_or("", String::as_str);
        failed(
            format!("cannot start the load generator '{program}'"),
            e.to_string(),
            "install it, or correct --load",
        )
    };
    let output = tempfile::tempfile().map_err(cannot)?;
    let (out, err) = (output.try_clone().map_err(cannot)?, output.try_clone().map_err(cannot)?);
    let mut command = Command::new(words.first().map_or("", String::as_str));
    let child =
        command.args(words.iter().skip(1)).stdin(Stdio::null()).stdout(out).stderr(err).spawn();
    Ok((LoadGenerator(child.map_err(cannot)?), output))
}

/// Stops the service with SIGTERM. A service that exits because of that signal has succeeded.
fn stop_service(
    cx: &mut RunContext<'_>,
    session: &mut Session<'_>,
    found: &mut Findings,
) -> Result<(), Error> {
    session.tree.terminate();
    let limit = Instant::now() + SHUTDOWN_TIMEOUT;
    loop {
        match session.next(Some(limit), &mut cx.sensors)? {
            SessionEvent::Ended => break,
            SessionEvent::Elapsed | SessionEvent::TimedOut => {
                session.tree.kill()?;
                break;
            }
            SessionEvent::Message(message) => handle_message(message, session, found)?,
            SessionEvent::WatchedExited => {}
        }
    }
    found.outcome.get_or_insert(Outcome::Ok);
    Ok(())
}
