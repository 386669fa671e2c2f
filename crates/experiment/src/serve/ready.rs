//! Decides when a service is ready for its load.
//!
//! An accepted connection proves little: the master of a prefork server listens before its workers
//! have imported the application, and the kernel accepts for it. A service is ready when it answers
//! a GET below 500 on as many connections at once as it has processes that accept, while each of
//! these waits for input, twice in a row with the same processes.

use super::http::{Get, Url};
use super::{ENDED, hear};
use crate::arm::Arm;
use crate::context::{Findings, RunContext};
use crate::error::{Error, failed, usage};
use crate::hazard::{Hazard, Kind};
use crate::record::Outcome;
use crate::session::{Event, Session};
use crate::workload::{Fill, Serving, split};
use regex::Regex;
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use ungil_remote::linux::syscall::{KernelState, SyscallFile};

/// Default of `--ready-timeout`.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// Time between two looks.
const STEP: Duration = Duration::from_millis(10);
/// Time between two looks at the processes.
const LOOK: Duration = Duration::from_millis(50);
/// Time between two rounds, and between two attempts that failed.
const PAUSE: Duration = Duration::from_millis(200);
/// Most connections of one round.
const MAX_CONNECTIONS: usize = 64;
/// Workers that may end without an answer before the service is given up.
const MAX_DEAD_WORKERS: usize = 3;
/// System calls in which a process that accepts connections waits for them.
const WAITS: [&str; 10] = [
    "accept",
    "accept4",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "io_uring_enter",
];

/// How a service says that it is ready.
#[derive(Debug)]
pub(crate) enum Ready {
    /// It accepts a connection: all that can be seen of a service that is not known to speak HTTP.
    Accepts,
    /// It answers a GET below 500.
    Answers(Url),
    /// Its standard output or standard error matches.
    Prints(Regex),
    /// A command exits with 0.
    Command(Vec<String>),
}

impl Ready {
    /// Reads `--ready`, or finds the URL in the load generator's command.
    pub(crate) fn of(serving: Serving<'_>, fill: &Fill) -> Result<Ready, Error> {
        let Some(text) = serving.ready else {
            let words: Vec<String> = split(serving.load)?.iter().map(|w| fill.fill(w)).collect();
            let port = format!(":{}", fill.port.unwrap_or_default());
            let named = words.iter().filter(|w| w.contains(&port)).find_map(|w| Url::parse(w));
            return Ok(named.map_or(Ready::Accepts, Ready::Answers));
        };
        let bad =
            |why: String, help: &str| usage(format!("cannot read --ready '{text}'"), why, help);
        if let Some(pattern) = text.strip_prefix("regex:") {
            let regex = Regex::new(pattern).map_err(|e| {
                let why = e.to_string().lines().last().unwrap_or_default().trim().to_string();
                bad(why, "write for example --ready 'regex:[Ss]tarted'")
            })?;
            return Ok(Ready::Prints(regex));
        }
        let filled: Vec<String> = split(text)?.iter().map(|w| fill.fill(w)).collect();
        match &filled[..] {
            [url] if url.contains("://") => Url::parse(url).map(Ready::Answers).ok_or_else(|| {
                let why = "a URL is http://HOST:PORT/PATH".into();
                bad(why, "write for example --ready 'http://{host}:{port}/health'; for https give a command, such as 'curl -fsk URL'")
            }),
            _ => Ok(Ready::Command(filled)),
        }
    }
}

/// What waiting for a service has come to.
struct Wait<'a> {
    ready: &'a Ready,
    port: u16,
    /// Requests of the round under way, and the processes that accept.
    round: Option<(Vec<Get>, BTreeSet<i32>)>,
    /// The processes that accepted in the last round, if all its requests were answered, and which
    /// of these have not been seen waiting since.
    answered: Option<BTreeSet<i32>>,
    unseen: BTreeSet<i32>,
    /// The round before was answered by the same processes, and each was seen waiting.
    again: bool,
    /// When the first of the rounds in a row was answered.
    answered_ns: Option<u64>,
    /// Begin no round before.
    pause: Instant,
    /// When to look at the processes again.
    look: Instant,
    acceptors: BTreeSet<i32>,
    /// Processes that accepted at some time and had not ended when last looked at.
    workers: BTreeSet<i32>,
    /// Processes that accepted at some time and have ended.
    dead: usize,
    command: Option<Child>,
    /// The status of the last answer.
    status: Option<u16>,
    /// What the last attempt came to.
    last: String,
}

