//! The measured windows of a run. A window opens and closes while the workload waits; a workload
//! may open several, which are summed.

use crate::record::{Idle, Joules, Run};
use crate::stop::Stop;
use std::collections::BTreeMap;
use ungil_meter::energy::{Evidence, Reading, Scope, Sensor, Usage};
use ungil_meter::machine::{Around, Snapshot};
use ungil_meter::{Counters, Memory, Peaks, own_cpu_s};

/// The counters when a window opened.
struct OpenWindow {
    counters: Counters,
    machine: Snapshot,
    own_cpu_s: f64,
    energy: Vec<Result<(), ungil_meter::energy::EnergyError>>,
}

/// The sums over all windows so far.
#[derive(Default)]
pub(crate) struct Window {
    opened: Option<OpenWindow>,
    /// Number of closed windows.
    pub(crate) count: u32,
    /// Total length in seconds.
    pub(crate) wall_s: f64,
    /// Counters of the process tree.
    pub(crate) spent: Counters,
    /// The whole machine.
    pub(crate) around: Around,
    /// CPU seconds of the runner.
    pub(crate) own_cpu_s: f64,
    /// Energy by sensor.
    pub(crate) energy: Vec<Joules>,
    /// Memory when the last window closed, if the tree still existed.
    pub(crate) end: Option<Memory>,
    /// Peaks within windows.
    pub(crate) peaks: Peaks,
}

impl Window {
    /// Opens a window. `counters` is read last, after the slow operations.
    pub(crate) fn open(
        &mut self,
        sensors: &mut [Box<dyn Sensor>],
        counters: impl FnOnce() -> Counters,
    ) {
        let machine = Snapshot::take();
        let own_cpu_s = own_cpu_s();
        let energy = sensors.iter_mut().map(|s| s.begin()).collect();
        self.opened = Some(OpenWindow { counters: counters(), machine, own_cpu_s, energy });
    }

    /// Returns whether a window is open.
    pub(crate) fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    /// Discards an open window.
    pub(crate) fn discard(&mut self) {
        self.opened = None;
    }

    /// Closes the window, which was `wall_s` seconds long.
    pub(crate) fn close(
        &mut self,
        sensors: &mut [Box<dyn Sensor>],
        wall_s: f64,
        counters: Counters,
    ) {
        let Some(opened) = self.opened.take() else { return };
        // Read before the sensors, because an external meter waits for its next reading.
        let around = Snapshot::take().since(&opened.machine);
        self.own_cpu_s += own_cpu_s() - opened.own_cpu_s;
        let spent = counters.since(&opened.counters);
        let usage = Usage { wall_s, cpu_s: spent.cpu_s };
        let joules = sensors.iter_mut().zip(opened.energy).map(|(sensor, begun)| {
            let about = sensor.about();
            match begun.and_then(|()| sensor.end(&usage)) {
                Ok(r) => Joules {
                    sensor: about.sensor,
                    evidence: about.evidence,
                    reading: Some(r),
                    why: None,
                },
                Err(e) => {
                    let why = Some(format!("{e}: {}", e.why()));
                    Joules { sensor: about.sensor, evidence: Evidence::None, reading: None, why }
                }
            }
        });
        let joules: Vec<Joules> = joules.collect();
        self.energy = if self.count == 0 { joules } else { add_energy(&self.energy, joules) };
        self.around = if self.count == 0 {
            around
        } else {
            weighted_mean(&self.around, self.wall_s, &around, wall_s)
        };
        self.spent = self.spent.plus(&spent);
        self.wall_s += wall_s;
        self.count += 1;
    }

    /// Adds the memory of the window just closed.
    pub(crate) fn add_memory(&mut self, peaks: Peaks, end: Option<Memory>) {
        let (mine, seen) = (self.peaks.peak, peaks.peak);
        self.peaks = Peaks {
            peak: Memory {
                rss: mine.rss.max(seen.rss),
                vms: mine.vms.max(seen.vms),
                pss: mine.pss.max(seen.pss),
                uss: mine.uss.max(seen.uss),
                swap: mine.swap.max(seen.swap),
                processes: mine.processes.max(seen.processes),
                threads: mine.threads.max(seen.threads),
            },
            rss_at_pss: self.peaks.rss_at_pss.max(peaks.rss_at_pss),
            samples: self.peaks.samples + peaks.samples,
            share_samples: self.peaks.share_samples + peaks.share_samples,
            unreadable: self.peaks.unreadable || peaks.unreadable,
        };
        self.end = end.or(self.end);
    }

