//! A running workload as the runner sees it: one loop that waits for its exit, its output, its
//! phase marks, the next sample of its memory, its threads and the cores, the timeout and a request
//! to stop. It uses one thread, so that the cost of measuring is one number.

use crate::cores::CoreSampler;
use crate::error::{Error, failed};
use crate::hazard::{self, Hazard, HazardKind};
use crate::output::{HashedOutput, StderrTail, drain};
use crate::phase::{Channel, Message};
use crate::stop::Stop;
use crate::waiting::WaitSampler;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use ungil_meter::energy::Sensor;
use ungil_meter::{ForkDetector, Launch, MemorySampler, Tree};

/// An event of the workload.
#[derive(Debug)]
pub(crate) enum SessionEvent {
    /// The root process exited.
    Ended,
    /// The workload wrote to the phase channel.
    Message(Message),
    /// The watched process (a load generator) exited.
    WatchedExited,
    /// The given time has passed.
    Elapsed,
    /// The workload exceeded its timeout.
    TimedOut,
}

/// Maximum bytes of output read before other events are checked.
const MAX_DRAIN: usize = 4 << 20;
/// Maximum number of hazards kept of a run: a program may warn in a loop.
const MAX_HAZARDS: usize = 20;

/// A started workload.
pub(crate) struct Session<'a> {
    pub(crate) tree: Tree,
    pub(crate) channel: Channel,
    pub(crate) stdout: HashedOutput,
    pub(crate) stderr: StderrTail,
    pub(crate) sampler: MemorySampler,
    pub(crate) waiting: WaitSampler,
    pub(crate) cores: CoreSampler,
    pub(crate) hazards: Vec<Hazard>,
    /// A pidfd of a process outside the tree whose exit is awaited.
    pub(crate) watched: Option<OwnedFd>,
    /// Whether the workload should run without the GIL.
    pub(crate) expects_no_gil: bool,
    stop: &'a Stop,
    forks: ForkDetector,
    deadline: Option<Instant>,
    messages: VecDeque<Message>,
    open: [bool; 2],
    buffer: Vec<u8>,
    last_housekeeping: Instant,
}

impl<'a> Session<'a> {
    /// Lets the workload continue after a phase mark.
    pub(crate) fn release_workload(&mut self) -> Result<(), Error> {
        self.channel.send_go().map_err(|e| {
            failed(
                "cannot answer the workload's phase mark",
                e.to_string(),
                "run it again; if it happens again, report it",
            )
        })
    }

