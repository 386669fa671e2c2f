//! NVIDIA GPUs through NVML's energy counter.
//!
//! `nvmlDeviceGetTotalEnergyConsumption` returns millijoules since the driver was loaded, from
//! Volta on. The power reading is not used: on A100 and H100 it samples only a quarter of the time.
//! The library is loaded at run time, because most machines do not have it; another one can be
//! given (`--energy nvml=LIBRARY`).

use super::counter::{Counter, Limit, Unit};
use super::window::{Gauge, Source, Window};
use super::{About, EnergyError, Evidence, Reading, Scope, Sensor, Usage};
use nvml_wrapper::Nvml as Library;
use nvml_wrapper::error::NvmlError;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

const SENSOR: &str = "nvml";

/// The driver installs the first one; the second one is a link from development packages.
const LIBRARIES: [&str; 2] = ["libnvidia-ml.so.1", "libnvidia-ml.so"];

/// The energy counters of all GPUs.
pub struct Nvml {
    window: Window<Gpu>,
    notes: Vec<String>,
}

impl Nvml {
    /// Loads `library`, or the driver's, and finds every GPU that has an energy counter.
    ///
    /// # Errors
    /// [`EnergyError::Absent`] without a library, driver, GPU or counter; [`EnergyError::Denied`]
    /// if the driver denies access.
    pub fn open(library: Option<&Path>) -> Result<Self, EnergyError> {
        Self::open_with(library, Limit::DOMAIN)
    }

    /// Like [`Nvml::open`], with `limit` for every GPU.
    ///
    /// # Errors
    /// See [`Nvml::open`].
    pub fn open_with(library: Option<&Path>, limit: Limit) -> Result<Self, EnergyError> {
        let nvml = Arc::new(load(library)?);
        let count = nvml.device_count().map_err(|error| failed("the driver", &error))?;
        if count == 0 {
            return Err(absent("the driver finds no GPU"));
        }
        let (mut gauges, mut notes) = (Vec::new(), Vec::new());
        for index in 0..count {
            let plain = format!("gpu-{index}");
            let model = nvml.device_by_index(index).and_then(|gpu| gpu.name());
            let name = model
                .map_or_else(|_| plain.clone(), |model| format!("{plain} {}", printable(&model)));
            let mut gpu = Gpu { nvml: Arc::clone(&nvml), index, name: name.clone() };
            match gpu.energy() {
                Ok(_) => {
                    let counter = Counter::new(Unit::MILLIJOULE, None, limit);
                    gauges.push(Gauge::new(name, Scope::Gpu, true, counter, gpu));
                }
                // A display adapter without a counter does not prevent measuring the accelerators;
                // it is noted.
                Err(NvmlError::NotSupported) => {
                    notes.push(format!(
                        "{name} has no energy counter (before Volta, or virtual) and is not counted"
                    ));
                }
                Err(error) => return Err(failed(&name, &error)),
            }
        }
        if gauges.is_empty() {
            return Err(absent(&notes.join("; ")));
        }
        Ok(Self { window: Window::new(SENSOR, gauges, true), notes })
    }
}

fn absent(why: &str) -> EnergyError {
    EnergyError::Absent { sensor: SENSOR, why: why.to_owned() }
}

fn load(library: Option<&Path>) -> Result<Library, EnergyError> {
    let init = |path: &OsStr| Library::builder().lib_path(path).init();
    if let Some(path) = library {
        return init(path.as_os_str()).map_err(|error| failed(&path.display().to_string(), &error));
    }
    let mut first = None;
    for name in LIBRARIES {
        match init(OsStr::new(name)) {
            Ok(nvml) => return Ok(nvml),
            Err(error @ NvmlError::LibloadingError(_)) => {
                first.get_or_insert(failed(name, &error));
            }
            Err(error) => return Err(failed(name, &error)),
        }
    }
    Err(first.unwrap_or_else(|| absent("no library was tried")))
}

/// Converts an NVML error.
fn failed(what: &str, error: &NvmlError) -> EnergyError {
    // The text of libloading is in the source of the error; NVML's codes have no source.
    let detail =
        std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    let why = format!(
        "{what}: {error}{}",
        if error.to_string().contains(detail.as_str()) { "" } else { &detail }
    );
    let domain = what.to_owned();
    match error {
        NvmlError::LibloadingError(_)
        | NvmlError::FailedToLoadSymbol(_)
        | NvmlError::LibraryNotFound
        | NvmlError::FunctionNotFound
        | NvmlError::DriverNotLoaded
        | NvmlError::LibRmVersionMismatch
        | NvmlError::NotSupported => EnergyError::Absent { sensor: SENSOR, why },
        NvmlError::NoPermission | NvmlError::OperatingSystem => EnergyError::Denied {
            sensor: SENSOR,
            why,
            help: "give the user read and write access to /dev/nvidia*, in a container with --gpus all"
                .to_owned(),
        },
        NvmlError::GpuLost | NvmlError::NotFound | NvmlError::ResetRequired | NvmlError::Uninitialized => {
            EnergyError::Vanished { sensor: SENSOR, domain, why }
        }
        _ => EnergyError::Unreadable { sensor: SENSOR, domain, why },
    }
}

/// Returns a model name as one short line.
fn printable(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// One GPU. It is looked up by index for each reading, because a handle borrows the library and
/// becomes invalid when the GPU is reset.
struct Gpu {
    nvml: Arc<Library>,
    index: u32,
    name: String,
}

impl Gpu {
    fn energy(&mut self) -> Result<u64, NvmlError> {
        self.nvml.device_by_index(self.index)?.total_energy_consumption()
    }
}

impl Source for Gpu {
    fn read(&mut self) -> Result<u64, EnergyError> {
        // A reloaded driver starts again at 0: the counter goes backwards, which without a range is
        // a jump.
        self.energy().map_err(|error| failed(&self.name, &error))
    }
}

impl Sensor for Nvml {
    fn about(&self) -> About {
        About {
            sensor: SENSOR.to_owned(),
            evidence: Evidence::Counter,
            covers: self.window.covers(),
            notes: self.notes.iter().chain(self.window.notes()).cloned().collect(),
        }
    }

    fn begin(&mut self) -> Result<(), EnergyError> {
        self.window.begin()
    }

    fn poll(&mut self) {
        self.window.poll();
    }

    fn end(&mut self, _: &Usage) -> Result<Reading, EnergyError> {
        self.window.end()
    }
}
