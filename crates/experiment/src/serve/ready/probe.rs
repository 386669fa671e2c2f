//! Tests a service step by step until it is ready. No step blocks.

use super::super::http::{Get, Url};
use super::ReadyTest;
use crate::error::{Error, failed};
use crate::hazard::{Hazard, HazardKind};
use crate::session::Session;
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use ungil_remote::linux::syscall::{KernelState, SyscallFile};

/// Time between two steps.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Time between two scans of the processes.
const SCAN_INTERVAL: Duration = Duration::from_millis(50);
/// Time between two rounds, and between two failed attempts.
const ROUND_INTERVAL: Duration = Duration::from_millis(200);
/// Maximum number of connections of one round.
const MAX_CONNECTIONS: usize = 64;
/// System calls in which a process waits for connections.
const WAITING_CALLS: [&str; 10] = [
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

/// The state of waiting for a service.
pub(super) struct Probe<'a> {
    test: &'a ReadyTest,
    port: u16,
    /// Requests of the current round, and the accepting processes.
    round: Option<(Vec<Get>, BTreeSet<i32>)>,
    /// The accepting processes of the last round, if all its requests were answered.
    answered: Option<BTreeSet<i32>>,
    /// The processes of `answered` that have not been seen waiting since.
    unseen: BTreeSet<i32>,
    /// Whether the previous round was answered by the same processes, and each was seen waiting.
    repeated: bool,
    /// When the first of the consecutive rounds was answered.
    pub(super) answered_ns: Option<u64>,
    /// No round starts before this time.
    next_round: Instant,
    /// When the processes are scanned again.
    next_scan: Instant,
    acceptors: BTreeSet<i32>,
    /// Processes that have accepted connections and were running at the last scan.
    pub(super) workers: BTreeSet<i32>,
    /// Number of processes that have accepted connections and have exited.
    pub(super) dead: usize,
    command: Option<Child>,
    /// The status of the last response.
    pub(super) status: Option<u16>,
    /// The result of the last attempt.
    last: String,
}

impl<'a> Probe<'a> {
    pub(super) fn new(test: &'a ReadyTest, port: u16) -> Probe<'a> {
        let now = Instant::now();
        Probe {
            test,
            port,
            round: None,
            answered: None,
            unseen: BTreeSet::new(),
            repeated: false,
            answered_ns: None,
            next_round: now,
            next_scan: now,
            acceptors: BTreeSet::new(),
            workers: BTreeSet::new(),
            dead: 0,
            command: None,
            status: None,
            last: "it did not listen".into(),
        }
    }

    /// Returns whether the last round of requests was answered.
    pub(super) fn has_answered(&self) -> bool {
        self.answered.is_some()
    }

    /// Performs a step; returns true if the service is ready.
    pub(super) fn step(&mut self, session: &mut Session<'_>) -> Result<bool, Error> {
        match self.test {
            ReadyTest::Accepts => {
                let address = SocketAddr::from(([127, 0, 0, 1], self.port));
                let accepts = TcpStream::connect_timeout(&address, ROUND_INTERVAL).is_ok();
                if accepts {
                    let says = "readiness is only an accepted connection, because --load contains no http:// URL: specify with --ready what shows that the service is ready";
                    session.note(Hazard::new(HazardKind::Readiness, says));
                }
                Ok(accepts)
            }
            ReadyTest::Prints(regex) => {
                self.last = "its output did not match --ready".into();
                let head = String::from_utf8_lossy(&session.stdout.head);
                Ok(regex.is_match(&head) || regex.is_match(&session.stderr.text()))
            }
            ReadyTest::Command(words) => self.command(words, session),
            ReadyTest::Answers(url) => Ok(self.round(url, session)),
        }
    }

    /// Runs the command of `--ready` repeatedly; returns true once it exits with 0.
    fn command(&mut self, words: &[String], session: &mut Session<'_>) -> Result<bool, Error> {
        let Some(child) = &mut self.command else {
            if Instant::now() < self.next_round {
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
                let help = "correct --ready; a regular expression starts with 'regex:'";
                failed(format!("cannot start '{program}' of --ready"), e.to_string(), help)
            })?;
            session.tree.disown(i32::try_from(child.id()).unwrap_or(0));
            self.command = Some(child);
            return Ok(false);
        };
        let Ok(Some(status)) = child.try_wait() else { return Ok(false) };
        self.command = None;
        self.next_round = Instant::now() + ROUND_INTERVAL;
        self.last = format!("the command of --ready failed ({status})");
        Ok(status.success())
    }

