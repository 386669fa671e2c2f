//! The window over a set of counters: what powercap, perf and NVML share.
//!
//! A sensor of counters differs from another only in how one number is read. Opening, polling,
//! giving up and summing are here once, so that a jump or a vanished file means the same for all of
//! them: no figure for this window, and a fresh start for the next.

use super::counter::Counter;
use super::total::covers;
use super::{Domain, Error, Reading, Scope};
use std::time::Instant;

/// Something that gives the present value of one counter.
pub(super) trait Source: Send {
    /// Reads it.
    fn read(&mut self) -> Result<u64, Error>;
}

/// One domain: a counter and where it is read.
pub(super) struct Gauge<S> {
    pub(super) name: String,
    pub(super) scope: Scope,
    pub(super) counted: bool,
    pub(super) counter: Counter,
    pub(super) source: S,
    /// In the present window, why this domain has no figure; only ever set on one that is not
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

    fn start(&mut self) -> Result<(), Error> {
        let raw = self.source.read()?;
        self.counter.start(raw, Instant::now());
        Ok(())
    }

    fn advance(&mut self, sensor: &'static str) -> Result<(), Error> {
        let raw = self.source.read()?;
        self.counter.advance(raw, Instant::now()).map_err(|jump| Error::Jumped {
            sensor,
            domain: self.name.clone(),
            why: jump.to_string(),
        })
    }
}

enum State {
    Closed,
    Open,
    Failed(Error),
}

/// A sensor's domains and the state of its window.
pub(super) struct Window<S> {
    sensor: &'static str,
    gauges: Vec<Gauge<S>>,
    state: State,
    notes: Vec<String>,
    /// Whether every package and all memory that were found are among the gauges.
    whole: bool,
}

impl<S: Source> Window<S> {
    /// A closed window. `whole` is whether every package and all memory that were found are among
    /// the gauges.
    pub(super) fn new(sensor: &'static str, gauges: Vec<Gauge<S>>, whole: bool) -> Self {
        Self { sensor, gauges, state: State::Closed, notes: Vec::new(), whole }
    }

    /// What happened to domains that are shown and not counted: their loss voids nothing and is
    /// said here.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// One line: what is counted at present.
    pub(super) fn covers(&self) -> String {
        let (scopes, counted): (Vec<_>, Vec<_>) =
            self.gauges.iter().map(|g| (g.scope, g.counted)).unzip();
        covers(&scopes, &counted)
    }

    pub(super) fn begin(&mut self) -> Result<(), Error> {
        self.state = State::Closed;
        self.each(|gauge, _| gauge.start(), true)?;
        self.state = State::Open;
        Ok(())
    }

    pub(super) fn poll(&mut self) {
        if !matches!(self.state, State::Open) {
            return;
        }
        if let Err(error) = self.each(Gauge::advance, false) {
            self.state = State::Failed(error);
        }
    }

    pub(super) fn end(&mut self) -> Result<Reading, Error> {
        self.poll();
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Closed => Err(Error::NoWindow { sensor: self.sensor }),
            State::Failed(error) => Err(error),
            State::Open => self.reading(),
        }
    }

    /// Does `what` to every gauge. The first failure of a counted one is the answer; one that is
    /// not counted is marked lost for this window, with a note.
    fn each(
        &mut self,
        what: impl Fn(&mut Gauge<S>, &'static str) -> Result<(), Error>,
        afresh: bool,
    ) -> Result<(), Error> {
        let mut first = None;
        for gauge in &mut self.gauges {
            if afresh {
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
                // One note a domain: the first loss says it, and a thousand windows must not make a
                // thousand notes.
                let head =
                    format!("{} (not counted) is missing from at least one window: ", gauge.name);
                if !self.notes.iter().any(|note| note.starts_with(&head)) {
                    self.notes.push(format!("{head}{error}: {}", error.why()));
                }
            }
        }
        first.map_or(Ok(()), Err)
    }

    fn reading(&mut self) -> Result<Reading, Error> {
        let sensor = self.sensor;
        let malformed =
            |domain: &str, why: String| Error::Malformed { sensor, domain: domain.to_owned(), why };
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

    /// psys contains the packages. On boards that do not wire it up it stands still or counts
    /// something else; a platform that spent less than half of what its packages spent is not the
    /// platform (half, because counters refresh at different instants). That voids the window, and
    /// packages and memory are counted from the next one on: for good, so that two windows of one
    /// experiment never mean different things unseen.
    fn contradiction(&mut self, domains: &[Domain]) -> Option<Error> {
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
            "it says {} uJ and the packages inside it say {packages} uJ, so this board does not wire it up",
            platform.microjoules
        );
        if self.whole {
            why.push_str("; from the next window on packages and memory are counted instead");
            for gauge in &mut self.gauges {
                gauge.counted = matches!(gauge.scope, Scope::Package | Scope::Dram);
            }
            self.notes.push(format!("{} is not counted: {why}", platform.name));
        }
        Some(Error::Malformed { sensor: self.sensor, domain: platform.name.clone(), why })
    }
}
