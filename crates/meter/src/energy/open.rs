//! From what was asked for to sensors that work.

use super::model::{Model, Parameters};
use super::nvml::Nvml;
use super::perf::{self, Perf};
use super::powercap::{self, Powercap};
use super::request::{Choice, Request};
use super::{Error, Sensor, meter::Meter};
use std::path::Path;

/// What [`open`] found.
pub struct Opened {
    /// The sensors, each for joules that no other of them counts. Empty for `off`.
    pub sensors: Vec<Box<dyn Sensor>>,
    /// With `auto`, why each sensor that was tried and is not in `sensors` is not: to be told to the user, above all
    /// when what is left is the model.
    pub absent: Vec<Error>,
}

/// Opens the sensors that `request` names.
///
/// `auto` takes powercap, else perf, else the model with its band, for the processors; and NVML beside it where
/// there is one. On a machine with a GPU's counter and no processor's, the model still stands for the processors: a
/// total that silently leaves them out would be worse than an estimate that says what it is.
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
    match one(&Choice::Powercap(powercap::ROOT.into())) {
        Ok(sensor) => opened.sensors.push(sensor),
        Err(error) => {
            opened.absent.push(error);
            match one(&Choice::Perf(perf::ROOT.into())) {
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

fn one(choice: &Choice) -> Result<Box<dyn Sensor>, Error> {
    Ok(match choice {
        Choice::Powercap(root) => Box::new(Powercap::open(root)?),
        Choice::Perf(root) => Box::new(Perf::open(root)?),
        Choice::Nvml(library) => Box::new(Nvml::open(library.as_deref().map(Path::new))?),
        Choice::Meter(command) => Box::new(Meter::open(command)?),
        Choice::Model(parameters) => Box::new(Model::new(*parameters)?),
    })
}
