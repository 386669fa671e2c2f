//! An external meter: any command that prints watts or joules.
//!
//! Wall meters, smart plugs and board monitors all come with a program that prints numbers; lines
//! such as `12.5 W` or `1234.5 J` (cumulative) cover them all. The command is started once and runs
//! as long as the sensor exists; a thread timestamps its lines. `line` parses the lines, `curve`
//! turns them into joules, and `command` runs the process.

mod command;
mod curve;
mod line;

use super::sysfs::excerpt;
use super::{About, Domain, EnergyError, Evidence, Reading, Scope, Sensor, Usage};
use command::{Command, CommandEvent};
use curve::{Curve, Fault};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const SENSOR: &str = "meter";

/// Minimum and maximum time to wait for a reading: the first one, and the one after the end of a
/// window.
const READING_TIMEOUT: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(15));

/// State shared by the reading thread and the sensor.
#[derive(Default)]
struct Shared {
    curve: Curve,
    /// Number of lines that are not readings: in total, and in the current window.
    garbage: (u64, u64),
    /// The first such line, for the error.
    example: String,
    /// Number of readings before the current window.
    before: u64,
    /// How the command exited, if it did.
    ended: Option<String>,
}

/// A command that prints watts or joules.
pub struct Meter {
    command: String,
    timeout: Duration,
    shared: Arc<(Mutex<Shared>, Condvar)>,
    open: bool,
    /// The last field; used only for its `Drop`.
    _process: Command,
}

impl Meter {
    /// Starts `/bin/sh -c command` and waits up to five seconds for the first reading.
    ///
    /// # Errors
    /// [`EnergyError::MeterEnded`] if it cannot be started or exits without a reading.
    pub fn open(command: &str) -> Result<Self, EnergyError> {
        Self::open_with(command, READING_TIMEOUT.0)
    }

    /// Like [`Meter::open`], but waits `timeout` for the first reading. At the end of a window, it
    /// waits for the next reading for three times the longest time between two readings so far, but
    /// at least `timeout` and at most 15 seconds.
    ///
    /// # Errors
    /// See [`Meter::open`].
    pub fn open_with(command: &str, timeout: Duration) -> Result<Self, EnergyError> {
        let shared = Arc::new((Mutex::new(Shared::default()), Condvar::new()));
        let for_thread = Arc::clone(&shared);
        let process = Command::start(command, move |at, event| {
            let mut shared = lock(&for_thread.0);
            match event {
                CommandEvent::Line(line) => match line::parse(line) {
                    Some(value) => shared.curve.push(at, value),
                    None => {
                        shared.garbage.0 += 1;
                        shared.garbage.1 += 1;
                        if shared.example.is_empty() {
                            shared.example = excerpt(&String::from_utf8_lossy(line));
                        }
                    }
                },
                CommandEvent::Ended(how) => shared.ended = Some(how),
            }
            drop(shared);
            for_thread.1.notify_all();
        })
        .map_err(|error| EnergyError::MeterEnded {
            command: command.to_owned(),
            why: format!("/bin/sh: {error}"),
        })?;
        let this =
            Self { command: command.to_owned(), timeout, shared, open: false, _process: process };
        let shared = this.wait(timeout, |shared| shared.curve.readings() > 0);
        if let (0, Some(how)) = (shared.curve.readings(), &shared.ended) {
            return Err(EnergyError::MeterEnded {
                command: command.to_owned(),
                why: format!("{how} without a reading"),
            });
        }
        drop(shared);
        Ok(this)
    }

    /// Returns the number of readings so far.
    #[must_use]
    pub fn readings(&self) -> u64 {
        lock(&self.shared.0).curve.readings()
    }

    /// Waits until `done` returns true, the command exits or `timeout` has passed.
    fn wait(&self, timeout: Duration, done: impl Fn(&Shared) -> bool) -> MutexGuard<'_, Shared> {
        let guard = lock(&self.shared.0);
        self.shared
            .1
            .wait_timeout_while(guard, timeout, |shared| !done(shared) && shared.ended.is_none())
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    fn ended(&self, how: &str) -> EnergyError {
        EnergyError::MeterEnded { command: self.command.clone(), why: how.to_owned() }
    }
}

/// Locks the state. Poisoning is ignored: the state consists of plain numbers without invariants
/// that a panic could break.
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
            None => "resolution unknown: too few readings so far".to_owned(),
        };
        let mut notes = Vec::new();
        if shared.garbage.0 > 0 {
            notes.push(format!(
                "{} lines were not readings, the first: {}",
                shared.garbage.0, shared.example
            ));
        }
        if shared.curve.other() > 0 {
            notes.push(format!(
                "{} readings of the other quantity were ignored",
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

    fn begin(&mut self) -> Result<(), EnergyError> {
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

    /// Does nothing: the thread reads continuously.
    fn poll(&mut self) {}

    fn end(&mut self, _: &Usage) -> Result<Reading, EnergyError> {
        if !std::mem::take(&mut self.open) {
            return Err(EnergyError::NoWindow { sensor: SENSOR });
        }
        let timeout = {
            let mut shared = lock(&self.shared.0);
            shared.curve.close(Instant::now());
            (3 * shared.curve.longest()).min(READING_TIMEOUT.1).max(self.timeout)
        };
        // With the reading after the end, the last edge is interpolated instead of extrapolated;
        // that is worth waiting for one interval.
        let mut shared = self.wait(timeout, |shared| shared.curve.bracketed());
        let bracketed = shared.curve.bracketed();
        let joules = shared.curve.finish(timeout);
        // A closed pipe does not show whether the command exited before or after the end of the
        // window, so there is no figure.
        if let (false, Some(how)) = (bracketed, &shared.ended) {
            return Err(self.ended(how));
        }
        let read = shared.curve.readings() - shared.before;
        let garbage = shared.garbage.1;
        // A banner or an occasional odd line is ignored. If more than half of the lines are not
        // readings, the output is not understood.
        if garbage >= 3 && garbage > read {
            return Err(EnergyError::Malformed {
                sensor: SENSOR,
                domain: format!("the output of `{}`", self.command),
                why: format!(
                    "{garbage} lines are not readings and {read} are; the first that is not: {}",
                    shared.example
                ),
            });
        }
        let joules = joules.map_err(|fault| match fault {
            Fault::Jumped(why) => {
                EnergyError::Jumped { sensor: SENSOR, domain: SENSOR.to_owned(), why }
            }
            Fault::Silent(why) => EnergyError::MeterSilent { command: self.command.clone(), why },
        })?;
        // Not negative (`finish`), and because readings are bounded far below 2^64 microjoules for
        // any realistic window; `as` saturates.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let microjoules = (joules * 1e6).round() as u64;
        let domain =
            Domain { name: SENSOR.to_owned(), scope: Scope::Platform, microjoules, counted: true };
        Ok(Reading { microjoules, band: None, domains: vec![domain] })
    }
}
