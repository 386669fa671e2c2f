//! The experiment: blocks of every arm in random order until the intervals are narrow or the time
//! is over, each run on disk before the next begins.

use crate::arm::Arm;
use crate::blame::{disagreement, run_failure};
use crate::bytecode;
use crate::compare::compare;
use crate::comparison::Comparison;
use crate::context::RunContext;
use crate::error::{Error, failed};
use crate::output::Hashed;
use crate::record::{Header, Line, Outcome, Record, Resumed, Run, Startup, Stopped, Writer};
use crate::stop::Stop;
use crate::window;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ffi::OsString;
use std::time::Instant;
use ungil_meter::energy::Sensor;

/// What the experiment tells whoever watches it.
#[derive(Debug)]
pub enum Event<'a> {
    /// A run is about to start.
    Starting {
        /// The arm.
        arm: &'a Arm,
        /// The block, 0 for warm-up.
        block: u32,
        /// Blocks expected in all, as far as one can tell.
        expected: u32,
        /// Seconds gone.
        elapsed_s: f64,
    },
    /// A run has ended.
    Finished(&'a Run),
    /// A block is complete; the widest interval, if there are blocks enough.
    Block(Option<f64>),
}

/// An experiment with everything it needs.
#[derive(Debug)]
pub struct Experiment<'a> {
    /// Where its lines go.
    pub writer: Writer,
    /// What is on disk so far: the header alone, or an interrupted record.
    pub record: Record,
    /// The request to stop.
    pub stop: &'a Stop,
    /// What the workload's environment has beside ungil's own: nothing that could change a figure,
    /// for no record has it.
    pub env: Vec<(String, OsString)>,
}

