//! RAPL through Linux powercap.
//!
//! The kernel has one energy counter per zone (Documentation/power/powercap/powercap.rst): `name`,
//! `energy_uj` and `max_energy_range_uj`. This file reads the zones found by `zones`. It opens the
//! files for each reading: an open file would survive the reload of a driver, which the sensor must
//! notice. A reading costs about 5 microseconds per zone.

use super::counter::{Counter, Limit, Unit};
use super::total::{make_unique, total};
use super::window::{Gauge, Source, Window};
use super::zones::{self, Zone};
use super::{About, EnergyError, Evidence, Reading, Scope, Sensor, Usage, sysfs};
use std::path::{Path, PathBuf};

/// Where the kernel lists the zones.
pub const ROOT: &str = "/sys/class/powercap";

pub(super) const SENSOR: &str = "powercap";

/// The counters of all RAPL zones.
pub struct Powercap {
    window: Window<ZoneCounter>,
    notes: Vec<String>,
}

impl Powercap {
    /// Finds the zones under `root` (the kernel's is [`ROOT`]) and reads each once.
    ///
    /// # Errors
    /// [`EnergyError::Absent`] without zones, [`EnergyError::Denied`] if a counted zone may not be
    /// read, and the other variants if a file has unexpected content. A total is never given
    /// without one of its parts.
    pub fn open(root: &Path) -> Result<Self, EnergyError> {
        Self::open_with(root, None)
    }

    /// Like [`Powercap::open`], with `limit` for every zone instead of the default:
    /// [`Limit::DOMAIN`] for packages, parts and memory, [`Limit::PLATFORM`] for psys, raised to
    /// four times the zone's own stated maximum. Twice the maximum is not enough:
    /// `constraint_0_max_power_uw` is the thermal design power, and a 15 W laptop part bursts to 64
    /// W.
    ///
    /// # Errors
    /// See [`Powercap::open`].
    pub fn open_with(root: &Path, limit: Option<Limit>) -> Result<Self, EnergyError> {
        let help = help(root);
        let found = zones::find(root, &help)?;
        let mut notes = found.notes;
        let scopes: Vec<Scope> = found.zones.iter().map(|zone| zone.scope).collect();
        let total = total(&scopes);
        notes.extend(total.notes);
        if !total.counted.contains(&true) {
            let names: Vec<&str> = found.zones.iter().map(|zone| zone.name.as_str()).collect();
            return Err(EnergyError::Absent {
                sensor: SENSOR,
                why: format!(
                    "{} has zones ({}) but none of them is a package or the platform",
                    root.display(),
                    names.join(", ")
                ),
            });
        }
        let mut names: Vec<String> = found.zones.iter().map(Zone::domain).collect();
        make_unique(&mut names);
        let mut gauges = Vec::new();
        let mut whole = true;
        for ((zone, counted), name) in found.zones.into_iter().zip(total.counted).zip(names) {
            let mut source = ZoneCounter {
                path: zone.path.join("energy_uj"),
                name: name.clone(),
                help: help.clone(),
            };
            match source.read() {
                Ok(_) => {}
                Err(error) if counted => return Err(error),
                Err(error) => {
                    whole &= !matches!(zone.scope, Scope::Package | Scope::Dram);
                    notes.push(format!(
                        "{name} ({}, not counted) is left out: {error}: {}",
                        zone.id,
                        error.why()
                    ));
                    continue;
                }
            }
            let range = range(&zone, &name, &help, counted, &mut notes)?;
            let limit = limit.unwrap_or_else(|| default_limit(&zone));
            gauges.push(Gauge::new(
                name,
                zone.scope,
                counted,
                Counter::new(Unit::MICROJOULE, range, limit),
                source,
            ));
        }
        Ok(Self { window: Window::new(SENSOR, gauges, whole), notes })
    }
}

/// Reads the range at which the zone wraps. `None`, with a note, if there is none. An invalid range
/// is an error for a counted zone.
fn range(
    zone: &Zone,
    name: &str,
    help: &str,
    counted: bool,
    notes: &mut Vec<String>,
) -> Result<Option<u64>, EnergyError> {
    match sysfs::number(SENSOR, &zone.path.join("max_energy_range_uj"), name, help) {
        Ok(0) | Err(EnergyError::Vanished { .. }) => {
            notes.push(format!("{name} has no range: a window in which it wraps has no figure"));
            Ok(None)
        }
        Ok(range) => Ok(Some(range)),
        Err(error) if counted => Err(error),
        Err(error) => {
            notes.push(format!("{name} (not counted) has no usable range: {}", error.why()));
            Ok(None)
        }
    }
}

/// Returns the default limit, see [`Powercap::open_with`].
fn default_limit(zone: &Zone) -> Limit {
    let base = if zone.scope == Scope::Platform { Limit::PLATFORM } else { Limit::DOMAIN };
    let stated = (0..3)
        .filter_map(|k| {
            let path = zone.path.join(format!("constraint_{k}_max_power_uw"));
            sysfs::number(SENSOR, &path, &zone.name, "").ok()
        })
        // A processor does not draw a megawatt: such a number is ignored.
        .filter(|uw| *uw < 1_000_000_000_000)
        .max()
        .unwrap_or(0);
    #[allow(clippy::cast_precision_loss)] // below 2^53
    let watts = stated as f64 / 1e6;
    Limit { watts: base.watts.max(4.0 * watts), ..base }
}

/// Returns how to let an ordinary user read the counters, which only root may read since
/// CVE-2020-8694.
fn help(root: &Path) -> String {
    format!(
        "sudo chmod a+r {}/*/energy_uj (until the next boot), or \
         sudo setcap cap_dac_read_search+ep \"$(which ungil)\", or --energy perf with CAP_PERFMON",
        root.display()
    )
}

impl Sensor for Powercap {
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

/// The `energy_uj` of a zone.
struct ZoneCounter {
    path: PathBuf,
    name: String,
    help: String,
}

impl Source for ZoneCounter {
    fn read(&mut self) -> Result<u64, EnergyError> {
        sysfs::number(SENSOR, &self.path, &self.name, &self.help)
    }
}
