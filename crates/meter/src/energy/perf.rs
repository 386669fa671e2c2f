//! RAPL through perf's `power` PMU.
//!
//! The same counters as powercap with two differences that matter: a user with CAP_PERFMON may read
//! them, and the kernel extends them to 64 bits with a timer of its own (`arch/x86/events/rapl.c`),
//! so that nothing wraps. They count per package, whatever runs on it; one CPU a package is asked,
//! and `cpumask` says which.
//!
//! A root without a kernel behind it (a simulated tree) holds a directory `power/counts`, which
//! sysfs never has: then `power/counts/EVENT.CPU` is read, 8 bytes in the machine's order as
//! read(2) on an event's descriptor gives. All else is the same code.

use super::counter::{Counter, Limit, Unit};
use super::total::total;
use super::window::{Gauge, Source, Window};
use super::{About, Error, Evidence, Reading, Scope, Sensor, Usage, perf_event, sysfs};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where the kernel lists its performance monitoring units.
pub const ROOT: &str = "/sys/bus/event_source/devices";

pub(super) const SENSOR: &str = "perf";

/// What opens the counters to an ordinary user, smallest first.
const MEND: &str = "sudo setcap cap_perfmon+ep \"$(which ungil)\", or sudo sysctl \
                    kernel.perf_event_paranoid=0 (until the next boot)";

/// More CPUs than any kernel is built for; a mask beyond it is garbage.
const MOST_CPUS: u32 = 8192;

/// The events of the PMU in the order they are shown: file in `events/`, name of the domain, scope.
/// The integrated GPU (`energy-gpu`) is inside the package.
const EVENTS: [(&str, &str, Scope); 5] = [
    ("energy-psys", "psys", Scope::Platform),
    ("energy-pkg", "package", Scope::Package),
    ("energy-ram", "dram", Scope::Dram),
    ("energy-cores", "core", Scope::Part),
    ("energy-gpu", "uncore", Scope::Part),
];

/// The counters of the `power` PMU.
pub struct Perf {
    window: Window<Event>,
    notes: Vec<String>,
}

impl Perf {
    /// Opens every energy event of the PMU `power` under `root` (the kernel's is [`ROOT`]) on every
    /// CPU of its mask.
    ///
    /// # Errors
    /// [`Error::Absent`] without the PMU or without events that can be totalled, [`Error::Denied`]
    /// if the kernel refuses one that counts, the other variants if something is there and makes no
    /// sense.
    pub fn open(root: &Path) -> Result<Self, Error> {
        Self::open_with(root, None)
    }