    /// Starts `launch`; `timeout_s` counts from here.
    pub(crate) fn start(
        launch: &Launch,
        channel: Channel,
        timeout_s: Option<f64>,
        stop: &'a Stop,
    ) -> Result<Session<'a>, Error> {
        let tree = Tree::start(launch)?;
        let now = Instant::now();
        Ok(Session {
            tree,
            channel,
            stdout: HashedOutput::default(),
            stderr: StderrTail::default(),
            sampler: MemorySampler::new(),
            waiting: WaitSampler::default(),
            cores: CoreSampler::new(),
            hazards: Vec::new(),
            watched: None,
            expects_no_gil: false,
            stop,
            forks: ForkDetector::default(),
            deadline: timeout_s.and_then(|s| now.checked_add(Duration::from_secs_f64(s))),
            messages: VecDeque::new(),
            open: [true; 2],
            buffer: vec![0; 256 << 10],
            last_housekeeping: now,
        })
    }

    /// Waits for the next event, at most until `until`. Meanwhile it reads output and takes
    /// samples.
    pub(crate) fn next(
        &mut self,
        until: Option<Instant>,
        sensors: &mut [Box<dyn Sensor>],
    ) -> Result<SessionEvent, Error> {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return Ok(SessionEvent::Message(message));
            }
            let now = Instant::now();
            if self.deadline.is_some_and(|d| now >= d) {
                return Ok(SessionEvent::TimedOut);
            }
            if until.is_some_and(|u| now >= u) {
                return Ok(SessionEvent::Elapsed);
            }
            if now >= self.sampler.due() {
                self.sample(now, sensors);
            }
            if now >= self.waiting.due() {
                self.waiting.sample();
            }
            if now >= self.cores.due() {
                self.cores.sample();
            }
            let samples = [self.sampler.due(), self.waiting.due(), self.cores.due()].map(Some);
            let wake = samples.into_iter().chain([self.deadline, until]).flatten().min();
            let ready = self.poll(wake)?;
            if ready.stop {
                return Err(Error::Interrupted);
            }
            if ready.stdout {
                self.open[0] = drain(self.tree.stdout(), &mut self.buffer, MAX_DRAIN, |chunk| {
                    self.stdout.push(chunk)
                });
            }
            if ready.stderr {
                self.drain_stderr(MAX_DRAIN);
            }
            if ready.message {
                self.messages.extend(self.channel.messages());
                continue;
            }
            if ready.ended {
                return Ok(SessionEvent::Ended);
            }
            if ready.watched {
                return Ok(SessionEvent::WatchedExited);
            }
        }
    }

    fn sample(&mut self, now: Instant, sensors: &mut [Box<dyn Sensor>]) {
        let members = self.sampler.sample(&self.tree);
        self.waiting.members(&members);
        for fork in self.forks.update(&members) {
            let says = format!(
                "process {} was forked from {} while it ran the threads {}",
                fork.child,
                fork.parent,
                fork.threads.join(", ")
            );
            self.note(Hazard::new(HazardKind::ForkWithThreads, says));
        }
        if now.duration_since(self.last_housekeeping) > Duration::from_secs(1) {
            self.last_housekeeping = now;
            self.tree.reap_orphans();
            sensors.iter_mut().for_each(|s| s.poll());
        }
    }

    fn drain_stderr(&mut self, limit: usize) {
        let mut found = Vec::new();
        let stderr = &mut self.stderr;
        self.open[1] = drain(self.tree.stderr(), &mut self.buffer, limit, |chunk| {
            stderr.push(chunk, |line| found.extend(hazard::of_stderr(line)));
        });
        found.into_iter().for_each(|h| self.note(h));
    }

    /// Keeps a hazard, unless it is a duplicate or there are too many.
    pub(crate) fn note(&mut self, hazard: Hazard) {
        if self.hazards.len() < MAX_HAZARDS && !self.hazards.contains(&hazard) {
            self.hazards.push(hazard);
        }
    }

    /// Reads what is left in the pipes after the exit. Does not wait for a process that still has
    /// them open.
    pub(crate) fn drain_output(&mut self) {
        if self.open[0] {
            drain(self.tree.stdout(), &mut self.buffer, MAX_DRAIN, |chunk| self.stdout.push(chunk));
        }
        if self.open[1] {
            self.drain_stderr(MAX_DRAIN);
        }
    }

    fn poll(&mut self, wake: Option<Instant>) -> Result<ReadyFds, Error> {
        let left = wake.map(|w| w.saturating_duration_since(Instant::now()));
        let left = left.map(|d| Timespec {
            tv_sec: d.as_secs().cast_signed(),
            tv_nsec: d.subsec_nanos().into(),
        });
        let open = self.open;
        let (out, err) = self.tree.outputs();
        let fds = [
            Some(self.tree.exit_fd()),
            open[0].then_some(out),
            open[1].then_some(err),
            Some(std::os::fd::AsFd::as_fd(self.channel.up())),
            self.stop.fd(),
            self.watched.as_ref().map(std::os::fd::AsFd::as_fd),
        ];
        let mut polled: Vec<PollFd<'_>> =
            fds.iter().flatten().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        match poll(&mut polled, left.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => {
                return Err(failed("cannot wait for the workload", e.to_string(), "run it again"));
            }
        }
        let mut results = polled.iter().map(|fd| !fd.revents().is_empty());
        let mut ready = fds.map(|fd| fd.is_some() && results.next().unwrap_or(false)).into_iter();
        let mut next = || ready.next().unwrap_or(false);
        Ok(ReadyFds {
            ended: next(),
            stdout: next(),
            stderr: next(),
            message: next(),
            stop: next(),
            watched: next(),
        })
    }
}

struct ReadyFds {
    ended: bool,
    stdout: bool,
    stderr: bool,
    message: bool,
    stop: bool,
    watched: bool,
}