    pub(super) fn end_command(&mut self) {
        if let Some(child) = &mut self.command {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Advances the rounds of requests; returns true once the service is ready.
    fn round(&mut self, url: &Url, session: &Session<'_>) -> bool {
        if Instant::now() >= self.next_scan {
            self.scan(session);
        }
        let Some((gets, acceptors)) = &mut self.round else {
            self.unseen.retain(|&pid| !is_waiting(pid));
            let exited = !self.unseen.is_subset(&self.acceptors);
            if self.answered.is_some() && self.unseen.is_empty() && self.repeated {
                return true;
            }
            if Instant::now() >= self.next_round && (self.unseen.is_empty() || exited) {
                self.scan(session);
                self.start_round(url);
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
            (self.last, self.round, self.answered, self.repeated) = (why, None, None, false);
            self.unseen.clear();
            self.next_round = Instant::now() + ROUND_INTERVAL;
        } else if gets.is_empty() {
            let acceptors = std::mem::take(acceptors);
            self.repeated = self.answered.as_ref() == Some(&acceptors) && self.unseen.is_empty();
            if !self.repeated {
                self.answered_ns = Some(ungil_meter::monotonic_ns());
            }
            self.unseen.clone_from(&acceptors);
            (self.round, self.answered) = (None, Some(acceptors));
            self.next_round = Instant::now() + ROUND_INTERVAL;
        } else {
            self.last = format!("GET {url} was not answered");
        }
        false
    }

    /// Finds the processes that accept connections, and those that have exited.
    fn scan(&mut self, session: &Session<'_>) {
        let members = session.tree.members();
        self.acceptors = ungil_meter::acceptors(self.port, &members).into_iter().collect();
        self.dead += self.workers.iter().filter(|pid| !members.contains(pid)).count();
        self.workers.retain(|pid| members.contains(pid));
        self.workers.extend(&self.acceptors);
        self.next_scan = Instant::now() + SCAN_INTERVAL;
    }

    /// Starts a round: one request for each accepting process.
    fn start_round(&mut self, url: &Url) {
        let count = self.acceptors.len().clamp(1, MAX_CONNECTIONS);
        match (0..count).map(|_| Get::start(url)).collect() {
            Ok(gets) => self.round = Some((gets, self.acceptors.clone())),
            Err(e) => {
                (self.last, self.answered, self.repeated) =
                    (format!("GET {url}: {e}"), None, false);
                self.next_round = Instant::now() + POLL_INTERVAL;
            }
        }
    }

    /// Returns why the service was not ready within `given`.
    pub(super) fn timeout_reason(&self, given: Duration) -> String {
        let dead = match self.dead {
            0 => String::new(),
            n => format!("; {n} of its worker processes exited meanwhile"),
        };
        format!("the service was not ready within {} s: {}{dead}", given.as_secs_f64(), self.last)
    }
}

/// Returns whether a thread of the process waits for connections or other input. Also true if the
/// kernel does not say. A process that is still importing the application runs, reads files or
/// sleeps.
fn is_waiting(pid: i32) -> bool {
    let Ok(pid) = u32::try_from(pid) else { return true };
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    let threads = tasks.flatten().filter_map(|t| t.file_name().to_str()?.parse().ok());
    let mut doing = threads
        .filter_map(|tid| SyscallFile::open(pid, tid).ok())
        .map(|file| file.read())
        .peekable();
    doing.peek().is_none()
        || doing.any(|d| match d {
            KernelState::SystemCall(call) => {
                call.name().is_some_and(|name| WAITING_CALLS.contains(&name))
            }
            KernelState::Unknown => true,
            KernelState::Running | KernelState::Asleep | KernelState::Gone => false,
        })
}
