//! One run of one arm, from an empty temporary directory to a line of the record.

use crate::arm::{Arm, Gil, Runs};
use crate::context::{Findings, RunContext};
use crate::error::{Error, failed};
use crate::hazard::{self, Hazard, Kind};
use crate::output::Hashed;
use crate::phase::{Channel, Mark, Message};
use crate::record::{Outcome, Output, Probes, Run};
use crate::serve;
use crate::session::{Event, Session};
use crate::shell;
use crate::window::Window;
use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;
use ungil_meter::{Counters, End, HighWater, Launch, Peaks, Status, Tree, own_cpu_s};

/// Starts of each interpreter to measure its start-up by.
const STARTS: usize = 5;

/// A run and the output to compare it by.
pub(crate) struct Done {
    pub(crate) run: Run,
    pub(crate) output: Hashed,
    /// The port that a service was told to listen on.
    pub(crate) port: Option<u16>,
}

impl RunContext<'_> {
    /// Runs `arm` once.
    pub(crate) fn run(&mut self, arm: &Arm, block: u32, order: u32) -> Result<Done, Error> {
        let (set_up, own_cpu) = (Instant::now(), own_cpu_s());
        let at_s = set_up.duration_since(self.began).as_secs_f64();
        let room = self.support.join(format!("run-{block}-{order}"));
        let channel = Channel::create(&room).map_err(|e| {
            let help = "make room in the temporary directory, or point TMPDIR elsewhere";
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
            _ => self.follow(&mut session, &mut marked, &mut found)?,
        }
        session.last_words();
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
            window.remember(peaks, None);
        }
        let outcome = match found.outcome.take().unwrap_or_else(|| outcome_of(&end)) {
            Outcome::Ok if found.unfinished => {
                let why =
                    "it ended inside the phase it had marked: the phase has no end".to_string();
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
            let says =
                format!("outlived the workload and were ended: {}", end.leftovers.join("; "));
            hazards.push(Hazard::new(Kind::Leftovers, says));
        }
        if run.outcome != Outcome::Ok {
            hazards.push(Hazard::new(Kind::Died, run.outcome.to_string()));
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
            wait_samples: waiting.sums().looks,
            added_s: (set_up.elapsed().as_secs_f64() - process_s).max(0.0),
        };
        Ok(Done { run, output: stdout, port })
    }

    /// Follows a workload that ends by itself.
    fn follow(
        &mut self,
        session: &mut Session<'_>,
        window: &mut Window,
        found: &mut Findings,
    ) -> Result<(), Error> {
        loop {
            match session.next(None, &mut self.sensors)? {
                Event::Ended => break,
                Event::Said(message) => self.hear(message, session, window, found)?,
                Event::TimedOut => {
                    found.outcome = Some(Outcome::TimedOut);
                    session.tree.kill()?;
                    break;
                }
                Event::Watched | Event::Waited => {}
            }
        }
        found.unfinished = window.is_open();
        window.discard();
        Ok(())
    }

    /// Acts on what the workload said on its phase channel.
    pub(crate) fn hear(
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
                        "process {} marked a phase too; only the first process's marks count",
                        mark.pid
                    );
                    session.note(Hazard::new(Kind::Phase, says));
                    return session.answer();
                }
                found.marker = Some(mark);
                session.sampler.reset();
                session.sampler.follow(mark.pid);
                let members = session.tree.members();
                found.high_water = HighWater::begin(&members, mark.children_rss);
                session.waiting.begin(&members, window.count == 0);
                let tree = &session.tree;
                window.open(&mut self.sensors, || tree.counters(exact(&mark)));
                found.startup_ns.get_or_insert_with(ungil_meter::monotonic_ns);
                session.answer()
            }
            Message::End(mark, from, to) => {
                if found.marker.is_none_or(|m| m.pid != mark.pid) || !window.is_open() {
                    let says = format!("process {} ended a phase that it had not begun", mark.pid);
                    session.note(Hazard::new(Kind::Phase, says));
                    return session.answer();
                }
                let counters = session.tree.counters(exact(&mark));
                window.close(&mut self.sensors, (to - from) as f64 / 1e9, counters);
                session.waiting.end(Some((from, to)));
                let memory = session.sampler.checkpoint(&session.tree);
                let mut peaks: Peaks = session.sampler.peaks();
                // What no look saw: a member's own peak, or a child that came and went, beside the
                // process that waited for it.
                let living = found.high_water.of_living(&session.tree.members());
                let ended = found.high_water.of_ended(mark.pid, mark.children_rss);
                let ended = ended.map_or(0, |rss| rss + session.sampler.least_rss_of_followed());
                peaks.peak.rss = peaks.peak.rss.max(living).max(ended);
                window.remember(peaks, Some(memory));
                if let Some(hazard) = self.gil_hazard(&mark, session) {
                    session.note(hazard);
                }
                session.answer()
            }
            Message::Metric(name, value) => {
                found.metrics.insert(name, value);
                Ok(())
            }
            Message::Unknown(line) => {
                session.note(Hazard::new(
                    Kind::Phase,
                    format!("not understood on the phase channel: '{line}'"),
                ));
                Ok(())
            }
        }
    }

    fn gil_hazard(&self, mark: &Mark, session: &Session<'_>) -> Option<Hazard> {
        let named = session.hazards.iter().any(|h| h.kind == Kind::GilEnabled);
        (mark.gil == Some(true) && !named && session.expects_no_gil).then(|| {
            let says = "the GIL is on at the end of the phase; which import switched it on was not said on standard error";
            Hazard::new(Kind::GilEnabled, says)
        })
    }

    /// Wall seconds of a few starts of the arm's interpreter that do nothing, the first (a cold
    /// cache) left out.
    pub(crate) fn startup(&self, arm: &Arm) -> Result<Vec<f64>, Error> {
        let python = arm.interpreter().map(|i| i.executable.clone()).unwrap_or_default();
        let mut seconds = Vec::new();
        for _ in 0..=STARTS {
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
                let gone = launch.unset.iter().map(|name| format!("-u {name}"));
                let python = shell::word(&python.to_string_lossy());
                let set: Vec<String> = gone.chain(gil).collect();
                return Err(failed(
                    what,
                    match end.status {
                        Status::Exited(code) => {
                            format!("'python -c pass' ended with exit code {code}")
                        }
                        Status::Signaled(signal) => {
                            format!("signal {signal} ended 'python -c pass'")
                        }
                    },
                    format!("run it by hand: env {} {python} -c pass", set.join(" ")),
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

    fn launch(
        &self,
        arm: &Arm,
        block: u32,
        channel: &Channel,
        port: Option<u16>,
    ) -> Result<Launch, Error> {
        let argv = self.workload.argv(arm, self.support, port)?;
        let (mut env, unset) = self.environment(arm, block, self.support);
        env.push(("UNGIL_PHASE".into(), channel.dir().into()));
        Ok(Launch { argv, env, unset, ..Launch::default() })
    }

    /// What an arm's environment has and lacks beside this process's own, its phase channel apart.
    pub(crate) fn environment(
        &self,
        arm: &Arm,
        block: u32,
        support: &Path,
    ) -> (Vec<(String, OsString)>, Vec<String>) {
        let mut launch = Launch::default();
        let mut set = |name: &str, value: std::ffi::OsString| launch.env.push((name.into(), value));
        set("UNGIL_ARM", arm.id.clone().into());
        let mut path = std::ffi::OsString::from(support);
        if let Some(old) = std::env::var_os("PYTHONPATH").filter(|p| !p.is_empty()) {
            path.push(":");
            path.push(old);
        }
        set("PYTHONPATH", path);
        if let Some(workers) = arm.workers {
            set("UNGIL_WORKERS", workers.to_string().into());
        }
        // One layout of dicts and sets a block, the same for every arm, another in the next block.
        if std::env::var_os("PYTHONHASHSEED").is_none() {
            let seed = (self.settings.seed.wrapping_mul(0x9E37_79B9).wrapping_add(block.into()))
                % 4_294_967_295
                + 1;
            set("PYTHONHASHSEED", seed.to_string().into());
        }
        launch.env.extend(self.env.iter().cloned());
        set_gil(&mut launch, arm);
        (launch.env, launch.unset)
    }

    /// A line for a POSIX shell that runs what a run of an arm ran, in `directory` and with the
    /// same environment, but for the phase channel: marks do nothing. `support` is where the Python
    /// files stay.
    pub(crate) fn by_hand(
        &self,
        arm: &Arm,
        run: &Run,
        port: Option<u16>,
        support: &Path,
        directory: &str,
    ) -> Result<String, Error> {
        let (set, unset) = self.environment(arm, run.block, support);
        let mut words = vec!["env".to_string(), "-C".into(), shell::word(directory)];
        words.extend(unset.into_iter().flat_map(|name| ["-u".to_string(), name]));
        words.extend(
            set.iter()
                .map(|(name, value)| format!("{name}={}", shell::word(&value.to_string_lossy()))),
        );
        let argv = self.workload.argv(arm, support, port)?;
        words.extend(argv.iter().map(|word| shell::word(&word.to_string_lossy())));
        let line = format!("{} </dev/null", words.join(" "));
        match self.workload.serving().zip(port) {
            Some((serving, port)) => serve::by_hand(&line, arm, run, serving, port),
            None => Ok(line),
        }
    }
}

/// Whatever the user's shell says of the GIL: the arm decides.
fn set_gil(launch: &mut Launch, arm: &Arm) {
    match &arm.runs {
        Runs::Python { gil: Gil::On, .. } => launch.env.push(("PYTHON_GIL".into(), "1".into())),
        _ => launch.unset.push("PYTHON_GIL".into()),
    }
}

fn outcome_of(end: &End) -> Outcome {
    match end.status {
        Status::Exited(0) => Outcome::Ok,
        Status::Exited(code) => Outcome::Exited { code },
        Status::Signaled(signal) => Outcome::Signaled { signal },
    }
}
