//! Runs a suite's points one after the other. Each is an experiment with its own record.
//!
//! All records are created and locked at the start, with their headers, so that two suites cannot
//! mix and an interrupted suite resumes exactly as planned.

use crate::folder::{Study, record_path};
use crate::plan::Point;
use std::fs;
use std::path::Path;
use std::time::Instant;
use ungil_experiment::energy::Opened;
use ungil_experiment::record::{Header, Idle, Line, Record, Startup, Writer};
use ungil_experiment::runner::{self, Experiment};
use ungil_experiment::{Error, Failure, Stop};

/// Progress of a suite.
#[derive(Debug)]
pub enum SuiteEvent<'a> {
    /// A point starts: its number from 1, the number of points, the point, and the estimated
    /// seconds left.
    Point(usize, usize, &'a Point, f64),
    /// Progress of its experiment.
    Run(&'a Point, &'a runner::RunnerEvent<'a>),
    /// A point has ended: its record, and the failure if it failed.
    Ended(&'a Point, &'a Record, Option<&'a Failure>),
}

/// The remaining points of a suite.
#[derive(Debug)]
pub struct Drive<'a> {
    left: Vec<(Point, Experiment<'a>)>,
    total: usize,
    startups: Vec<Startup>,
    idle: Option<Idle>,
}

/// Seconds that a run takes in addition to its phase: interpreter start, inputs, the meter.
const OVERHEAD_S: f64 = 0.25;

impl<'a> Drive<'a> {
    /// Creates the record of every point.
    ///
    /// # Errors
    /// [`Error::Record`] if a record cannot be created.
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

    /// Collects the remaining points of an interrupted study. A point with a failure is measured
    /// again in all its arms, so that they share blocks; its old record is kept beside the new one
    /// with the suffix `.failed`.
    ///
    /// # Errors
    /// [`Error::Record`] if another ungil is using a record, or if a new record cannot be created.
    pub fn resume(folder: &Path, study: Study, stop: &'a Stop) -> Result<Drive<'a>, Error> {
        let total = study.records.len();
        let mut drive = Drive { left: Vec::new(), total, startups: Vec::new(), idle: None };
        for (point, record) in study.records {
            drive.remember(&record);
            let path = record_path(folder, &point);
            if is_done(&record) {
                continue;
            }
            // This opens and locks the record: another ungil may be using it.
            let header = record.header.clone();
            let failed = has_failure(&record);
            let mut experiment = Experiment::resume(record, &path, stop)?;
            if failed {
                fs::rename(&path, path.with_extension("jsonl.failed"))
                    .map_err(|e| cannot_rename(&path, &e))?;
                experiment = Experiment::new(Writer::create(&path)?, header, stop)?;
            }
            drive.left.push((point, experiment));
        }
        Ok(drive)
    }

    /// Returns the number of remaining points.
    pub fn left(&self) -> usize {
        self.left.len()
    }

    /// Runs the points. No point starts after `limit_s` seconds; if `limit_s` is finite, each point
    /// may take an equal share of the remaining time. If a point fails, the next ones still run.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; [`Error::Record`] if a record cannot be written.
    pub fn run(
        mut self,
        limit_s: f64,
        open: &dyn Fn() -> Result<Opened, Error>,
        watch: &mut dyn FnMut(&SuiteEvent<'_>),
    ) -> Result<(), Error> {
        let began = Instant::now();
        let before = self.total - self.left.len();
        let points = std::mem::take(&mut self.left);
        let count = points.len();
        // Compiled modules are cached while the suite runs. Without a cache, every start would
        // compile its imports.
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
            watch(&SuiteEvent::Point(before + i + 1, self.total, &point, pace * (all - past)));
            past += expected_s(&point, &experiment.record);
            self.add_remembered(&mut experiment)?;
            let result = experiment
                .run(open()?.sensors, &mut |event| watch(&SuiteEvent::Run(&point, event)));
            self.remember(&experiment.record);
            match result {
                Ok(_) => watch(&SuiteEvent::Ended(&point, &experiment.record, None)),
                Err(Error::Failed(failure)) => {
                    watch(&SuiteEvent::Ended(&point, &experiment.record, Some(&failure)));
                }
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    /// Remembers what is measured only once: idle power and start-up times.
    fn remember(&mut self, record: &Record) {
        self.idle = self.idle.take().or_else(|| record.idle.clone());
        for startup in &record.startups {
            if !self.startups.iter().any(|s| s.python == startup.python) {
                self.startups.push(startup.clone());
            }
        }
    }

    /// Adds the remembered measurements to a record that lacks them.
    fn add_remembered(&self, experiment: &mut Experiment<'_>) -> Result<(), Error> {
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

/// Returns whether a record is complete and nothing failed.
pub fn is_done(record: &Record) -> bool {
    record.complete && !has_failure(record)
}

fn has_failure(record: &Record) -> bool {
    record.header.arms.iter().any(|a| record.has_failed(&a.id))
}

fn cannot_rename(path: &Path, error: &std::io::Error) -> Error {
    let what = format!("cannot rename the record {}", path.display());
    let help = "check that its folder is writable";
    Error::Record { path: path.into(), failure: Failure::new(what, error.to_string(), help) }
}

/// Returns the expected seconds of a point: at most its time limit, if it may stop before its
/// maximum number of blocks.
pub fn expected_s(point: &Point, record: &Record) -> f64 {
    let settings = &record.header.settings;
    let most = settings.max_blocks.unwrap_or(settings.blocks);
    let runs = record.header.arms.len() as f64 * f64::from(most + settings.warmup);
    let all = (runs - record.runs.len() as f64).max(0.0) * (point.expected_s + OVERHEAD_S);
    if most > settings.blocks { all.min(settings.time_limit_s) } else { all }
}
