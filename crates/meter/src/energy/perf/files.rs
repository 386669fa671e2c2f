//! Parses the files of a PMU in sysfs.

use super::super::counter::Unit;
use super::super::{EnergyError, sysfs};
use super::{MAX_CPUS, PERMISSION_HELP, SENSOR};
use std::path::Path;

/// Parses the kernel's list format: `0`, `0,18`, `0-1`.
pub(super) fn cpumask(path: &Path) -> Result<Vec<u32>, EnergyError> {
    let text = sysfs::text(SENSOR, path, "cpumask", PERMISSION_HELP)?;
    let bad = || {
        sysfs::malformed(
            SENSOR,
            path,
            "cpumask",
            &format!("it contains {}, not a list of CPUs", sysfs::excerpt(&text)),
        )
    };
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: u32 = first.parse().map_err(|_| bad())?;
        let last: u32 = last.parse().map_err(|_| bad())?;
        if first > last || last >= MAX_CPUS {
            return Err(bad());
        }
        cpus.extend(first..=last);
    }
    cpus.sort_unstable();
    cpus.dedup();
    Ok(cpus)
}

/// Parses the event's number from `event=0x02`; the PMU's `format/event` places it in the lowest 8
/// bits of `config`.
pub(super) fn config(path: &Path, name: &str) -> Result<u64, EnergyError> {
    let text = sysfs::text(SENSOR, path, name, PERMISSION_HELP)?;
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
                &format!("it contains {}, not event=N", sysfs::excerpt(&text)),
            )
        })
}

/// Reads the unit of a count from `EVENT.scale` and `EVENT.unit`.
pub(super) fn unit(events: &Path, file: &str, name: &str) -> Result<Unit, EnergyError> {
    let path = events.join(format!("{file}.unit"));
    let text = sysfs::text(SENSOR, &path, name, PERMISSION_HELP)?;
    if text != "Joules" {
        return Err(sysfs::malformed(
            SENSOR,
            &path,
            name,
            &format!("it contains {}, not Joules", sysfs::excerpt(&text)),
        ));
    }
    let path = events.join(format!("{file}.scale"));
    let text = sysfs::text(SENSOR, &path, name, PERMISSION_HELP)?;
    text.parse().ok().and_then(Unit::from_joules).ok_or_else(|| {
        sysfs::malformed(
            SENSOR,
            &path,
            name,
            &format!("it contains {}, not a number of joules", sysfs::excerpt(&text)),
        )
    })
}
