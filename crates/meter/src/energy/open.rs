//! From what was asked for to sensors that work.

use super::model::{Model, Parameters};
use super::nvml::Nvml;
use super::perf::{self, Perf};
use super::powercap::{self, Powercap};
use super::request::{Choice, Request};
use super::{Error, Sensor, Usage, meter::Meter};
use std::path::Path;
use std::time::Duration;

/// A counter that has not advanced in this time does not count: a package draws more than a watt in
/// steps of microjoules, and the kernel's counters are refreshed every few milliseconds.
const STILL: Duration = Duration::from_millis(100);

/// What [`open`] found.
pub struct Opened {
    /// The sensors, each for joules that no other of them counts. Empty for `off`.
    pub sensors: Vec<Box<dyn Sensor>>,
    /// With `auto`, why each sensor that was tried and is not in `sensors` is not: to be told to
    /// the user, above all when what is left is the model.
    pub absent: Vec<Error>,
}

/// Opens the sensors that `request` names.
///
/// `auto` takes powercap if it advances, else perf, else the model with its band, for the
/// processors; and NVML beside it where there is one. On a machine with a GPU's counter and no
/// processor's, the model still stands for the processors: a total that silently leaves them out
/// would be worse than an estimate that says what it is.
///
/// # Errors
/// A sensor that was named and cannot be used.
pub fn open(request: &Request) -> Result<Opened, Error> {
    match request {
        Request::Off => Ok(Opened { sensors: Vec::new(), absent: Vec::new() }),
        Request::Sensors(choices) => {
            let sensors = choices.iter().map(one).collect::<Result<_, _>>()?;
            Ok(Opened { sensors, absent: Vec::new() })
        }
        Request::Auto => auto(),
    }
}

fn auto() -> Result<Opened, Error> {
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

/// Returns the sensor if its counters count: those that a virtual machine shows may stand still.
fn advancing(mut sensor: Box<dyn Sensor>) -> Result<Box<dyn Sensor>, Error> {
    sensor.begin()?;
    std::thread::sleep(STILL);
    if sensor.end(&Usage::default())?.microjoules > 0 {
        return Ok(sensor);
    }
    let name = match sensor.about().sensor.as_str() {
        perf::SENSOR => perf::SENSOR,
        _ => powercap::SENSOR,
    };
    let why = format!(
        "its counters do not advance ({} s); a virtual machine may show such",
        STILL.as_secs_f64()
    );
    Err(Error::Absent { sensor: name, why })
}

fn one(choice: &Choice) -> Result<Box<dyn Sensor>, Error> {
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

    struct Counting(u64);

    impl Sensor for Counting {
        fn about(&self) -> About {
            let evidence = Evidence::Counter;
            About {
                sensor: perf::SENSOR.into(),
                evidence,
                covers: "a package".into(),
                notes: Vec::new(),
            }
        }
        fn begin(&mut self) -> Result<(), Error> {
            Ok(())
        }
        fn poll(&mut self) {}
        fn end(&mut self, _: &Usage) -> Result<Reading, Error> {
            Ok(Reading { microjoules: self.0, band: None, domains: Vec::new() })
        }
    }

    #[test]
    fn a_counter_that_stands_still_is_absent() {
        assert!(advancing(Box::new(Counting(1))).is_ok());
        let error = advancing(Box::new(Counting(0))).err().expect("it stands still");
        assert!(matches!(error, Error::Absent { sensor: "perf", .. }), "{error}");
        assert!(error.why().contains("do not advance"), "{}", error.why());
    }
}
