//! A running workload seen by the runner: one loop that waits for its end, its output, its marks,
//! the next look at its memory, at what its threads wait for, the timeout and a request to stop,
//! whichever comes first. One thread, so that what measuring costs is one number.

use crate::cores::Watch;
use crate::error::{Error, failed};
use crate::hazard::{self, Hazard, Kind};
use crate::output::{Hashed, Tail, drain};
use crate::phase::{Channel, Message};
use crate::stop::Stop;
use crate::waiting::Waiting;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use ungil_meter::energy::Sensor;
use ungil_meter::{ForkWatch, Launch, Sampler, Tree};

/// Something that happened to the workload.
#[derive(Debug)]
pub(crate) enum Event {
    /// Its root process ended.
    Ended,
    /// It wrote to the phase channel.
    Said(Message),
    /// The watched process (a load generator) ended.
    Watched,
    /// The given time passed.
    Waited,
    /// It ran past its timeout.
    TimedOut,
}

/// Output taken in one go before looking round again.
const MOUTHFUL: usize = 4 << 20;
/// Most hazards of one run worth keeping: a program may warn in a loop.
const MOST_HAZARDS: usize = 20;

/// A started workload.
pub(crate) struct Session<'a> {
    pub(crate) tree: Tree,
    pub(crate) channel: Channel,
    pub(crate) stdout: Hashed,
    pub(crate) stderr: Tail,
    pub(crate) sampler: Sampler,
    pub(crate) waiting: Waiting,
    pub(crate) cores: Watch,
    pub(crate) hazards: Vec<Hazard>,
    /// A process outside the tree whose end is awaited.
    pub(crate) watched: Option<OwnedFd>,
    /// A free-threaded build that should be running without the GIL.
    pub(crate) expects_no_gil: bool,
    stop: &'a Stop,
    forks: ForkWatch,
    deadline: Option<Instant>,
    said: VecDeque<Message>,
    open: [bool; 2],
    buffer: Vec<u8>,
    chores: Instant,
}

impl<'a> Session<'a> {
    /// Lets the workload go on after a mark.
    pub(crate) fn answer(&mut self) -> Result<(), Error> {
        self.channel.go().map_err(|e| {
            failed(
                "cannot answer the workload's mark",
                e.to_string(),
                "run it again; if it happens again, report it",
            )
        })
    }

    /// Starts `launch`; `timeout_s` runs from here.
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
            stdout: Hashed::default(),
            stderr: Tail::default(),
            sampler: Sampler::new(),
            waiting: Waiting::default(),
            cores: Watch::new(),
            hazards: Vec::new(),
            watched: None,
            expects_no_gil: false,
            stop,
            forks: ForkWatch::default(),
            deadline: timeout_s.and_then(|s| now.checked_add(Duration::from_secs_f64(s))),
            said: VecDeque::new(),
            open: [true; 2],
            buffer: vec![0; 256 << 10],
            chores: now,
        })
    }

    /// Waits for the next event, at most until `until`, keeping up with everything meanwhile.
    pub(crate) fn next(
        &mut self,
        until: Option<Instant>,
        sensors: &mut [Box<dyn Sensor>],
    ) -> Result<Event, Error> {
        loop {
            if let Some(message) = self.said.pop_front() {
                return Ok(Event::Said(message));
            }
            let now = Instant::now();
            if self.deadline.is_some_and(|d| now >= d) {
                return Ok(Event::TimedOut);
            }
            if until.is_some_and(|u| now >= u) {
                return Ok(Event::Waited);
            }
            if now >= self.sampler.due() {
                self.look(now, sensors);
            }
            if now >= self.waiting.due() {
                self.waiting.look();
            }
            if now >= self.cores.due() {
                self.cores.look();
            }
            let looks = [self.sampler.due(), self.waiting.due(), self.cores.due()].map(Some);
            let wake = looks.into_iter().chain([self.deadline, until]).flatten().min();
            let ready = self.poll(wake)?;
            if ready.stop {
                return Err(Error::Interrupted);
            }
            if ready.stdout {
                self.open[0] = drain(self.tree.stdout(), &mut self.buffer, MOUTHFUL, |piece| {
                    self.stdout.take(piece)
                });
            }
            if ready.stderr {
                self.drain_stderr(MOUTHFUL);
            }
            if ready.said {
                self.said.extend(self.channel.messages());
                continue;
            }
            if ready.ended {
                return Ok(Event::Ended);
            }
            if ready.watched {
                return Ok(Event::Watched);
            }
        }
    }

    fn look(&mut self, now: Instant, sensors: &mut [Box<dyn Sensor>]) {
        let members = self.sampler.look(&self.tree);
        self.waiting.members(&members);
        for fork in self.forks.look(&members) {
            let says = format!(
                "process {} was forked from {} while it ran the threads {}",
                fork.child,
                fork.parent,
                fork.threads.join(", ")
            );
            self.note(Hazard::new(Kind::ForkWithThreads, says));
        }
        if now.duration_since(self.chores) > Duration::from_secs(1) {
            self.chores = now;
            self.tree.reap_orphans();
            sensors.iter_mut().for_each(|s| s.poll());
        }
    }

    fn drain_stderr(&mut self, limit: usize) {
        let mut found = Vec::new();
        let stderr = &mut self.stderr;
        self.open[1] = drain(self.tree.stderr(), &mut self.buffer, limit, |piece| {
            stderr.take(piece, |line| found.extend(hazard::of_stderr(line)));
        });
        found.into_iter().for_each(|h| self.note(h));
    }

    /// Keeps a hazard, unless it was noted already or there are too many.
    pub(crate) fn note(&mut self, hazard: Hazard) {
        if self.hazards.len() < MOST_HAZARDS && !self.hazards.contains(&hazard) {
            self.hazards.push(hazard);
        }
    }

    /// Takes in what is left in the pipes after the end; a process that still holds them is not
    /// waited for.
    pub(crate) fn last_words(&mut self) {
        if self.open[0] {
            drain(self.tree.stdout(), &mut self.buffer, MOUTHFUL, |piece| self.stdout.take(piece));
        }
        if self.open[1] {
            self.drain_stderr(MOUTHFUL);
        }
    }

    fn poll(&mut self, wake: Option<Instant>) -> Result<Ready, Error> {
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
        let mut asked: Vec<PollFd<'_>> =
            fds.iter().flatten().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        match poll(&mut asked, left.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => {
                return Err(failed("cannot wait for the workload", e.to_string(), "run it again"));
            }
        }
        let mut answers = asked.iter().map(|fd| !fd.revents().is_empty());
        let mut ready = fds.map(|fd| fd.is_some() && answers.next().unwrap_or(false)).into_iter();
        let mut next = || ready.next().unwrap_or(false);
        Ok(Ready {
            ended: next(),
            stdout: next(),
            stderr: next(),
            said: next(),
            stop: next(),
            watched: next(),
        })
    }
}

struct Ready {
    ended: bool,
    stdout: bool,
    stderr: bool,
    said: bool,
    stop: bool,
    watched: bool,
}
