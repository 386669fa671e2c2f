//! Runs an experiment: blocks of every arm in random order, until the intervals are narrow enough
//! or the time is over. Each run is on disk before the next one starts.

mod order;
mod support;

use crate::arm::Arm;
use crate::bytecode;
use crate::compare::compare;
use crate::comparison::Comparison;
use crate::context::RunContext;
use crate::diagnose::{disagreement, run_failure};
use crate::error::{Error, failed};
use crate::output::HashedOutput;
use crate::record::{Header, Line, Outcome, Record, Resumed, Run, Startup, Stopped, Writer};
use crate::stop::Stop;
use crate::window;
use order::order;
use std::ffi::OsString;
use std::time::Instant;
use support::{create_support_dir, write_support};
use ungil_meter::energy::Sensor;

/// Progress of an experiment.
#[derive(Debug)]
pub enum RunnerEvent<'a> {
    /// A run is about to start.
    Starting {
        /// The arm.
        arm: &'a Arm,
        /// The block; 0 is warm-up.
        block: u32,
        /// Expected total number of blocks.
        expected: u32,
        /// Seconds since the first block started.
        elapsed_s: f64,
    },
    /// A run has ended.
    Finished(&'a Run),
    /// A block is complete. The value is the relative half-width of the widest interval, if there
    /// are enough blocks.
    Block(Option<f64>),
}

/// An experiment.
#[derive(Debug)]
pub struct Experiment<'a> {
    /// The open record.
    pub writer: Writer,
    /// The record's content so far: only the header, or an interrupted record.
    pub record: Record,
    /// The request to stop.
    pub stop: &'a Stop,
    /// Environment variables set for the workload in addition to ungil's own. They are not
    /// recorded, so they must not affect any figure.
    pub env: Vec<(String, OsString)>,
}

