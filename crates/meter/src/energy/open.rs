//! Opens the requested sensors.

use super::model::{Model, Parameters};
use super::nvml::Nvml;
use super::perf::{self, Perf};
use super::powercap::{self, Powercap};
use super::request::{Choice, Request};
use super::{EnergyError, Sensor, Usage, meter::Meter};
use std::path::Path;
use std::time::Duration;

/// Time in which a working counter advances: a package draws more than a watt in steps of
/// microjoules, and the kernel refreshes its counters every few milliseconds.
const ADVANCE_TIME: Duration = Duration::from_millis(100);

/// The result of [`open`].
pub struct Opened {
    /// The sensors, which cover disjoint energy. Empty for `off`.
    pub sensors: Vec<Box<dyn Sensor>>,
    /// With `auto`, why each sensor that was tried is not in `sensors`. Users should see this,
    /// especially if only the model is left.
    pub absent: Vec<EnergyError>,
}

/// Opens the sensors of `request`.
///
/// For the processors, `auto` uses powercap if it advances, else perf, else the model; in addition
/// it uses NVML if available. On a machine with a counter for the GPU but not for the processor,
/// the model still covers the processors: an estimate that is labelled as such is better than a
/// total that silently excludes them.
///
/// # Errors
/// If a requested sensor cannot be used.
pub fn open(request: &Request) -> Result<Opened, EnergyError> {
    match request {
        Request::Off => Ok(Opened { sensors: Vec::new(), absent: Vec::new() }),
        Request::Sensors(choices) => {
            let sensors = choices.iter().map(one).collect::<Result<_, _>>()?;
            Ok(Opened { sensors, absent: Vec::new() })
        }
        Request::Auto => auto(),
    }
}

fn auto() -> Result<Opened, EnergyError> {
    let mut opened = Opened { sensors: Vec::new(), absent: Vec::new() };
    match one(&Choice::Powercap(powercap::ROOT.into())).and_then(advancing) {
        Ok(sensor) => opened.sensors.push(sensor),
        Err(error) => {
            opened.absent.push(error);
            match one(&Choice::Perf(perf::ROOT.into())).and_then(advancing) {
                Ok(sensor) => opened.sensors.push(sensor),
                Err(error) => {
                    opened.absent.push(error);
                    opened.sensors.push(one(&Choice::Model(Parameters::default()))?);
                }
            }
        }
    }
    match one(&Choice::Nvml(None)) {
        Ok(sensor) => opened.sensors.push(sensor),
        Err(error) => opened.absent.push(error),
    }
    Ok(opened)
}

/// Returns the sensor if its counters advance. Those of a virtual machine may stand still.
fn advancing(mut sensor: Box<dyn Sensor>) -> Result<Box<dyn Sensor>, EnergyError> {
    sensor.begin()?;
    std::thread::sleep(ADVANCE_TIME);
    if sensor.end(&Usage::default())?.microjoules > 0 {
        return Ok(sensor);
    }
    let name = match sensor.about().sensor.as_str() {
        perf::SENSOR => perf::SENSOR,
        _ => powercap::SENSOR,
    };
    let why = format!(
        "its counters do not advance (within {} s), as on some virtual machines",
        ADVANCE_TIME.as_secs_f64()
    );
    Err(EnergyError::Absent { sensor: name, why })
}

fn one(choice: &Choice) -> Result<Box<dyn Sensor>, EnergyError> {
    Ok(match choice {
        Choice::Powercap(root) => Box::new(Powercap::open(root)?),
        Choice::Perf(root) => Box::new(Perf::open(root)?),
        Choice::Nvml(library) => Box::new(Nvml::open(library.as_deref().map(Path::new))?),
        Choice::Meter(command) => Box::new(Meter::open(command)?),
        Choice::Model(parameters) => Box::new(Model::new(*parameters)?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{About, Evidence, Reading};
    use super::*;

    struct FakeSensor(u64);

    impl Sensor for FakeSensor {
        fn about(&self) -> About {
            let evidence = Evidence::Counter;
            About {
                sensor: perf::SENSOR.into(),
                evidence,
                covers: "a package".into(),
                notes: Vec::new(),
            }
        }
        fn begin(&mut self) -> Result<(), EnergyError> {
            Ok(())
        }
        fn poll(&mut self) {}
        fn end(&mut self, _: &Usage) -> Result<Reading, EnergyError> {
            Ok(Reading { microjoules: self.0, band: None, domains: Vec::new() })
        }
    }

    #[test]
    fn counter_that_stands_still_is_absent() {
        assert!(advancing(Box::new(FakeSensor(1))).is_ok());
        let error = advancing(Box::new(FakeSensor(0))).err().expect("an error");
        assert!(matches!(error, EnergyError::Absent { sensor: "perf", .. }), "{error}");
        assert!(error.why().contains("do not advance"), "{}", error.why());
    }
}
