//! Runs a suite's points one after the other, each an experiment with a record of its own.
//!
//! Every record exists from the beginning, with its header and locked, so that two cannot mix and
//! whoever is interrupted goes on with exactly what was planned.

use crate::folder::{Study, record_path};
use crate::plan::Point;
use std::fs;
use std::path::Path;
use std::time::Instant;
use ungil_experiment::energy::Opened;
use ungil_experiment::record::{Header, Idle, Line, Record, Startup, Writer};
use ungil_experiment::runner::{self, Experiment};
use ungil_experiment::{Error, Failure, Stop};

/// What happens, for whoever watches.
#[derive(Debug)]
pub enum Event<'a> {
    /// A point begins: its number from 1, of how many, and seconds left by the pace so far.
    Point(usize, usize, &'a Point, f64),
    /// What its experiment says.
    Run(&'a Point, &'a runner::RunnerEvent<'a>),
    /// A point has ended; its record, and why it failed if it did.
    Ended(&'a Point, &'a Record, Option<&'a Failure>),
}

/// The points that are left to run.
#[derive(Debug)]
pub struct Drive<'a> {
    left: Vec<(Point, Experiment<'a>)>,
    total: usize,
    startups: Vec<Startup>,
    idle: Option<Idle>,
}

/// Seconds a run takes beside its phase: start of the interpreter, inputs, the meter's own.
const AROUND_S: f64 = 0.25;

impl<'a> Drive<'a> {
    /// Makes the record of every point.
    ///
    /// # Errors
    /// [`Error::Record`] when one cannot be made.
    pub fn new(
        folder: &Path,
        points: Vec<(Point, Header)>,
        stop: &'a Stop,
    ) -> Result<Drive<'a>, Error> {
        let make = |(point, header): (Point, Header)| {
            let writer = Writer::create(&record_path(folder, &point))?;
            Ok((point, Experiment::new(writer, header, stop)?))
        };
        let left: Vec<_> = points.into_iter().map(make).collect::<Result<_, Error>>()?;
        Ok(Drive { total: left.len(), left, startups: Vec::new(), idle: None })
    }

    /// What is left of a study that was interrupted. A point of which something failed is measured
    /// anew, in all its arms, so that they share their blocks; its old record stays beside the new
    /// one, ending in `.failed`.
    ///
    /// # Errors
    /// [`Error::Record`] when another ungil has one of its records, or a new one cannot be made.
    pub fn resume(folder: &Path, study: Study, stop: &'a Stop) -> Result<Drive<'a>, Error> {
        let total = study.records.len();
        let mut drive = Drive { left: Vec::new(), total, startups: Vec::new(), idle: None };
        for (point, record) in study.records {
            drive.learn(&record);
            let path = record_path(folder, &point);
            if done(&record) {
                continue;
            }
            // Opened, and so locked: another ungil may be at it.
            let header = record.header.clone();
            let failed = failed(&record);
            let mut experiment = Experiment::resume(record, &path, stop)?;
            if failed {
                fs::rename(&path, path.with_extension("jsonl.failed"))
                    .map_err(|e| cannot_put_aside(&path, &e))?;
                experiment = Experiment::new(Writer::create(&path)?, header, stop)?;
            }
            drive.left.push((point, experiment));
        }
        Ok(drive)
    }

    /// Points that are left.
    pub fn left(&self) -> usize {
        self.left.len()
    }

    /// Runs them, beginning none after `limit_s` seconds; if that is finite, each may take its
    /// share of what is left of it. A point that fails does not keep the next from running.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; [`Error::Record`] when a record cannot be written.
    pub fn run(
        mut self,
        limit_s: f64,
        open: &dyn Fn() -> Result<Opened, Error>,
        watch: &mut dyn FnMut(&Event<'_>),
    ) -> Result<(), Error> {
        let began = Instant::now();
        let before = self.total - self.left.len();
        let points = std::mem::take(&mut self.left);
        let count = points.len();
        // Compiled modules are kept as long as the suite runs: where nobody keeps them, every start
        // would compile what it imports.
        let cache = tempfile::tempdir().ok();
        let all: f64 = points.iter().map(|(p, e)| expected_s(p, &e.record)).sum();
        let mut past = 0.0;
        for (i, (point, mut experiment)) in points.into_iter().enumerate() {
            let left_s = limit_s - began.elapsed().as_secs_f64();
            if left_s < 0.0 {
                break;
            }
            if left_s.is_finite() {
                experiment.record.header.settings.time_limit_s = left_s / (count - i) as f64;
            }
            if let Some(cache) = &cache {
                experiment.env = vec![
                    ("PYTHONPYCACHEPREFIX".into(), cache.path().into()),
                    ("PYTHONDONTWRITEBYTECODE".into(), "".into()),
                ];
            }
            let pace = if past > 0.0 { began.elapsed().as_secs_f64() / past } else { 1.0 };
            watch(&Event::Point(before + i + 1, self.total, &point, pace * (all - past)));
            past += expected_s(&point, &experiment.record);
            self.tell(&mut experiment)?;
            let result =
                experiment.run(open()?.sensors, &mut |event| watch(&Event::Run(&point, event)));
            self.learn(&experiment.record);
            match result {
                Ok(_) => watch(&Event::Ended(&point, &experiment.record, None)),
                Err(Error::Failed(failure)) => {
                    watch(&Event::Ended(&point, &experiment.record, Some(&failure)));
                }
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    /// Remembers what need be measured only once: the machine at rest, the interpreters' start.
    fn learn(&mut self, record: &Record) {
        self.idle = self.idle.take().or_else(|| record.idle.clone());
        for startup in &record.startups {
            if !self.startups.iter().any(|s| s.python == startup.python) {
                self.startups.push(startup.clone());
            }
        }
    }

    /// Puts it into a record that lacks it.
    fn tell(&self, experiment: &mut Experiment<'_>) -> Result<(), Error> {
        let idle =
            self.idle.iter().filter(|_| experiment.record.idle.is_none()).cloned().map(Line::Idle);
        let lacks = |s: &&Startup| {
            experiment.record.startup(&s.python).is_none()
                && experiment.record.header.arms.iter().any(|a| a.head() == s.python)
        };
        let startups = self.startups.iter().filter(lacks).cloned().map(Line::Startup);
        for line in idle.into_iter().chain(startups).collect::<Vec<_>>() {
            experiment.writer.line(&line)?;
            experiment.record.add(line);
        }
        Ok(())
    }
}

/// Whether a record has everything: nothing is left to measure, and nothing failed.
pub fn done(record: &Record) -> bool {
    record.complete && !failed(record)
}

fn failed(record: &Record) -> bool {
    record.header.arms.iter().any(|a| record.died(&a.id))
}

fn cannot_put_aside(path: &Path, error: &std::io::Error) -> Error {
    let what = format!("cannot put the record {} aside", path.display());
    let help = "check that its folder can be written";
    Error::Record { path: path.into(), failure: Failure::new(what, error.to_string(), help) }
}

/// Seconds a point is expected to take in all; no more than its time limit, where it may do with
/// fewer blocks than its most.
pub fn expected_s(point: &Point, record: &Record) -> f64 {
    let settings = &record.header.settings;
    let most = settings.max_blocks.unwrap_or(settings.blocks);
    let runs = record.header.arms.len() as f64 * f64::from(most + settings.warmup);
    let all = (runs - record.runs.len() as f64).max(0.0) * (point.expected_s + AROUND_S);
    if most > settings.blocks { all.min(settings.time_limit_s) } else { all }
}