/// Waits until the service is ready; false if it never was, with the reason in `found`.
pub(super) fn wait(
    cx: &mut RunContext<'_>,
    session: &mut Session<'_>,
    found: &mut Findings,
    arm: &Arm,
    serving: Serving<'_>,
    port: u16,
) -> Result<bool, Error> {
    let ready = Ready::of(serving, &Fill::service(arm, port))?;
    let given = serving.ready_timeout_s.map(Duration::from_secs_f64).unwrap_or(READY_TIMEOUT);
    let now = Instant::now();
    let limit = now.checked_add(given).unwrap_or(now + READY_TIMEOUT);
    let mut wait = Wait {
        ready: &ready,
        port,
        round: None,
        answered: None,
        unseen: BTreeSet::new(),
        again: false,
        answered_ns: None,
        pause: now,
        look: now,
        acceptors: BTreeSet::new(),
        workers: BTreeSet::new(),
        dead: 0,
        command: None,
        status: None,
        last: "it did not listen".into(),
    };
    let lost = loop {
        if wait.step(session)? {
            break None;
        }
        if Instant::now() >= limit {
            if wait.answered.is_some() {
                let says = format!(
                    "the service answers, but within {} s its processes that accept connections did not all wait for one, or changed: name with --ready what shows that it is ready",
                    given.as_secs_f64()
                );
                session.note(Hazard::new(Kind::Readiness, says));
                break None;
            }
            break Some(wait.late(given));
        }
        if wait.dead >= MAX_DEAD_WORKERS && wait.status.is_none() {
            break Some(format!(
                "{} of its worker processes ended before one answered a request",
                wait.dead
            ));
        }
        match session.next(Some(Instant::now() + STEP), &mut cx.sensors)? {
            // A master and a worker, at least.
            Event::Ended if wait.workers.len() + wait.dead > 1 => {
                break Some(format!("{ENDED} while its worker processes started"));
            }
            Event::Ended => break Some(format!("{ENDED} before it was ready")),
            Event::TimedOut => {
                found.outcome = Some(Outcome::TimedOut);
                break Some(String::new());
            }
            Event::Said(message) => hear(message, session, found)?,
            Event::Watched | Event::Waited => {}
        }
    };
    wait.end_command();
    if let Some(why) = lost {
        found.outcome.get_or_insert(Outcome::Invalid { why });
        session.tree.kill()?;
        return Ok(false);
    }
    if wait.dead > 0 {
        let says = format!("{} worker processes ended while the service started", wait.dead);
        session.note(Hazard::new(Kind::Readiness, says));
    }
    // The pauses between the rounds are ours.
    found.startup_ns = Some(wait.answered_ns.unwrap_or_else(ungil_meter::monotonic_ns));
    found.ready_answer = match (&ready, wait.status) {
        (Ready::Answers(url), Some(status)) => {
            Some(format!("GET {url} answered {status} before the load"))
        }
        _ => None,
    };
    Ok(true)
}

