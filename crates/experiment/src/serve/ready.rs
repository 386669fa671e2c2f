//! Decides when a service is ready for its load.
//!
//! An accepted connection proves little: the master of a prefork server listens before its workers
//! have imported the application, and the kernel accepts on its behalf. A service is ready when it
//! answers a GET with a status below 500 on as many simultaneous connections as it has accepting
//! processes, while each of these processes waits for input, twice in a row with the same
//! processes.

mod probe;

use super::http::Url;
use super::{SERVICE_EXITED, handle_message};
use crate::arm::Arm;
use crate::context::{Findings, RunContext};
use crate::error::{Error, usage};
use crate::hazard::{Hazard, HazardKind};
use crate::record::Outcome;
use crate::session::{Session, SessionEvent};
use crate::workload::{Fill, Serving, split};
use probe::{POLL_INTERVAL, Probe};
use regex::Regex;
use std::time::{Duration, Instant};

/// Default of `--ready-timeout`.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// Number of workers that may exit without a response before the service counts as failed.
const MAX_DEAD_WORKERS: usize = 3;

/// How to detect that a service is ready.
#[derive(Debug)]
pub(crate) enum ReadyTest {
    /// Accepts a connection. Nothing more is known of a service that may not speak HTTP.
    Accepts,
    /// Answers a GET with a status below 500.
    Answers(Url),
    /// Its standard output or standard error matches.
    Prints(Regex),
    /// A command exits with 0.
    Command(Vec<String>),
}

impl ReadyTest {
    /// Parses `--ready`, or finds the URL in the load generator's command.
    pub(crate) fn of(serving: Serving<'_>, fill: &Fill) -> Result<ReadyTest, Error> {
        let Some(text) = serving.ready else {
            let words: Vec<String> = split(serving.load)?.iter().map(|w| fill.fill(w)).collect();
            let port = format!(":{}", fill.port.unwrap_or_default());
            let named = words.iter().filter(|w| w.contains(&port)).find_map(|w| Url::parse(w));
            return Ok(named.map_or(ReadyTest::Accepts, ReadyTest::Answers));
        };
        let bad =
            |why: String, help: &str| usage(format!("cannot read --ready '{text}'"), why, help);
        if let Some(pattern) = text.strip_prefix("regex:") {
            let regex = Regex::new(pattern).map_err(|e| {
                let why = e.to_string().lines().last().unwrap_or_default().trim().to_string();
                bad(why, "write for example --ready 'regex:[Ss]tarted'")
            })?;
            return Ok(ReadyTest::Prints(regex));
        }
        let filled: Vec<String> = split(text)?.iter().map(|w| fill.fill(w)).collect();
        match &filled[..] {
            [url] if url.contains("://") => Url::parse(url).map(ReadyTest::Answers).ok_or_else(|| {
                let why = "a URL is http://HOST:PORT/PATH".into();
                bad(why, "write for example --ready 'http://{host}:{port}/health'; for https give a command, such as 'curl -fsk URL'")
            }),
            _ => Ok(ReadyTest::Command(filled)),
        }
    }
}

/// Waits until the service is ready. Returns false if it did not become ready; the reason is then in
/// `found`.
pub(super) fn wait(
    cx: &mut RunContext<'_>,
    session: &mut Session<'_>,
    found: &mut Findings,
    arm: &Arm,
    serving: Serving<'_>,
    port: u16,
) -> Result<bool, Error> {
    let test = ReadyTest::of(serving, &Fill::service(arm, port))?;
    let given = serving.ready_timeout_s.map(Duration::from_secs_f64).unwrap_or(READY_TIMEOUT);
    let now = Instant::now();
    let limit = now.checked_add(given).unwrap_or(now + READY_TIMEOUT);
    let mut probe = Probe::new(&test, port);
    let failure = loop {
        if probe.step(session)? {
            break None;
        }
        if Instant::now() >= limit {
            if probe.has_answered() {
                let says = format!(
                    "the service responds, but within {} s its accepting processes changed or did not all wait for connections: specify with --ready what shows that it is ready",
                    given.as_secs_f64()
                );
                session.note(Hazard::new(HazardKind::Readiness, says));
                break None;
            }
            break Some(probe.timeout_reason(given));
        }
        if probe.dead >= MAX_DEAD_WORKERS && probe.status.is_none() {
            break Some(format!(
                "{} of its worker processes exited before one answered a request",
                probe.dead
            ));
        }
        match session.next(Some(Instant::now() + POLL_INTERVAL), &mut cx.sensors)? {
            // At least a master and a worker.
            SessionEvent::Ended if probe.workers.len() + probe.dead > 1 => {
                break Some(format!("{SERVICE_EXITED} while its worker processes started"));
            }
            SessionEvent::Ended => break Some(format!("{SERVICE_EXITED} before it was ready")),
            SessionEvent::TimedOut => {
                found.outcome = Some(Outcome::TimedOut);
                break Some(String::new());
            }
            SessionEvent::Message(message) => handle_message(message, session, found)?,
            SessionEvent::WatchedExited | SessionEvent::Elapsed => {}
        }
    };
    probe.end_command();
    if let Some(why) = failure {
        found.outcome.get_or_insert(Outcome::Invalid { why });
        session.tree.kill()?;
        return Ok(false);
    }
    if probe.dead > 0 {
        let says = format!("{} worker processes exited while the service started", probe.dead);
        session.note(Hazard::new(HazardKind::Readiness, says));
    }
    // The pauses between the rounds are not part of the start-up.
    found.startup_ns = Some(probe.answered_ns.unwrap_or_else(ungil_meter::monotonic_ns));
    found.ready_answer = match (&test, probe.status) {
        (ReadyTest::Answers(url), Some(status)) => {
            Some(format!("GET {url} answered {status} before the load"))
        }
        _ => None,
    };
    Ok(true)
}
