//! The last resort: joules from a formula, with its parameters and its band.
//!
//! `E = idle * cpus * wall + (busy - idle) * cpu_seconds`: each CPU draws `idle` watts all the time
//! and `busy - idle` more while it works. The defaults are Cloud Carbon Footprint's coefficients
//! for AWS, 0.74 W per vCPU at 0 % and 3.5 W at 100 % utilisation (its methodology, appendix I,
//! "Energy coefficients"). Against published RAPL profiles such models are far off: TDP times load
//! by 38 % on average, a cubic by 47 %, half the TDP by 60 %. The band is the worst of these unless
//! a better one is given.

use super::{About, Domain, Error, Evidence, Reading, Scope, Sensor, Usage};
use std::fmt;

const SENSOR: &str = "model";

/// What the formula needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    /// Watts of one CPU that does nothing.
    pub idle: f64,
    /// Watts of one CPU that works all the time.
    pub busy: f64,
    /// Half width of the band, in percent of the figure.
    pub band: f64,
    /// How many CPUs draw `idle`; `None` is those this process may use (affinity and cgroup quota),
    /// which is what a container or a virtual machine was given.
    pub cpus: Option<u32>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { idle: 0.74, busy: 3.5, band: 60.0, cpus: None }
    }
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "idle={},busy={},band={}", self.idle, self.busy, self.band)?;
        self.cpus.map_or(Ok(()), |cpus| write!(f, ",cpus={cpus}"))
    }
}

impl Parameters {
    /// Says what is wrong with the parameters, if something is.
    ///
    /// # Errors
    /// One line: the parameter and its bound.
    pub fn check(&self) -> Result<(), String> {
        // A megawatt a CPU is a slip of units, and keeps every product finite.
        let watts = |name: &str, value: f64| {
            if (0.0..=1e6).contains(&value) {
                Ok(())
            } else {
                Err(format!("{name} is {value}: watts of one CPU, 0 to 1000000"))
            }
        };
        watts("idle", self.idle)?;
        watts("busy", self.busy)?;
        if self.busy < self.idle {
            return Err(format!("busy ({}) is less than idle ({})", self.busy, self.idle));
        }
        if !(0.0..=1000.0).contains(&self.band) {
            return Err(format!("band is {}: percent, 0 to 1000", self.band));
        }
        if self.cpus == Some(0) {
            return Err("cpus is 0: at least one".to_owned());
        }
        Ok(())
    }
}

/// The formula over a window.
pub struct Model {
    parameters: Parameters,
    cpus: u32,
    open: bool,
}

impl Model {
    /// A model with these parameters.
    ///
    /// # Errors
    /// [`Error::Request`] if they make no sense.
    pub fn new(parameters: Parameters) -> Result<Self, Error> {
        parameters
            .check()
            .map_err(|why| Error::Request { given: format!("model:{parameters}"), why })?;
        let here = || {
            std::thread::available_parallelism()
                .map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX))
        };
        Ok(Self { parameters, cpus: parameters.cpus.unwrap_or_else(here), open: false })
    }

    /// The figure and its band for what was used, in microjoules: low, figure, high.
    ///
    /// # Errors
    /// [`Error::Malformed`] for times that are not.
    pub fn estimate(&self, usage: &Usage) -> Result<(u64, u64, u64), Error> {
        let Parameters { idle, busy, band, .. } = self.parameters;
        // Ten thousand years; NaN is not contained either.
        let time = |name: &str, value: f64| {
            if (0.0..=3.2e11).contains(&value) {
                Ok(value)
            } else {
                let why = format!("{name} is {value} s");
                Err(Error::Malformed {
                    sensor: SENSOR,
                    domain: "the window's usage".to_owned(),
                    why,
                })
            }
        };
        let wall = time("wall time", usage.wall_s)?;
        let cpu = time("CPU time", usage.cpu_s)?;
        let joules = idle * f64::from(self.cpus) * wall + (busy - idle) * cpu;
        let band = band / 100.0;
        // Rounded here once; `as` saturates, and the bounds above keep the product far from NaN.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let micro = |joules: f64| (joules.max(0.0) * 1e6).round() as u64;
        Ok((micro(joules * (1.0 - band)), micro(joules), micro(joules * (1.0 + band))))
    }
}

impl Sensor for Model {
    fn about(&self) -> About {
        let Parameters { idle, busy, band, .. } = self.parameters;
        About {
            sensor: SENSOR.to_owned(),
            evidence: Evidence::Model,
            covers: format!(
                "an estimate, not a measurement: {idle} W idle and {busy} W busy per CPU, {} CPUs, +-{band} %",
                self.cpus
            ),
            notes: Vec::new(),
        }
    }

    fn begin(&mut self) -> Result<(), Error> {
        self.open = true;
        Ok(())
    }

    fn poll(&mut self) {}

    fn end(&mut self, usage: &Usage) -> Result<Reading, Error> {
        if !std::mem::take(&mut self.open) {
            return Err(Error::NoWindow { sensor: SENSOR });
        }
        let (low, microjoules, high) = self.estimate(usage)?;
        let domain =
            Domain { name: SENSOR.to_owned(), scope: Scope::Platform, microjoules, counted: true };
        Ok(Reading { microjoules, band: Some((low, high)), domains: vec![domain] })
    }
}
