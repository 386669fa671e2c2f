//! RAPL through perf's `power` PMU.
//!
//! The same counters as with powercap, with two differences: a user with CAP_PERFMON may read them,
//! and the kernel extends them to 64 bits with its own timer (`arch/x86/events/rapl.c`), so they do
//! not wrap. They count per package, whatever runs on it; they are read on one CPU per package,
//! which `cpumask` lists.
//!
//! A simulated root has a directory `power/counts`, which sysfs does not have. Then
//! `power/counts/EVENT.CPU` is read, which contains 8 bytes in native byte order, as read(2) on an
//! event's descriptor returns. All other code is the same.

mod files;

use super::counter::{Counter, Limit, Unit};
use super::total::total;
use super::window::{Gauge, Source, Window};
use super::{About, EnergyError, Evidence, Reading, Scope, Sensor, Usage, perf_event, sysfs};
use files::{config, cpumask, unit};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where the kernel lists its performance monitoring units.
pub const ROOT: &str = "/sys/bus/event_source/devices";

pub(super) const SENSOR: &str = "perf";

/// How to let an ordinary user read the counters, with the smallest change first.
const PERMISSION_HELP: &str = "sudo setcap cap_perfmon+ep \"$(which ungil)\", or sudo sysctl \
                    kernel.perf_event_paranoid=0 (until the next boot)";

/// Maximum number of CPUs that a kernel supports; a mask beyond it is invalid.
const MAX_CPUS: u32 = 8192;

/// The events of the PMU in display order: file in `events/`, name of the domain, scope. The
/// integrated GPU (`energy-gpu`) is part of the package.
const EVENTS: [(&str, &str, Scope); 5] = [
    ("energy-psys", "psys", Scope::Platform),
    ("energy-pkg", "package", Scope::Package),
    ("energy-ram", "dram", Scope::Dram),
    ("energy-cores", "core", Scope::Part),
    ("energy-gpu", "uncore", Scope::Part),
];

/// The counters of the `power` PMU.
pub struct Perf {
    window: Window<PerfEvent>,
    notes: Vec<String>,
}

impl Perf {
    /// Opens every energy event of the PMU `power` under `root` (the kernel's is [`ROOT`]) on every
    /// CPU of its mask.
    ///
    /// # Errors
    /// [`EnergyError::Absent`] without the PMU or without events that can be totalled,
    /// [`EnergyError::Denied`] if the kernel denies access to a counted event, and the other
    /// variants if a file has unexpected content.
    pub fn open(root: &Path) -> Result<Self, EnergyError> {
        Self::open_with(root, None)
    }

    /// Like [`Perf::open`], with `limit` instead of [`Limit::DOMAIN`] and, for psys,
    /// [`Limit::PLATFORM`].
    ///
    /// # Errors
    /// See [`Perf::open`].
    pub fn open_with(root: &Path, limit: Option<Limit>) -> Result<Self, EnergyError> {
        let pmu = root.join("power");
        if !pmu.is_dir() {
            return Err(absent(format!("{} does not exist", pmu.display())));
        }
        let kind = sysfs::number(SENSOR, &pmu.join("type"), "type", PERMISSION_HELP)?;
        let kind = u32::try_from(kind).map_err(|_| {
            sysfs::malformed(SENSOR, &pmu.join("type"), "type", "it is not a PMU's number")
        })?;
        let cpus = cpumask(&pmu.join("cpumask"))?;
        let events: Vec<_> =
            EVENTS.iter().filter(|(file, ..)| pmu.join("events").join(file).exists()).collect();
        let mut planned = Vec::new();
        for (file, name, scope) in events {
            for (package, cpu) in cpus.iter().enumerate() {
                planned.push((*file, domain(name, *scope, package, cpus.len()), *scope, *cpu));
            }
        }
        let scopes: Vec<Scope> = planned.iter().map(|(_, _, scope, _)| *scope).collect();
        let total = total(&scopes);
        if !total.counted.contains(&true) {
            return Err(absent(format!(
                "{} has no event of a package or the platform",
                pmu.display()
            )));
        }
        let mut notes = total.notes;
        if cpus.len() > 1 {
            let list: Vec<String> = cpus
                .iter()
                .enumerate()
                .map(|(package, cpu)| format!("{package} on cpu {cpu}"))
                .collect();
            notes.push(format!("packages are numbered as in cpumask: {}", list.join(", ")));
        }
        let mut gauges = Vec::new();
        let mut whole = true;
        for ((file, name, scope, cpu), counted) in planned.into_iter().zip(total.counted) {
            let opened = PerfEvent::open(&pmu, kind, file, cpu, &name)
                .and_then(|(mut event, unit)| event.read().map(|_| (event, unit)));
            let (event, unit) = match opened {
                Ok(opened) => opened,
                Err(error) if counted => return Err(error),
                Err(error) => {
                    whole &= !matches!(scope, Scope::Package | Scope::Dram);
                    notes.push(format!(
                        "{name} ({file}, not counted) is left out: {error}: {}",
                        error.why()
                    ));
                    continue;
                }
            };
            let limit = limit.unwrap_or(if scope == Scope::Platform {
                Limit::PLATFORM
            } else {
                Limit::DOMAIN
            });
            gauges.push(Gauge::new(name, scope, counted, Counter::new(unit, None, limit), event));
        }
        Ok(Self { window: Window::new(SENSOR, gauges, whole), notes })
    }
}

