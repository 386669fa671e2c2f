//! The window over a set of counters, shared by powercap, perf and NVML.
//!
//! Sensors that read counters differ only in how one number is read. Opening, polling, invalidating
//! and summing are implemented here, so that a jump or a vanished file has the same effect for all
//! of them: no figure for this window, and a new start for the next.

use super::counter::Counter;
use super::total::covers;
use super::{Domain, EnergyError, Reading, Scope};
use std::time::Instant;

/// A source of the current value of one counter.
pub(super) trait Source: Send {
    /// Reads the value.
    fn read(&mut self) -> Result<u64, EnergyError>;
}

/// A domain: a counter and its source.
pub(super) struct Gauge<S> {
    pub(super) name: String,
    pub(super) scope: Scope,
    pub(super) counted: bool,
    pub(super) counter: Counter,
    pub(super) source: S,
    /// Whether this domain has no figure in the current window; set only on domains that are not
    /// counted.
    lost: bool,
}

impl<S: Source> Gauge<S> {
    pub(super) fn new(
        name: String,
        scope: Scope,
        counted: bool,
        counter: Counter,
        source: S,
    ) -> Self {
        Self { name, scope, counted, counter, source, lost: false }
    }

    fn start(&mut self) -> Result<(), EnergyError> {
        let raw = self.source.read()?;
        self.counter.start(raw, Instant::now());
        Ok(())
    }

    fn advance(&mut self, sensor: &'static str) -> Result<(), EnergyError> {
        let raw = self.source.read()?;
        self.counter.advance(raw, Instant::now()).map_err(|jump| EnergyError::Jumped {
            sensor,
            domain: self.name.clone(),
            why: jump.to_string(),
        })
    }
}

enum WindowState {
    Closed,
    Open,
    Failed(EnergyError),
}

/// A sensor's domains and the state of its window.
pub(super) struct Window<S> {
    sensor: &'static str,
    gauges: Vec<Gauge<S>>,
    state: WindowState,
    notes: Vec<String>,
    /// Whether the gauges include every package and all memory that were found.
    complete: bool,
}

impl<S: Source> Window<S> {
    /// Creates a closed window. `complete`: whether the gauges include every package and all memory
    /// that were found.
    pub(super) fn new(sensor: &'static str, gauges: Vec<Gauge<S>>, complete: bool) -> Self {
        Self { sensor, gauges, state: WindowState::Closed, notes: Vec::new(), complete }
    }

    /// Returns notes on domains that are displayed but not counted: losing one does not invalidate
    /// the window.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Describes in one line what is currently counted.
    pub(super) fn covers(&self) -> String {
        let (scopes, counted): (Vec<_>, Vec<_>) =
            self.gauges.iter().map(|g| (g.scope, g.counted)).unzip();
        covers(&scopes, &counted)
    }

    pub(super) fn begin(&mut self) -> Result<(), EnergyError> {
        self.state = WindowState::Closed;
        self.each(|gauge, _| gauge.start(), true)?;
        self.state = WindowState::Open;
        Ok(())
    }

    pub(super) fn poll(&mut self) {
        if !matches!(self.state, WindowState::Open) {
            return;
        }
        if let Err(error) = self.each(Gauge::advance, false) {
            self.state = WindowState::Failed(error);
        }
    }

    pub(super) fn end(&mut self) -> Result<Reading, EnergyError> {
        self.poll();
        match std::mem::replace(&mut self.state, WindowState::Closed) {
            WindowState::Closed => Err(EnergyError::NoWindow { sensor: self.sensor }),
            WindowState::Failed(error) => Err(error),
            WindowState::Open => self.reading(),
        }
    }

    /// Applies `what` to every gauge. Returns the first error of a counted gauge; a gauge that is
    /// not counted is marked lost for this window, with a note.
    fn each(
        &mut self,
        what: impl Fn(&mut Gauge<S>, &'static str) -> Result<(), EnergyError>,
        reset: bool,
    ) -> Result<(), EnergyError> {
        let mut first = None;
        for gauge in &mut self.gauges {
            if reset {
                gauge.lost = false;
            }
            if gauge.lost {
                continue;
            }
            let Err(error) = what(gauge, self.sensor) else { continue };
            if gauge.counted {
                first.get_or_insert(error);
            } else {
                gauge.lost = true;
                // One note per domain, so that the number of notes does not grow with the number of
                // windows.
                let head =
                    format!("{} (not counted) is missing from at least one window: ", gauge.name);
                if !self.notes.iter().any(|note| note.starts_with(&head)) {
                    self.notes.push(format!("{head}{error}: {}", error.why()));
                }
            }
        }
        first.map_or(Ok(()), Err)
    }

    fn reading(&mut self) -> Result<Reading, EnergyError> {
        let sensor = self.sensor;
        let malformed = |domain: &str, why: String| EnergyError::Malformed {
            sensor,
            domain: domain.to_owned(),
            why,
        };
        let mut domains = Vec::new();
        for gauge in self.gauges.iter().filter(|gauge| !gauge.lost) {
            let microjoules = gauge
                .counter
                .microjoules()
                .ok_or_else(|| malformed(&gauge.name, "its sum does not fit 64 bits".to_owned()))?;
            domains.push(Domain {
                name: gauge.name.clone(),
                scope: gauge.scope,
                microjoules,
                counted: gauge.counted,
            });
        }
        let mut microjoules = 0u64;
        for domain in domains.iter().filter(|domain| domain.counted) {
            microjoules = microjoules
                .checked_add(domain.microjoules)
                .ok_or_else(|| malformed("the total", "it does not fit 64 bits".to_owned()))?;
        }
        if let Some(error) = self.contradiction(&domains) {
            return Err(error);
        }
        Ok(Reading { microjoules, band: None, domains })
    }

    /// Checks that psys, if counted, is plausible. psys contains the packages, but on boards that
    /// do not connect it, it stands still or counts something else. A platform that used less than
    /// half of what its packages used is not the platform (half, because counters are refreshed at
    /// different times). That invalidates the window, and from the next one on packages and memory
    /// are counted instead. The change is permanent, so that the meaning of an experiment's windows
    /// does not change silently.
    fn contradiction(&mut self, domains: &[Domain]) -> Option<EnergyError> {
        let platform =
            domains.iter().find(|domain| domain.counted && domain.scope == Scope::Platform)?;
        let packages: u128 = domains
            .iter()
            .filter(|d| d.scope == Scope::Package)
            .map(|d| u128::from(d.microjoules))
            .sum();
        if packages <= 2 * u128::from(platform.microjoules) {
            return None;
        }
        let mut why = format!(
            "it reads {} uJ but the packages inside it read {packages} uJ, so this board does not connect it",
            platform.microjoules
        );
        if self.complete {
            why.push_str("; from the next window on packages and memory are counted instead");
            for gauge in &mut self.gauges {
                gauge.counted = matches!(gauge.scope, Scope::Package | Scope::Dram);
            }
            self.notes.push(format!("{} is not counted: {why}", platform.name));
        }
        Some(EnergyError::Malformed { sensor: self.sensor, domain: platform.name.clone(), why })
    }
}