impl<'a> Experiment<'a> {
    /// A new experiment; writes the first line.
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
        let Line::Experiment(header) = line else { unreachable!("made three lines above") };
        Ok(Experiment { writer, record: Record::new(header), stop, env: Vec::new() })
    }

    /// An interrupted experiment that goes on.
    ///
    /// # Errors
    /// [`Error::Record`].
    pub fn resume(
        record: Record,
        path: &std::path::Path,
        stop: &'a Stop,
    ) -> Result<Experiment<'a>, Error> {
        let mut writer = Writer::append(path, record.whole)?;
        writer.line(&Line::Resumed(Resumed { at: now() }))?;
        Ok(Experiment { writer, record, stop, env: Vec::new() })
    }

    /// Runs until the intervals are narrow enough or the time is over, then compares.
    ///
    /// # Errors
    /// Every [`Error`]; whatever was measured is on disk, and a last line says why it stopped.
    pub fn run(
        &mut self,
        sensors: Vec<Box<dyn Sensor>>,
        watch: &mut dyn FnMut(&Event<'_>),
    ) -> Result<Comparison, Error> {
        let result = self.blocks(sensors, watch);
        // An interrupted or failed experiment still says what its whole blocks say.
        let comparison = compare(&self.record);
        if let Err(error) = &result {
            let failure = error.failure();
            let why = format!("{}: {}", failure.what, failure.why);
            // With the disk full this cannot be written either; the record is whole lines without
            // it.
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
        watch: &mut dyn FnMut(&Event<'_>),
    ) -> Result<(), Error> {
        let (header, env) = (self.record.header.clone(), self.env.clone());
        let support = support().map_err(|e| {
            let help = "make room in the temporary directory, or point TMPDIR elsewhere";
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
            if let Some(idle) = window::idle(&mut cx.sensors, header.settings.idle_s, self.stop) {
                self.keep(Line::Idle(idle))?;
            }
            if self.stop.wait(0.0) {
                return Err(Error::Interrupted);
            }
        }
        self.startups(&cx, &header)?;
        // Idling and starting interpreters are not the experiment's time.
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
                watch(&Event::Block(narrow));
                let decided = !comparison.is_decidable()
                    || narrow.is_some_and(|p| p <= header.settings.precision);
                if self.enough(&header, block, decided, cx.began) {
                    return Ok(());
                }
            }
            block += 1;
        }
    }

    /// Whether to stop after `block`; `decided`: further blocks would change no verdict.
    fn enough(&self, header: &Header, block: u32, decided: bool, began: Instant) -> bool {
        let settings = &header.settings;
        let elapsed = began.elapsed().as_secs_f64();
        block >= settings.blocks
            && (decided
                || elapsed >= settings.time_limit_s
                || settings.max_blocks.is_some_and(|most| block >= most)
                || header.arms.len() < 2)
    }

    /// Measures how long each interpreter takes to start, unless the record knows.
    fn startups(&mut self, cx: &RunContext<'_>, header: &Header) -> Result<(), Error> {
        for arm in &header.arms {
            if arm.interpreter().is_none() || self.record.startup(arm.head()).is_some() {
                continue;
            }
            let seconds = cx.startup(arm)?;
            self.keep(Line::Startup(Startup { python: arm.head().into(), seconds }))?;
        }
        Ok(())
    }

    /// Runs what is missing of one block: all of it, unless the experiment was interrupted in its
    /// middle. Warm-up is block 0 and may have several rounds.
    fn block(
        &mut self,
        cx: &mut RunContext<'_>,
        header: &Header,
        block: u32,
        round: u32,
        watch: &mut dyn FnMut(&Event<'_>),
    ) -> Result<(), Error> {
        let mut outputs: Vec<(String, Hashed)> = Vec::new();
        for (order, arm) in order(&header.arms, header.settings.seed, block).into_iter().enumerate()
        {
            let done = |r: &Run| r.arm == arm.id && r.block == block && r.outcome == Outcome::Ok;
            let left_out = header.settings.keep_going && self.record.died(&arm.id);
            if left_out || self.record.runs.iter().filter(|r| done(r)).count() >= round as usize {
                continue;
            }
            let expected = self.expected(header, cx.began, block);
            let elapsed_s = cx.began.elapsed().as_secs_f64();
            watch(&Event::Starting { arm, block, expected, elapsed_s });
            let order = u32::try_from(order).unwrap_or(u32::MAX);
            let mut done = cx.run(arm, block, order)?;
            window::joules(&mut done.run, self.record.idle.as_ref(), &header.absent);
            if !done.run.marked && done.run.outcome == Outcome::Ok && !self.has_run(arm.head()) {
                done.run.uncached = bytecode::uncached(cx, arm);
            }
            let earlier =
                self.record.runs.iter().filter(|r| r.block == block && r.outcome == Outcome::Ok);
            if let Some(why) = disagreement(header, &done, &outputs, earlier) {
                done.run.outcome = Outcome::Invalid { why: why.why.clone() };
                self.keep(Line::Run(done.run))?;
                return Err(Error::Failed(why));
            }
            self.keep(Line::Run(done.run.clone()))?;
            watch(&Event::Finished(&done.run));
            if done.run.outcome == Outcome::Ok {
                outputs.push((arm.id.clone(), done.output));
            } else {
                self.failed_arm(cx, arm, &done.run, done.port)?;
            }
        }
        Ok(())
    }

    /// Whether an interpreter has had a run before.
    fn has_run(&self, head: &str) -> bool {
        let same =
            |id: &str| self.record.header.arms.iter().any(|a| a.id == id && a.head() == head);
        self.record.runs.iter().any(|r| r.outcome == Outcome::Ok && same(&r.arm))
    }

    /// Stops the experiment for a failed run, or, if asked to keep going, leaves its arm out from
    /// now on.
    fn failed_arm(
        &self,
        cx: &RunContext<'_>,
        arm: &Arm,
        run: &Run,
        port: Option<u16>,
    ) -> Result<(), Error> {
        let header = &self.record.header;
        let others = header.arms.iter().skip(1).any(|a| !self.record.died(&a.id));
        let baseline = header.arms.first().is_some_and(|b| b.id == arm.id);
        if header.settings.keep_going && !baseline && others {
            return Ok(());
        }
        let by_hand = self.by_hand(cx, arm, run, port)?;
        Err(Error::Failed(run_failure(header, arm, run, &by_hand)))
    }

    /// A line for a shell that repeats a run, with the Python files it needs put beside the record.
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
        // Without them the line cannot be promised to fail in the same way.
        Ok(match made {
            Ok(()) => line,
            Err(e) => format!("{line} (first make {}: {e})", kept.display()),
        })
    }

    fn keep(&mut self, line: Line) -> Result<(), Error> {
        self.writer.line(&line)?;
        self.record.add(line);
        Ok(())
    }

    /// Blocks expected in all: what the time limit leaves room for at the pace so far.
    fn expected(&self, header: &Header, began: Instant, block: u32) -> u32 {
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

/// Now, RFC 3339, to the second.
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn support() -> std::io::Result<tempfile::TempDir> {
    let dir = tempfile::Builder::new().prefix("ungil-").tempdir()?;
    write_support(dir.path())?;
    std::fs::write(dir.path().join("ungil_imports.py"), include_str!("../py/ungil_imports.py"))?;
    Ok(dir)
}

/// The files a workload's own processes import.
fn write_support(dir: &std::path::Path) -> std::io::Result<()> {
    std::fs::write(dir.join("ungil_phase.py"), crate::phase::MODULE)?;
    std::fs::write(dir.join("ungil_task.py"), include_str!("../py/ungil_task.py"))
}

/// The arms in the block's own random order (Fisher-Yates), the same for the same seed.
fn order(arms: &[Arm], seed: u64, block: u32) -> Vec<&Arm> {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ (u64::from(block) << 32));
    let mut order: Vec<&Arm> = arms.iter().collect();
    for i in (1..order.len()).rev() {
        order.swap(i, random.random_range(0..=i));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_has_every_arm_in_an_order_of_its_own_that_the_seed_decides() {
        let arms: Vec<Arm> = (0..6).map(|i| Arm::also(&format!("arm{i}"), "x", None)).collect();
        let ids = |seed, block| {
            order(&arms, seed, block).iter().map(|a| a.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(ids(1, 1), ids(1, 1));
        let mut orders: Vec<_> = (0..50).map(|b| ids(1, b)).collect();
        for order in &orders {
            let mut sorted = order.clone();
            sorted.sort();
            assert_eq!(sorted, arms.iter().map(|a| a.id.clone()).collect::<Vec<_>>());
        }
        orders.sort();
        orders.dedup();
        assert!(orders.len() > 40, "{} different orders of 50", orders.len());
    }
}
