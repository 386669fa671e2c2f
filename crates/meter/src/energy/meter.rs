//! An external meter: any command that prints watts or joules.
//!
//! A wall meter, a smart plug or a board's monitor all come with a program that prints numbers;
//! asking for a line such as `12.5 W` or `1234.5 J` (cumulative) covers them all. The command is
//! started once, and runs for as long as the sensor is there; a thread stamps its lines. What the
//! lines mean is in `line`, how they become joules in `curve`, the process in `command`.

mod command;
mod curve;
mod line;

use super::sysfs::shown;
use super::{About, Domain, Error, Evidence, Reading, Scope, Sensor, Usage};
use command::{Command, Event};
use curve::{Curve, Fault};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const SENSOR: &str = "meter";

/// The least and the most time that is spent waiting for a reading: the first one, and the one
/// after a window's end.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(15));

/// What the reading thread and the sensor share.
#[derive(Default)]
struct Shared {
    curve: Curve,
    /// Lines that are no reading: all, and those of the present window.
    garbage: (u64, u64),
    /// The first of them, for the error.
    example: String,
    /// Readings before the present window.
    before: u64,
    /// How it ended, if it did.
    ended: Option<String>,
}

/// A command that prints watts or joules.
pub struct Meter {
    command: String,
    patience: Duration,
    shared: Arc<(Mutex<Shared>, Condvar)>,
    open: bool,
    /// Last, and for its `Drop` only.
    _process: Command,
}

impl Meter {
    /// Starts `/bin/sh -c command` and waits up to five seconds for its first line.
    ///
    /// # Errors
    /// [`Error::MeterEnded`] if it cannot be started or ends without a reading.
    pub fn open(command: &str) -> Result<Self, Error> {
        Self::open_with(command, PATIENCE.0)
    }

    /// As [`Meter::open`], waiting `patience` for the first line. At a window's end the reading
    /// after it is waited for three times as long as the longest time between two readings so far,
    /// but at least `patience` and at most 15 seconds.
    ///
    /// # Errors
    /// As [`Meter::open`].
    pub fn open_with(command: &str, patience: Duration) -> Result<Self, Error> {
        let shared = Arc::new((Mutex::new(Shared::default()), Condvar::new()));
        let theirs = Arc::clone(&shared);
        let process = Command::start(command, move |at, event| {
            let mut shared = lock(&theirs.0);
            match event {
                Event::Line(line) => match line::parse(line) {
                    Some(value) => shared.curve.push(at, value),
                    None => {
                        shared.garbage.0 += 1;
                        shared.garbage.1 += 1;
                        if shared.example.is_empty() {
                            shared.example = shown(&String::from_utf8_lossy(line));
                        }
                    }
                },
                Event::Ended(how) => shared.ended = Some(how),
            }
            drop(shared);
            theirs.1.notify_all();
        })
        .map_err(|error| Error::MeterEnded {
            command: command.to_owned(),
            why: format!("/bin/sh: {error}"),
        })?;
        let this =
            Self { command: command.to_owned(), patience, shared, open: false, _process: process };
        let shared = this.wait(patience, |shared| shared.curve.readings() > 0);
        if let (0, Some(how)) = (shared.curve.readings(), &shared.ended) {
            return Err(Error::MeterEnded {
                command: command.to_owned(),
                why: format!("{how}, without a reading"),
            });
        }
        drop(shared);
        Ok(this)
    }

    /// How many readings the command has given so far.
    #[must_use]
    pub fn readings(&self) -> u64 {
        lock(&self.shared.0).curve.readings()
    }

    /// Waits until `done`, the command's end or the end of `patience`.
    fn wait(&self, patience: Duration, done: impl Fn(&Shared) -> bool) -> MutexGuard<'_, Shared> {
        let guard = lock(&self.shared.0);
        self.shared
            .1
            .wait_timeout_while(guard, patience, |shared| !done(shared) && shared.ended.is_none())
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    fn ended(&self, how: &str) -> Error {
        Error::MeterEnded { command: self.command.clone(), why: how.to_owned() }
    }
}

/// A thread that panicked while it held the lock left numbers, not broken promises.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sensor for Meter {
    fn about(&self) -> About {
        let shared = lock(&self.shared.0);
        let how = match shared.curve.resolution() {
            Some((quantity, mean)) => format!(
                "{quantity}, a reading every {mean:.3} s on average; a window's edges are interpolated between readings"
            ),
            None => "too few readings so far to tell its resolution".to_owned(),
        };
        let mut notes = Vec::new();
        if shared.garbage.0 > 0 {
            notes.push(format!(
                "{} lines were no reading, the first: {}",
                shared.garbage.0, shared.example
            ));
        }
        if shared.curve.other() > 0 {
            notes.push(format!(
                "{} readings of the other quantity were not used",
                shared.curve.other()
            ));
        }
        About {
            sensor: SENSOR.to_owned(),
            evidence: Evidence::Meter,
            covers: format!("whatever `{}` measures: {how}", self.command),
            notes,
        }
    }

    fn begin(&mut self) -> Result<(), Error> {
        self.open = false;
        let mut shared = lock(&self.shared.0);
        if let Some(how) = &shared.ended {
            return Err(self.ended(how));
        }
        shared.curve.begin(Instant::now());
        shared.garbage.1 = 0;
        shared.before = shared.curve.readings();
        drop(shared);
        self.open = true;
        Ok(())
    }

    /// The thread reads by itself.
    fn poll(&mut self) {}

    fn end(&mut self, _: &Usage) -> Result<Reading, Error> {
        if !std::mem::take(&mut self.open) {
            return Err(Error::NoWindow { sensor: SENSOR });
        }
        let patience = {
            let mut shared = lock(&self.shared.0);
            shared.curve.close(Instant::now());
            (3 * shared.curve.longest()).min(PATIENCE.1).max(self.patience)
        };
        // The reading after the end turns the last edge from a guess into an interpolation; it is
        // worth one interval.
        let mut shared = self.wait(patience, |shared| shared.curve.bracketed());
        let bracketed = shared.curve.bracketed();
        let joules = shared.curve.finish(patience);
        // Whether it ended just before or just after the window cannot be told from a closed pipe:
        // then no figure.
        if let (false, Some(how)) = (bracketed, &shared.ended) {
            return Err(self.ended(how));
        }
        let read = shared.curve.readings() - shared.before;
        let garbage = shared.garbage.1;
        // A banner or an odd line is forgiven; a command of which half is not readings is not
        // understood.
        if garbage >= 3 && garbage > read {
            return Err(Error::Malformed {
                sensor: SENSOR,
                domain: format!("the output of `{}`", self.command),
                why: format!(
                    "{garbage} lines are no reading and {read} are, the first: {}",
                    shared.example
                ),
            });
        }
        let joules = joules.map_err(|fault| match fault {
            Fault::Jumped(why) => Error::Jumped { sensor: SENSOR, domain: SENSOR.to_owned(), why },
            Fault::Silent(why) => Error::MeterSilent { command: self.command.clone(), why },
        })?;
        // Not negative (`finish`) and, by the bound on a reading, far below 2^64 microjoules for
        // any window that a person lives to see; `as` saturates.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let microjoules = (joules * 1e6).round() as u64;
        let domain =
            Domain { name: SENSOR.to_owned(), scope: Scope::Platform, microjoules, counted: true };
        Ok(Reading { microjoules, band: None, domains: vec![domain] })
    }
}