    /// Stores the figures under their keys.
    pub(crate) fn metrics(
        &self,
        metrics: &mut BTreeMap<String, f64>,
        missing: &mut BTreeMap<String, String>,
    ) {
        let mut put = |key: &str, value: f64| {
            metrics.insert(key.into(), value);
        };
        let spent = &self.spent;
        put("wall_s", self.wall_s);
        put("cpu_s", spent.cpu_s);
        put("user_s", spent.user_s);
        put("system_s", spent.system_s);
        put("busy_cores", spent.cpu_s / self.wall_s.max(1e-9));
        put("core_disparity", self.around.disparity);
        put("minor_faults", spent.minor_faults as f64);
        put("major_faults", spent.major_faults as f64);
        put("voluntary_switches", spent.voluntary_switches as f64);
        put("involuntary_switches", spent.involuntary_switches as f64);
        let peak = &self.peaks.peak;
        let seen = [
            ("rss_peak_bytes", peak.rss),
            ("vms_peak_bytes", peak.vms),
            ("processes_peak", peak.processes),
            ("threads_peak", peak.threads),
        ];
        for (key, value) in seen {
            if value > 0 {
                put(key, value as f64);
            } else {
                missing.insert(key.into(), "the run ended before memory was first sampled".into());
            }
        }
        let mut share = |name: &str, peak: Option<u64>, end: Option<Option<u64>>| {
            let why = if self.peaks.unreadable {
                "smaps_rollup of a process may not be read (another user's process, or hidepid)"
            } else {
                "the run is too short to sample this within the budget; mark a phase to read it at its end"
            };
            match peak {
                Some(bytes) => {
                    metrics.insert(format!("{name}_peak_bytes"), bytes as f64);
                }
                None => drop(missing.insert(format!("{name}_peak_bytes"), why.into())),
            }
            match end {
                Some(Some(bytes)) => {
                    metrics.insert(format!("{name}_end_bytes"), bytes as f64);
                }
                Some(None) => drop(missing.insert(format!("{name}_end_bytes"), why.into())),
                None => {
                    let why = "an unmarked run ends with its processes; mark a phase to read this at its end";
                    missing.insert(format!("{name}_end_bytes"), why.into());
                }
            }
        };
        share("pss", peak.pss, self.end.map(|m| m.pss));
        share("uss", peak.uss, self.end.map(|m| m.uss));
        share("swap", peak.swap, self.end.map(|m| m.swap));
        if let Some(end) = self.end {
            metrics.insert("rss_end_bytes".into(), end.rss as f64);
            metrics.insert("vms_end_bytes".into(), end.vms as f64);
        }
    }
}

/// Returns the joules of the processor or platform, and of GPUs, from the readings of a window;
/// `None` where no sensor covers it.
fn totals(energy: &[Joules]) -> (Option<f64>, Option<f64>) {
    let sum = |gpu: bool| {
        let domains = energy.iter().filter_map(|j| j.reading.as_ref()).flat_map(|r| &r.domains);
        let counted: Vec<u64> = domains
            .filter(|d| d.counted && (d.scope == Scope::Gpu) == gpu)
            .map(|d| d.microjoules)
            .collect();
        (!counted.is_empty()).then(|| counted.iter().map(|&uj| uj as f64).sum::<f64>() / 1e6)
    };
    (sum(false), sum(true))
}

/// Stores a run's energy under its keys: as measured, and without the machine's idle power.
pub(crate) fn record_energy(run: &mut Run, idle: Option<&Idle>, absent: &[String]) {
    let wall_s = run.metrics.get("wall_s").copied().unwrap_or(0.0);
    let (energy, gpu) = totals(&run.energy);
    let idle_w = idle.and_then(|i| Some(totals(&i.energy).0? / i.seconds));
    let without = energy.zip(idle_w).map(|(j, w)| j - w * wall_s);
    let refused = run.energy.iter().find_map(|j| j.why.clone());
    let no_sensor = || match absent.first() {
        Some(why) => format!("no sensor: {why}"),
        None if gpu.is_some() => "the requested sensor covers only GPUs".into(),
        None => "no sensor was requested".into(),
    };
    match energy {
        Some(j) => drop(run.metrics.insert("energy_j".into(), j)),
        None => drop(run.missing.insert("energy_j".into(), refused.unwrap_or_else(no_sensor))),
    }
    match without {
        Some(j) => drop(run.metrics.insert("energy_above_idle_j".into(), j)),
        None => drop(
            run.missing.insert("energy_above_idle_j".into(), "idle power was not measured".into()),
        ),
    }
    if let Some(j) = gpu {
        run.metrics.insert("gpu_energy_j".into(), j);
    }
}

/// Measures the machine's idle power for `seconds`. `None` if interrupted, or if no sensor measures
/// energy.
pub(crate) fn measure_idle(
    sensors: &mut [Box<dyn Sensor>],
    seconds: f64,
    stop: &Stop,
) -> Option<Idle> {
    if !sensors.iter().any(|s| matches!(s.about().evidence, Evidence::Counter | Evidence::Meter)) {
        return None;
    }
    let mut window = Window::default();
    let began = std::time::Instant::now();
    window.open(sensors, Counters::default);
    if stop.wait(seconds) {
        return None;
    }
    let seconds = began.elapsed().as_secs_f64();
    window.close(sensors, seconds, Counters::default());
    Some(Idle { seconds, energy: window.energy })
}

fn add_energy(before: &[Joules], now: Vec<Joules>) -> Vec<Joules> {
    let pairs = before.iter().zip(now);
    pairs
        .map(|(old, new)| match (&old.reading, &new.reading) {
            (Some(a), Some(b)) => Joules { reading: Some(add_reading(a, b)), ..new },
            (None, _) => old.clone(),
            (_, None) => new,
        })
        .collect()
}

fn add_reading(a: &Reading, b: &Reading) -> Reading {
    let mut sum = b.clone();
    sum.microjoules += a.microjoules;
    sum.band = a.band.zip(b.band).map(|((l, h), (m, i))| (l + m, h + i));
    for domain in &mut sum.domains {
        let same = a.domains.iter().find(|d| d.name == domain.name);
        domain.microjoules += same.map_or(0, |d| d.microjoules);
    }
    sum
}

/// Averages the machine's state over two windows, weighted by their lengths.
fn weighted_mean(a: &Around, a_s: f64, b: &Around, b_s: f64) -> Around {
    let share = b_s / (a_s + b_s).max(1e-9);
    let between = |x: f64, y: f64| x + (y - x) * share;
    Around {
        per_core: a.per_core.iter().zip(&b.per_core).map(|(&x, &y)| between(x, y)).collect(),
        disparity: between(a.disparity, b.disparity),
        busy_cores: between(a.busy_cores, b.busy_cores),
        steal: between(a.steal, b.steal),
        swapped_pages: a.swapped_pages + b.swapped_pages,
        throttled: a.throttled + b.throttled,
        quota_throttled: a.quota_throttled + b.quota_throttled,
    }
}
