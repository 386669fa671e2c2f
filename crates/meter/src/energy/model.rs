//! An estimate from a formula, with its parameters and error band, for machines without a sensor.
//!
//! `E = idle * cpus * wall + (busy - idle) * cpu_seconds`: each CPU always draws `idle` watts, and
//! `busy - idle` more while it works. The defaults are Cloud Carbon Footprint's coefficients for
//! AWS, 0.74 W per vCPU at 0 % and 3.5 W at 100 % utilisation (its methodology, appendix I, "Energy
//! coefficients"). Compared with published RAPL profiles such models are inaccurate: TDP times load
//! is off by 38 % on average, a cubic model by 47 %, half the TDP by 60 %. The default band is the
//! worst of these.

use super::{About, Domain, EnergyError, Evidence, Reading, Scope, Sensor, Usage};
use std::fmt;

const SENSOR: &str = "model";

/// Parameters of the formula.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    /// Watts of one idle CPU.
    pub idle: f64,
    /// Watts of one CPU at 100 % utilisation.
    pub busy: f64,
    /// Half-width of the band in percent of the figure.
    pub band: f64,
    /// Number of CPUs that draw `idle`; `None`: those this process may use (affinity and cgroup
    /// quota), which are those assigned to a container or virtual machine.
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
    /// Validates the parameters.
    ///
    /// # Errors
    /// The invalid parameter and its bounds, in one line.
    pub fn check(&self) -> Result<(), String> {
        // A megawatt per CPU is a wrong unit; the bound also keeps every product finite.
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

/// The model as a sensor.
pub struct Model {
    parameters: Parameters,
    cpus: u32,
    open: bool,
}

impl Model {
    /// Creates a model.
    ///
    /// # Errors
    /// [`EnergyError::Request`] if the parameters are invalid.
    pub fn new(parameters: Parameters) -> Result<Self, EnergyError> {
        parameters
            .check()
            .map_err(|why| EnergyError::Request { given: format!("model:{parameters}"), why })?;
        let here = || {
            std::thread::available_parallelism()
                .map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX))
        };
        Ok(Self { parameters, cpus: parameters.cpus.unwrap_or_else(here), open: false })
    }

    /// Returns the estimate in microjoules: low, figure, high.
    ///
    /// # Errors
    /// [`EnergyError::Malformed`] if a time is negative, not finite or too large.
    pub fn estimate(&self, usage: &Usage) -> Result<(u64, u64, u64), EnergyError> {
        let Parameters { idle, busy, band, .. } = self.parameters;
        // The bound is ten thousand years. NaN is not contained either.
        let time = |name: &str, value: f64| {
            if (0.0..=3.2e11).contains(&value) {
                Ok(value)
            } else {
                let why = format!("{name} is {value} s");
                Err(EnergyError::Malformed {
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
        // Rounded once; `as` saturates, and the bounds above prevent NaN.
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

    fn begin(&mut self) -> Result<(), EnergyError> {
        self.open = true;
        Ok(())
    }

    fn poll(&mut self) {}

    fn end(&mut self, usage: &Usage) -> Result<Reading, EnergyError> {
        if !std::mem::take(&mut self.open) {
            return Err(EnergyError::NoWindow { sensor: SENSOR });
        }
        let (low, microjoules, high) = self.estimate(usage)?;
        let domain =
            Domain { name: SENSOR.to_owned(), scope: Scope::Platform, microjoules, counted: true };
        Ok(Reading { microjoules, band: Some((low, high)), domains: vec![domain] })
    }
}
