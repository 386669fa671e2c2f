//! A service under load: started, waited for, loaded by another program, asked to end. The window
//! is the load's time; the load generator is not part of the tree that is measured.

mod http;
pub(crate) mod ready;

use crate::arm::Arm;
use crate::context::{Findings, RunContext};
use crate::error::{Error, failed};
use crate::hazard::{Hazard, Kind};
use crate::load::{self, Custom};
use crate::phase::Message;
use crate::record::{Outcome, Run};
use crate::session::{Event, Session};
use crate::shell;
use crate::window::Window;
use crate::workload::{Fill, Serving, split};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How the reason begins where the service ended before its load did.
pub(crate) const ENDED: &str = "the service ended";
/// How long it may take to end when asked to.
const GRACE: Duration = Duration::from_secs(5);
/// Most output read from a load generator.
const MOST: u64 = 4 << 20;

/// A port of this machine's loopback on which nothing listens.
pub(crate) fn free_port() -> Result<u16, Error> {
    let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|l| l.local_addr()).map(|a| a.port());
    port.map_err(|e| {
        failed(
            "there is no free port",
            e.to_string(),
            "end something that holds many ports, and try again",
        )
    })
}

/// The load generator; ended when dropped.
struct Load(Child);

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Drives one run of a service.
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
    let (mut load, mut output) = start(&words)?;
    let pid = i32::try_from(load.0.id()).unwrap_or(0);
    session.tree.disown(pid);
    session.watched = Pid::from_raw(pid).and_then(|p| pidfd_open(p, PidfdFlags::empty()).ok());
    let lost = loop {
        match session.next(None, &mut cx.sensors)? {
            Event::Watched => break None,
            Event::Ended => break Some(format!("{ENDED} while it was under load")),
            Event::TimedOut => {
                found.outcome = Some(Outcome::TimedOut);
                break Some("the load ran past --timeout".into());
            }
            Event::Said(message) => hear(message, session, found)?,
            Event::Waited => {}
        }
    };
    session.watched = None;
    if let Some(why) = lost {
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
    window.remember(session.sampler.peaks(), Some(memory));
    let status = load
        .0
        .wait()
        .map_err(|e| failed("lost track of the load generator", e.to_string(), "run it again"))?;
    let mut text = Vec::new();
    let read = output
        .seek(SeekFrom::Start(0))
        .and_then(|_| (&mut output).take(MOST).read_to_end(&mut text));
    read.map_err(|e| {
        failed("cannot read the load generator's output", e.to_string(), "run it again")
    })?;
    let text = String::from_utf8_lossy(&text);
    let custom: Vec<Custom> =
        cx.settings.metrics.iter().map(|m| Custom::parse(m)).collect::<Result<_, _>>()?;
    let report = load::read(&text, &custom);
    if let Some(says) = report.failed() {
        session.note(Hazard::new(Kind::FailedRequests, says));
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
        let why = "the load generator printed no figure that is known; name one with --metric"
            .to_string();
        found.outcome = Some(Outcome::Invalid { why });
    }
    found.metrics.extend(report.metrics);
    found.missing.extend(report.missing);
    end(cx, session, found)
}

/// Completes the line for a shell that starts a service: one that does not end by itself shows its
/// fault under load.
///
/// # Errors
/// The load generator's command line cannot be split into words.
pub(crate) fn by_hand(
    line: &str,
    arm: &Arm,
    run: &Run,
    serving: Serving<'_>,
    port: u16,
) -> Result<String, Error> {
    if matches!(&run.outcome, Outcome::Invalid { why } if why.starts_with(ENDED)) {
        return Ok(line.to_string());
    }
    let fill = Fill::service(arm, port);
    let load: Vec<String> =
        split(serving.load)?.iter().map(|word| shell::word(&fill.fill(word))).collect();
    Ok(format!("{line} & sleep 5; {}; kill $!", load.join(" ")))
}

/// Leaves a service that is ready alone for a while; false if it ended.
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
            Event::Waited => return Ok(true),
            Event::Ended => {
                let why = format!("{ENDED} after it was ready, before the load began");
                found.outcome = Some(Outcome::Invalid { why });
                return Ok(false);
            }
            Event::TimedOut => {
                found.outcome = Some(Outcome::TimedOut);
                session.tree.kill()?;
                return Ok(false);
            }
            Event::Said(message) => hear(message, session, found)?,
            Event::Watched => {}
        }
    }
}

/// A service's window is the load's time: its marks are answered, so that it goes on, and do not
/// count.
fn hear(message: Message, session: &mut Session<'_>, found: &mut Findings) -> Result<(), Error> {
    match message {
        Message::Metric(name, value) => drop(found.metrics.insert(name, value)),
        Message::Start(_) | Message::End(..) => {
            let says = "the service marked a phase; what counts is the load's time";
            session.note(Hazard::new(Kind::Phase, says));
            session.answer()?;
        }
        Message::Unknown(_) => {}
    }
    Ok(())
}

fn start(words: &[String]) -> Result<(Load, File), Error> {
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
    Ok((Load(child.map_err(cannot)?), output))
}

/// Asks the service to end; a service that was asked to end and did so by that signal ended well.
fn end(
    cx: &mut RunContext<'_>,
    session: &mut Session<'_>,
    found: &mut Findings,
) -> Result<(), Error> {
    session.tree.terminate();
    let limit = Instant::now() + GRACE;
    loop {
        match session.next(Some(limit), &mut cx.sensors)? {
            Event::Ended => break,
            Event::Waited | Event::TimedOut => {
                session.tree.kill()?;
                break;
            }
            Event::Said(message) => hear(message, session, found)?,
            Event::Watched => {}
        }
    }
    found.outcome.get_or_insert(Outcome::Ok);
    Ok(())
}