fn absent(why: String) -> EnergyError {
    EnergyError::Absent { sensor: SENSOR, why }
}

/// Returns the name of a domain: `package-1`, or `psys` if there is only one.
fn domain(name: &str, scope: Scope, package: usize, packages: usize) -> String {
    if scope == Scope::Platform && packages == 1 {
        name.to_owned()
    } else {
        format!("{name}-{package}")
    }
}

/// One event on one CPU.
struct PerfEvent {
    source: CountSource,
    name: String,
}

/// Where the counter is read: from the kernel or from a simulated root.
enum CountSource {
    Kernel(File),
    File(PathBuf),
}

impl PerfEvent {
    fn open(
        pmu: &Path,
        kind: u32,
        file: &str,
        cpu: u32,
        name: &str,
    ) -> Result<(Self, Unit), EnergyError> {
        let events = pmu.join("events");
        let unit = unit(&events, file, name)?;
        let config = config(&events.join(file), name)?;
        let counts = pmu.join("counts");
        let source = if counts.is_dir() {
            CountSource::File(counts.join(format!("{file}.{cpu}")))
        } else {
            CountSource::Kernel(
                perf_event::open(kind, config, cpu)
                    .map_err(|error| open_error(file, cpu, name, &error))?,
            )
        };
        Ok((Self { source, name: name.to_owned() }, unit))
    }
}

/// Converts an error of perf_event_open(2).
fn open_error(file: &str, cpu: u32, name: &str, error: &std::io::Error) -> EnergyError {
    let why = format!("perf_event_open of {file} on cpu {cpu}: {error}");
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => {
            EnergyError::Denied { sensor: SENSOR, why, help: PERMISSION_HELP.to_owned() }
        }
        Some(libc::ENOENT | libc::ENOSYS | libc::EOPNOTSUPP) => absent(why),
        Some(libc::ENODEV | libc::ENXIO) => {
            EnergyError::Vanished { sensor: SENSOR, domain: name.to_owned(), why }
        }
        _ => EnergyError::Unreadable { sensor: SENSOR, domain: name.to_owned(), why },
    }
}

impl Source for PerfEvent {
    fn read(&mut self) -> Result<u64, EnergyError> {
        let (bytes, path) = match &mut self.source {
            CountSource::Kernel(event) => {
                let mut bytes = vec![0; 8];
                let path = Path::new("the event's descriptor");
                let n = event.read(&mut bytes).map_err(|error| {
                    sysfs::failed(SENSOR, path, &self.name, PERMISSION_HELP, &error)
                })?;
                bytes.truncate(n);
                (bytes, path)
            }
            CountSource::File(path) => {
                let bytes = sysfs::bytes(path).map_err(|error| {
                    sysfs::failed(SENSOR, path, &self.name, PERMISSION_HELP, &error)
                })?;
                (bytes, path.as_path())
            }
        };
        // An event whose CPU or device was removed reads as end of file (perf_event_open(2),
        // "reading results").
        let eight: [u8; 8] = bytes.as_slice().try_into().map_err(|_| {
            if bytes.is_empty() {
                let why = format!("{}: end of file", path.display());
                EnergyError::Vanished { sensor: SENSOR, domain: self.name.clone(), why }
            } else {
                sysfs::malformed(
                    SENSOR,
                    path,
                    &self.name,
                    &format!("{} bytes instead of 8", bytes.len()),
                )
            }
        })?;
        Ok(u64::from_ne_bytes(eight))
    }
}

impl Sensor for Perf {
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