impl<'a> Experiment<'a> {
    /// Creates a new experiment and writes the first line.
    ///
    /// # Errors
    /// [`Error::Record`].
    pub fn new(
        mut writer: Writer,
        header: Header,
        stop: &'a Stop,
    ) -> Result<Experiment<'a>, Error> {
        let line = Line::Experiment(header);
        writer.line(&line)?;
        let Line::Experiment(header) = line else { unreachable!("constructed above") };
        Ok(Experiment { writer, record: Record::new(header), stop, env: Vec::new() })
    }

    /// Resumes an interrupted experiment.
    ///
    /// # Errors
    /// [`Error::Record`].
    pub fn resume(
        record: Record,
        path: &std::path::Path,
        stop: &'a Stop,
    ) -> Result<Experiment<'a>, Error> {
        let mut writer = Writer::append(path, record.complete_bytes)?;
        writer.line(&Line::Resumed(Resumed { at: now() }))?;
        Ok(Experiment { writer, record, stop, env: Vec::new() })
    }

    /// Runs blocks until the intervals are narrow enough or the time is over, then compares the
    /// arms. `watch` is called with the progress.
    ///
    /// # Errors
    /// Any [`Error`]. Everything measured so far is on disk, and the last line says why the
    /// experiment stopped.
    pub fn run(
        &mut self,
        sensors: Vec<Box<dyn Sensor>>,
        watch: &mut dyn FnMut(&RunnerEvent<'_>),
    ) -> Result<Comparison, Error> {
        let result = self.blocks(sensors, watch);
        // An interrupted or failed experiment is also compared, by its complete blocks.
        let comparison = compare(&self.record);
        if let Err(error) = &result {
            let failure = error.failure();
            let why = format!("{}: {}", failure.what, failure.why);
            // This fails if the disk is full. The record then ends with the previous complete line.
            let line = Line::Stopped(Stopped { why });
            let _ = self.writer.line(&line);
            self.record.add(line);
        }
        if comparison.blocks > 0 {
            let written = self.writer.line(&Line::Comparison(comparison.clone()));
            if result.is_ok() {
                written?;
            }
        }
        self.record.add(Line::Comparison(comparison.clone()));
        result.map(|()| comparison)
    }

    fn blocks(
        &mut self,
        sensors: Vec<Box<dyn Sensor>>,
        watch: &mut dyn FnMut(&RunnerEvent<'_>),
    ) -> Result<(), Error> {
        let (header, env) = (self.record.header.clone(), self.env.clone());
        let support = create_support_dir().map_err(|e| {
            let help = "free space in the temporary directory, or set TMPDIR to another one";
            failed("cannot set up the experiment", e.to_string(), help)
        })?;
        let mut cx = RunContext {
            workload: &header.workload,
            settings: &header.settings,
            support: support.path(),
            sensors,
            stop: self.stop,
            env: &env,
            began: Instant::now(),
        };
        if self.record.idle.is_none() && header.settings.idle_s > 0.0 {
            if let Some(idle) =
                window::measure_idle(&mut cx.sensors, header.settings.idle_s, self.stop)
            {
                self.append(Line::Idle(idle))?;
            }
            if self.stop.wait(0.0) {
                return Err(Error::Interrupted);
            }
        }
        self.startups(&cx, &header)?;
        // Measuring idle power and start-up times does not count towards the experiment's time.
        cx.began = Instant::now();
        let first = if header.settings.warmup > 0 { 0 } else { 1 };
        let mut block = self.record.runs.iter().map(|r| r.block).max().unwrap_or(first);
        loop {
            for round in 1..=if block == 0 { header.settings.warmup } else { 1 } {
                self.block(&mut cx, &header, block, round, watch)?;
            }
            if block > 0 {
                let comparison = compare(&self.record);
                let narrow = comparison.precision().filter(|_| block >= header.settings.blocks);
                watch(&RunnerEvent::Block(narrow));
                let decided = !comparison.is_decidable()
                    || narrow.is_some_and(|p| p <= header.settings.precision);
                if self.is_finished(&header, block, decided, cx.began) {
                    return Ok(());
                }
            }
            block += 1;
        }
    }

    /// Returns whether to stop after `block`. `decided` means that further blocks would not change
    /// any verdict.
    fn is_finished(&self, header: &Header, block: u32, decided: bool, began: Instant) -> bool {
        let settings = &header.settings;
        let elapsed = began.elapsed().as_secs_f64();
        block >= settings.blocks
            && (decided
                || elapsed >= settings.time_limit_s
                || settings.max_blocks.is_some_and(|most| block >= most)
                || header.arms.len() < 2)
    }

    /// Measures the start-up time of each interpreter that is not yet in the record.
    fn startups(&mut self, cx: &RunContext<'_>, header: &Header) -> Result<(), Error> {
        for arm in &header.arms {
            if arm.interpreter().is_none() || self.record.startup(arm.head()).is_some() {
                continue;
            }
            let seconds = cx.startup(arm)?;
            self.append(Line::Startup(Startup { python: arm.head().into(), seconds }))?;
        }
        Ok(())
    }

    /// Runs the missing runs of one block: all of them, unless the experiment was interrupted
    /// inside the block. Warm-up is block 0 and may have several rounds.
    fn block(
        &mut self,
        cx: &mut RunContext<'_>,
        header: &Header,
        block: u32,
        round: u32,
        watch: &mut dyn FnMut(&RunnerEvent<'_>),
    ) -> Result<(), Error> {
        let mut outputs: Vec<(String, HashedOutput)> = Vec::new();
        for (order, arm) in order(&header.arms, header.settings.seed, block).into_iter().enumerate()
        {
            let done = |r: &Run| r.arm == arm.id && r.block == block && r.outcome == Outcome::Ok;
            let left_out = header.settings.keep_going && self.record.has_failed(&arm.id);
            if left_out || self.record.runs.iter().filter(|r| done(r)).count() >= round as usize {
                continue;
            }
            let expected = self.expected_blocks(header, cx.began, block);
            let elapsed_s = cx.began.elapsed().as_secs_f64();
            watch(&RunnerEvent::Starting { arm, block, expected, elapsed_s });
            let order = u32::try_from(order).unwrap_or(u32::MAX);
            let mut done = cx.run(arm, block, order)?;
            window::record_energy(&mut done.run, self.record.idle.as_ref(), &header.absent);
            if !done.run.marked && done.run.outcome == Outcome::Ok && !self.has_run(arm.head()) {
                done.run.uncached = bytecode::uncached(cx, arm);
            }
            let earlier =
                self.record.runs.iter().filter(|r| r.block == block && r.outcome == Outcome::Ok);
            if let Some(why) = disagreement(header, &done, &outputs, earlier) {
                done.run.outcome = Outcome::Invalid { why: why.why.clone() };
                self.append(Line::Run(done.run))?;
                return Err(Error::Failed(why));
            }
            self.append(Line::Run(done.run.clone()))?;
            watch(&RunnerEvent::Finished(&done.run));
            if done.run.outcome == Outcome::Ok {
                outputs.push((arm.id.clone(), done.output));
            } else {
                self.failed_arm(cx, arm, &done.run, done.port)?;
            }
        }
        Ok(())
    }

    /// Returns whether an interpreter has a successful run.
    fn has_run(&self, head: &str) -> bool {
        let same =
            |id: &str| self.record.header.arms.iter().any(|a| a.id == id && a.head() == head);
        self.record.runs.iter().any(|r| r.outcome == Outcome::Ok && same(&r.arm))
    }

    /// Returns an error for a failed run, unless the experiment is to continue without the arm.
    fn failed_arm(
        &self,
        cx: &RunContext<'_>,
        arm: &Arm,
        run: &Run,
        port: Option<u16>,
    ) -> Result<(), Error> {
        let header = &self.record.header;
        let others = header.arms.iter().skip(1).any(|a| !self.record.has_failed(&a.id));
        let baseline = header.arms.first().is_some_and(|b| b.id == arm.id);
        if header.settings.keep_going && !baseline && others {
            return Ok(());
        }
        let by_hand = self.by_hand(cx, arm, run, port)?;
        Err(Error::Failed(run_failure(header, arm, run, &by_hand)))
    }

    /// Returns a shell command that repeats a run, and writes the Python files it needs beside the
    /// record.
    fn by_hand(
        &self,
        cx: &RunContext<'_>,
        arm: &Arm,
        run: &Run,
        port: Option<u16>,
    ) -> Result<String, Error> {
        let path = self.writer.path();
        let kept =
            std::path::absolute(path).unwrap_or_else(|_| path.into()).with_extension("support");
        let line = cx.by_hand(arm, run, port, &kept, &self.record.header.directory)?;
        let made = std::fs::create_dir_all(&kept).and_then(|()| write_support(&kept));
        // Without these files the command may fail in another way.
        Ok(match made {
            Ok(()) => line,
            Err(e) => format!("{line} (first create {}: {e})", kept.display()),
        })
    }

    fn append(&mut self, line: Line) -> Result<(), Error> {
        self.writer.line(&line)?;
        self.record.add(line);
        Ok(())
    }

    /// Returns the expected total number of blocks: as many as fit into the time limit at the pace
    /// so far.
    fn expected_blocks(&self, header: &Header, began: Instant, block: u32) -> u32 {
        let settings = &header.settings;
        let done = block.max(1);
        let pace = began.elapsed().as_secs_f64() / f64::from(done);
        let by_time = if block == 0 {
            settings.blocks
        } else {
            (settings.time_limit_s / pace.max(1e-3)) as u32
        };
        by_time.max(settings.blocks).min(settings.max_blocks.unwrap_or(u32::MAX)).max(block)
    }
}

/// Returns the current time in RFC 3339 format, to the second.
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