impl Wait<'_> {
    /// Looks once; true if the service is ready.
    fn step(&mut self, session: &mut Session<'_>) -> Result<bool, Error> {
        match self.ready {
            Ready::Accepts => {
                let address = SocketAddr::from(([127, 0, 0, 1], self.port));
                let accepts = TcpStream::connect_timeout(&address, PAUSE).is_ok();
                if accepts {
                    let says = "readiness is the accepted connection alone, for --load names no http:// URL: name with --ready what shows that the service is ready";
                    session.note(Hazard::new(Kind::Readiness, says));
                }
                Ok(accepts)
            }
            Ready::Prints(regex) => {
                self.last = "its output did not match --ready".into();
                let head = String::from_utf8_lossy(&session.stdout.head);
                Ok(regex.is_match(&head) || regex.is_match(&session.stderr.text()))
            }
            Ready::Command(words) => self.command(words, session),
            Ready::Answers(url) => Ok(self.round(url, session)),
        }
    }

    /// Runs the command of `--ready` again and again; true once it exits with 0.
    fn command(&mut self, words: &[String], session: &mut Session<'_>) -> Result<bool, Error> {
        let Some(child) = &mut self.command else {
            if Instant::now() < self.pause {
                return Ok(false);
            }
            let program = words.first().map_or("", String::as_str);
            let mut command = Command::new(program);
            command
                .args(words.iter().skip(1))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            let child = command.spawn().map_err(|e| {
                let help = "correct --ready; a regular expression begins with 'regex:'";
                failed(format!("cannot start '{program}' of --ready"), e.to_string(), help)
            })?;
            session.tree.disown(i32::try_from(child.id()).unwrap_or(0));
            self.command = Some(child);
            return Ok(false);
        };
        let Ok(Some(status)) = child.try_wait() else { return Ok(false) };
        self.command = None;
        self.pause = Instant::now() + PAUSE;
        self.last = format!("the command of --ready failed ({status})");
        Ok(status.success())
    }

    fn end_command(&mut self) {
        if let Some(child) = &mut self.command {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Takes the rounds of requests further; true once the service is ready.
    fn round(&mut self, url: &Url, session: &Session<'_>) -> bool {
        if Instant::now() >= self.look {
            self.look(session);
        }
        let Some((gets, acceptors)) = &mut self.round else {
            self.unseen.retain(|&pid| !waits(pid));
            let gone = !self.unseen.is_subset(&self.acceptors);
            if self.answered.is_some() && self.unseen.is_empty() && self.again {
                return true;
            }
            if Instant::now() >= self.pause && (self.unseen.is_empty() || gone) {
                self.look(session);
                self.begin(url);
            }
            return false;
        };
        let mut broken = None;
        gets.retain_mut(|get| match get.poll() {
            None => true,
            Some(Ok(status)) => {
                self.status = Some(status);
                if status >= 500 {
                    broken = Some(format!("GET {url} answered {status}"));
                }
                false
            }
            Some(Err(why)) => {
                broken = Some(format!("GET {url}: {why}"));
                false
            }
        });
        if let Some(why) = broken {
            (self.last, self.round, self.answered, self.again) = (why, None, None, false);
            self.unseen.clear();
            self.pause = Instant::now() + PAUSE;
        } else if gets.is_empty() {
            let acceptors = std::mem::take(acceptors);
            self.again = self.answered.as_ref() == Some(&acceptors) && self.unseen.is_empty();
            if !self.again {
                self.answered_ns = Some(ungil_meter::monotonic_ns());
            }
            self.unseen.clone_from(&acceptors);
            (self.round, self.answered) = (None, Some(acceptors));
            self.pause = Instant::now() + PAUSE;
        } else {
            self.last = format!("GET {url} was not answered");
        }
        false
    }

    /// Looks which processes accept, and which of them have ended.
    fn look(&mut self, session: &Session<'_>) {
        let members = session.tree.members();
        self.acceptors = ungil_meter::acceptors(self.port, &members).into_iter().collect();
        self.dead += self.workers.iter().filter(|pid| !members.contains(pid)).count();
        self.workers.retain(|pid| members.contains(pid));
        self.workers.extend(&self.acceptors);
        self.look = Instant::now() + LOOK;
    }

    /// Begins a round: a request for each process that accepts.
    fn begin(&mut self, url: &Url) {
        let count = self.acceptors.len().clamp(1, MAX_CONNECTIONS);
        match (0..count).map(|_| Get::start(url)).collect() {
            Ok(gets) => self.round = Some((gets, self.acceptors.clone())),
            Err(e) => {
                (self.last, self.answered, self.again) = (format!("GET {url}: {e}"), None, false);
                self.pause = Instant::now() + STEP;
            }
        }
    }

    fn late(&self, given: Duration) -> String {
        let dead = match self.dead {
            0 => String::new(),
            n => format!("; {n} of its worker processes ended meanwhile"),
        };
        format!("the service was not ready within {} s: {}{dead}", given.as_secs_f64(), self.last)
    }
}

/// Whether a thread of the process waits for connections or other input; true as well where the
/// kernel does not say. A process that still imports the application runs, reads files or sleeps.
fn waits(pid: i32) -> bool {
    let Ok(pid) = u32::try_from(pid) else { return true };
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    let threads = tasks.flatten().filter_map(|t| t.file_name().to_str()?.parse().ok());
    let mut doing = threads
        .filter_map(|tid| SyscallFile::open(pid, tid).ok())
        .map(|file| file.read())
        .peekable();
    doing.peek().is_none()
        || doing.any(|d| match d {
            KernelState::SystemCall(call) => call.name().is_some_and(|name| WAITS.contains(&name)),
            KernelState::Unknown => true,
            KernelState::Running | KernelState::Asleep | KernelState::Gone => false,
        })
}