    /// As [`Perf::open`], with `limit` in place of [`Limit::DOMAIN`] and, for psys,
    /// [`Limit::PLATFORM`].
    ///
    /// # Errors
    /// As [`Perf::open`].
    pub fn open_with(root: &Path, limit: Option<Limit>) -> Result<Self, Error> {
        let pmu = root.join("power");
        if !pmu.is_dir() {
            return Err(absent(format!("{} is not there", pmu.display())));
        }
        let kind = sysfs::number(SENSOR, &pmu.join("type"), "type", MEND)?;
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
            let opened = Event::open(&pmu, kind, file, cpu, &name)
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

fn absent(why: String) -> Error {
    Error::Absent { sensor: SENSOR, why }
}

/// `package-1`; `psys` where there is only one.
fn domain(name: &str, scope: Scope, package: usize, packages: usize) -> String {
    if scope == Scope::Platform && packages == 1 {
        name.to_owned()
    } else {
        format!("{name}-{package}")
    }
}

/// The kernel's list format: `0`, `0,18`, `0-1`.
fn cpumask(path: &Path) -> Result<Vec<u32>, Error> {
    let text = sysfs::text(SENSOR, path, "cpumask", MEND)?;
    let bad = || {
        sysfs::malformed(
            SENSOR,
            path,
            "cpumask",
            &format!("it holds {}, not a list of CPUs", sysfs::shown(&text)),
        )
    };
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: u32 = first.parse().map_err(|_| bad())?;
        let last: u32 = last.parse().map_err(|_| bad())?;
        if first > last || last >= MOST_CPUS {
            return Err(bad());
        }
        cpus.extend(first..=last);
    }
    cpus.sort_unstable();
    cpus.dedup();
    Ok(cpus)
}

/// The event's number from `event=0x02`; the PMU's `format/event` puts it into the lowest 8 bits of
/// `config`.
fn config(path: &Path, name: &str) -> Result<u64, Error> {
    let text = sysfs::text(SENSOR, path, name, MEND)?;
    text.strip_prefix("event=")
        .map(|number| {
            number
                .strip_prefix("0x")
                .map_or_else(|| number.parse(), |hex| u64::from_str_radix(hex, 16))
        })
        .and_then(Result::ok)
        .filter(|number| *number <= 0xff)
        .ok_or_else(|| {
            sysfs::malformed(
                SENSOR,
                path,
                name,
                &format!("it holds {}, not event=N", sysfs::shown(&text)),
            )
        })
}

/// What a count is worth, from `EVENT.scale` and `EVENT.unit`.
fn unit(events: &Path, file: &str, name: &str) -> Result<Unit, Error> {
    let path = events.join(format!("{file}.unit"));
    let text = sysfs::text(SENSOR, &path, name, MEND)?;
    if text != "Joules" {
        return Err(sysfs::malformed(
            SENSOR,
            &path,
            name,
            &format!("it holds {}, not Joules", sysfs::shown(&text)),
        ));
    }
    let path = events.join(format!("{file}.scale"));
    let text = sysfs::text(SENSOR, &path, name, MEND)?;
    text.parse().ok().and_then(Unit::from_joules).ok_or_else(|| {
        sysfs::malformed(
            SENSOR,
            &path,
            name,
            &format!("it holds {}, not a number of joules", sysfs::shown(&text)),
        )
    })
}

/// One event on one CPU.
struct Event {
    from: From,
    name: String,
}

/// The one seam between the kernel and a simulated tree.
enum From {
    Kernel(File),
    File(PathBuf),
}

impl Event {
    fn open(
        pmu: &Path,
        kind: u32,
        file: &str,
        cpu: u32,
        name: &str,
    ) -> Result<(Self, Unit), Error> {
        let events = pmu.join("events");
        let unit = unit(&events, file, name)?;
        let config = config(&events.join(file), name)?;
        let counts = pmu.join("counts");
        let from = if counts.is_dir() {
            From::File(counts.join(format!("{file}.{cpu}")))
        } else {
            From::Kernel(
                perf_event::open(kind, config, cpu)
                    .map_err(|error| refused(file, cpu, name, &error))?,
            )
        };
        Ok((Self { from, name: name.to_owned() }, unit))
    }
}

/// What perf_event_open(2)'s refusal means.
fn refused(file: &str, cpu: u32, name: &str, error: &std::io::Error) -> Error {
    let why = format!("perf_event_open of {file} on cpu {cpu}: {error}");
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => {
            Error::Denied { sensor: SENSOR, why, help: MEND.to_owned() }
        }
        Some(libc::ENOENT | libc::ENOSYS | libc::EOPNOTSUPP) => absent(why),
        Some(libc::ENODEV | libc::ENXIO) => {
            Error::Vanished { sensor: SENSOR, domain: name.to_owned(), why }
        }
        _ => Error::Unreadable { sensor: SENSOR, domain: name.to_owned(), why },
    }
}

impl Source for Event {
    fn read(&mut self) -> Result<u64, Error> {
        let (bytes, place) = match &mut self.from {
            From::Kernel(event) => {
                let mut bytes = vec![0; 8];
                let place = Path::new("the event's descriptor");
                let n = event
                    .read(&mut bytes)
                    .map_err(|error| sysfs::failed(SENSOR, place, &self.name, MEND, &error))?;
                bytes.truncate(n);
                (bytes, place)
            }
            From::File(path) => {
                let bytes = sysfs::bytes(path)
                    .map_err(|error| sysfs::failed(SENSOR, path, &self.name, MEND, &error))?;
                (bytes, path.as_path())
            }
        };
        // An event whose CPU or device went away reads as end of file (perf_event_open(2), "reading
        // results").
        let eight: [u8; 8] = bytes.as_slice().try_into().map_err(|_| {
            if bytes.is_empty() {
                let why = format!("{}: end of file", place.display());
                Error::Vanished { sensor: SENSOR, domain: self.name.clone(), why }
            } else {
                sysfs::malformed(
                    SENSOR,
                    place,
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

    fn begin(&mut self) -> Result<(), Error> {
        self.window.begin()
    }

    fn poll(&mut self) {
        self.window.poll();
    }

    fn end(&mut self, _: &Usage) -> Result<Reading, Error> {
        self.window.end()
    }
}
