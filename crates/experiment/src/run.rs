//! One run of one arm: creates a phase channel, starts the workload, measures it, and makes the
//! line of the record.

mod environment;

use crate::arm::Arm;
use crate::context::{Findings, RunContext};
use crate::error::{Error, failed};
use crate::hazard::{self, Hazard, HazardKind};
use crate::output::HashedOutput;
use crate::phase::{Channel, Mark, Message};
use crate::record::{Outcome, Output, Probes, Run};
use crate::serve;
use crate::session::{Session, SessionEvent};
use crate::shell;
use crate::window::Window;
use environment::set_gil;
use std::time::Instant;
use ungil_meter::{Counters, End, HighWater, Launch, Peaks, Status, Tree, own_cpu_s};

/// Number of starts with which an interpreter's start-up time is measured.
const STARTUP_RUNS: usize = 5;

/// A finished run, and its output for comparison with other arms.
pub(crate) struct FinishedRun {
    pub(crate) run: Run,
    pub(crate) output: HashedOutput,
    /// The port that a service was given.
    pub(crate) port: Option<u16>,
}

impl RunContext<'_> {
    /// Runs `arm` once.
    pub(crate) fn run(&mut self, arm: &Arm, block: u32, order: u32) -> Result<FinishedRun, Error> {
        let (set_up, own_cpu) = (Instant::now(), own_cpu_s());
        let at_s = set_up.duration_since(self.began).as_secs_f64();
        let dir = self.support.join(format!("run-{block}-{order}"));
        let channel = Channel::create(&dir).map_err(|e| {
            let help = "free space in the temporary directory, or set TMPDIR to another one";
            failed("cannot set up a run", e.to_string(), help)
        })?;
        let port = self.workload.serving().is_some().then(serve::free_port).transpose()?;
        let launch = self.launch(arm, block, &channel, port)?;
        let mut whole = Window::default();
        whole.open(&mut self.sensors, Counters::default);
        let mut session = Session::start(&launch, channel, self.settings.timeout_s, self.stop)?;
        session.expects_no_gil = arm.without_gil();
        let mut marked = Window::default();
        let mut found = Findings::default();
        match (self.workload.serving(), port) {
            (Some(serving), Some(port)) => {
                serve::drive(self, &mut session, &mut marked, &mut found, arm, serving, port)?;
            }
            _ => self.wait_for_exit(&mut session, &mut marked, &mut found)?,
        }
        session.drain_output();
        session.waiting.end(None);
        let Session { tree, sampler, waiting, cores, mut hazards, stdout, stderr, .. } = session;
        let counted_by = if tree.has_cgroup() { "cgroup" } else { "proc" }.to_string();
        let end = tree.finish()?;
        let process_s = end.ended_ns.saturating_sub(end.started_ns) as f64 / 1e9;
        let is_marked = marked.count > 0;
        let mut window = if is_marked { marked } else { whole };
        if !is_marked {
            window.close(&mut self.sensors, process_s, end.spent);
            let mut peaks = sampler.peaks();
            peaks.peak.rss = peaks.peak.rss.max(end.largest_rss.unwrap_or(0));
            window.add_memory(peaks, None);
        }
        let outcome = match found.outcome.take().unwrap_or_else(|| outcome_of(&end)) {
            Outcome::Ok if found.unfinished => {
                let why = "the program exited inside a phase: the phase has no end".to_string();
                Outcome::Invalid { why }
            }
            outcome => outcome,
        };
        let mut run = Run {
            arm: arm.id.clone(),
            block,
            order,
            at_s,
            outcome,
            marked: is_marked,
            metrics: std::mem::take(&mut found.metrics),
            missing: std::mem::take(&mut found.missing),
            energy: window.energy.clone(),
            machine: Some(window.around.clone()),
            cores: cores.end(),
            hazards: Vec::new(),
            output: port.is_none().then(|| Output { blake3: stdout.hash(), bytes: stdout.bytes }),
            uncached: None,
            counted_by,
            probes: Probes::default(),
            stderr: None,
        };
        window.metrics(&mut run.metrics, &mut run.missing);
        waiting.metrics(&mut run.metrics, &mut run.missing);
        if is_marked {
            run.metrics.insert("process_s".into(), process_s);
        }
        if let Some(ns) = found.startup_ns {
            run.metrics.insert("startup_s".into(), ns.saturating_sub(end.started_ns) as f64 / 1e9);
        }
        if let Some(bytes) = end.cgroup_peak {
            run.metrics.insert("cgroup_peak_bytes".into(), bytes as f64);
        }
        if !end.leftovers.is_empty() {
            let says = format!(
                "processes that outlived the workload were killed: {}",
                end.leftovers.join("; ")
            );
            hazards.push(Hazard::new(HazardKind::Leftovers, says));
        }
        if run.outcome != Outcome::Ok {
            hazards.push(Hazard::new(HazardKind::Died, run.outcome.to_string()));
            run.stderr = Some(stderr.text());
        }
        let known_cpu_s = window.spent.cpu_s + window.own_cpu_s + found.load_cpu_s;
        hazards.extend(hazard::of_machine(&window.around, window.wall_s, known_cpu_s));
        run.hazards = hazards;
        run.probes = Probes {
            cpu_s: own_cpu_s() - own_cpu,
            window_cpu_s: window.own_cpu_s,
            samples: window.peaks.samples,
            share_samples: window.peaks.share_samples,
            wait_samples: waiting.sums().samples,
            added_s: (set_up.elapsed().as_secs_f64() - process_s).max(0.0),
        };
        Ok(FinishedRun { run, output: stdout, port })
    }

    /// Waits for a workload that ends by itself, handling its phase marks.
    fn wait_for_exit(
        &mut self,
        session: &mut Session<'_>,
        window: &mut Window,
        found: &mut Findings,
    ) -> Result<(), Error> {
        loop {
            match session.next(None, &mut self.sensors)? {
                SessionEvent::Ended => break,
                SessionEvent::Message(message) => {
                    self.handle_message(message, session, window, found)?
                }
                SessionEvent::TimedOut => {
                    found.outcome = Some(Outcome::TimedOut);
                    session.tree.kill()?;
                    break;
                }
                SessionEvent::WatchedExited | SessionEvent::Elapsed => {}
            }
        }
        found.unfinished = window.is_open();
        window.discard();
        Ok(())
    }

    /// Handles a message from the phase channel.
    pub(crate) fn handle_message(
        &mut self,
        message: Message,
        session: &mut Session<'_>,
        window: &mut Window,
        found: &mut Findings,
    ) -> Result<(), Error> {
        let exact = |mark: &Mark| mark.switches.map(|(v, i)| (mark.pid, v, i));
        match message {
            Message::Start(mark) => {
                if window.is_open() || found.marker.is_some_and(|m| m.pid != mark.pid) {
                    let says = format!(
                        "process {} also marked a phase; only the marks of the first process count",
                        mark.pid
                    );
                    session.note(Hazard::new(HazardKind::Phase, says));
                    return session.release_workload();
                }
                found.marker = Some(mark);
                session.sampler.reset();
                session.sampler.track(mark.pid);
                let members = session.tree.members();
                found.high_water = HighWater::begin(&members, mark.children_rss);
                session.waiting.begin(&members, window.count == 0);
                let tree = &session.tree;
                window.open(&mut self.sensors, || tree.counters(exact(&mark)));
                found.startup_ns.get_or_insert_with(ungil_meter::monotonic_ns);
                session.release_workload()
            }
            Message::End(mark, from, to) => {
                if found.marker.is_none_or(|m| m.pid != mark.pid) || !window.is_open() {
                    let says =
                        format!("process {} ended a phase that it had not started", mark.pid);
                    session.note(Hazard::new(HazardKind::Phase, says));
                    return session.release_workload();
                }
                let counters = session.tree.counters(exact(&mark));
                window.close(&mut self.sensors, (to - from) as f64 / 1e9, counters);
                session.waiting.end(Some((from, to)));
                let memory = session.sampler.checkpoint(&session.tree);
                let mut peaks: Peaks = session.sampler.peaks();
                // Peaks between two samples: a member's own high-water mark, or a child that
                // started and ended in between, in addition to the process that waited for it.
                let living = found.high_water.of_living(&session.tree.members());
                let ended = found.high_water.of_ended(mark.pid, mark.children_rss);
                let ended = ended.map_or(0, |rss| rss + session.sampler.min_rss_of_tracked());
                peaks.peak.rss = peaks.peak.rss.max(living).max(ended);
                window.add_memory(peaks, Some(memory));
                if let Some(hazard) = self.gil_hazard(&mark, session) {
                    session.note(hazard);
                }
                session.release_workload()
            }
            Message::Metric(name, value) => {
                found.metrics.insert(name, value);
                Ok(())
            }
            Message::Unknown(line) => {
                session.note(Hazard::new(
                    HazardKind::Phase,
                    format!("invalid line on the phase channel: '{line}'"),
                ));
                Ok(())
            }
        }
    }

    fn gil_hazard(&self, mark: &Mark, session: &Session<'_>) -> Option<Hazard> {
        let named = session.hazards.iter().any(|h| h.kind == HazardKind::GilEnabled);
        (mark.gil == Some(true) && !named && session.expects_no_gil).then(|| {
            let says = "the GIL is enabled at the end of the phase; standard error does not say which import enabled it";
            Hazard::new(HazardKind::GilEnabled, says)
        })
    }

    /// Measures the wall time, in seconds, of a few starts of the arm's interpreter that do
    /// nothing. The first start, with a cold cache, is dropped.
    pub(crate) fn startup(&self, arm: &Arm) -> Result<Vec<f64>, Error> {
        let python = arm.interpreter().map(|i| i.executable.clone()).unwrap_or_default();
        let mut seconds = Vec::new();
        for _ in 0..=STARTUP_RUNS {
            let argv = vec![python.clone().into(), "-c".into(), "pass".into()];
            let mut launch = Launch { argv, ..Launch::default() };
            set_gil(&mut launch, arm);
            let end = Tree::start(&launch)?.finish()?;
            if end.status != Status::Exited(0) {
                let what = format!("{} does not start", arm.head());
                let gil = launch
                    .env
                    .iter()
                    .map(|(name, value)| format!("{name}={}", value.to_string_lossy()));
                let unset = launch.unset.iter().map(|name| format!("-u {name}"));
                let python = shell::word(&python.to_string_lossy());
                let options: Vec<String> = unset.chain(gil).collect();
                return Err(failed(
                    what,
                    match end.status {
                        Status::Exited(code) => {
                            format!("'python -c pass' exited with code {code}")
                        }
                        Status::Signaled(signal) => {
                            format!("'python -c pass' was killed by signal {signal}")
                        }
                    },
                    format!("run it by hand: env {} {python} -c pass", options.join(" ")),
                ));
            }
            seconds.push(end.ended_ns.saturating_sub(end.started_ns) as f64 / 1e9);
            if self.stop.wait(0.0) {
                return Err(Error::Interrupted);
            }
        }
        seconds.remove(0);
        Ok(seconds)
    }
}

fn outcome_of(end: &End) -> Outcome {
    match end.status {
        Status::Exited(0) => Outcome::Ok,
        Status::Exited(code) => Outcome::Exited { code },
        Status::Signaled(signal) => Outcome::Signaled { signal },
    }
}
