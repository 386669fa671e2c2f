//! Finds the powercap zones: what each covers, and which of them are the same counter.
//!
//! `/sys/class/powercap` lists every zone as a link, and each zone's directory contains its
//! children again. A zone is identified by the name of its directory (`intel-rapl:0:1` is child 1
//! of zone 0), so it is used once however often it is found. AMD's driver uses the same names. The
//! same counters may be available through MSRs (`intel-rapl`) and through memory-mapped registers
//! (`intel-rapl-mmio`): a memory-mapped zone is left out if the MSRs have the same domain.

use super::powercap::SENSOR;
use super::{EnergyError, Scope, sysfs};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Maximum depth of the search: control type, package, part, and one more.
const MAX_DEPTH: usize = 4;

/// A zone.
#[derive(Debug)]
pub(super) struct Zone {
    /// Name of its directory: `intel-rapl:0:1`.
    pub(super) id: String,
    /// Path of its directory.
    pub(super) path: PathBuf,
    /// The kernel's name: `package-0`, `dram`.
    pub(super) name: String,
    /// Name of the parent zone.
    pub(super) parent: Option<String>,
    /// The scope.
    pub(super) scope: Scope,
}

impl Zone {
    /// Returns the displayed name: the kernel's, with the package's number if the kernel gives none
    /// (`dram` -> `dram-0`).
    pub(super) fn domain(&self) -> String {
        match self.parent.as_deref().and_then(|parent| parent.strip_prefix("package-")) {
            Some(package) if self.scope != Scope::Package && !package.is_empty() => {
                format!("{}-{package}", self.name)
            }
            _ => self.name.clone(),
        }
    }
}

/// The zones under a root in numerical order, and notes on what was left out.
pub(super) struct FoundZones {
    pub(super) zones: Vec<Zone>,
    pub(super) notes: Vec<String>,
}

/// Finds every zone under `root`.
pub(super) fn find(root: &Path, help: &str) -> Result<FoundZones, EnergyError> {
    let absent = |why: String| EnergyError::Absent { sensor: SENSOR, why };
    let mut paths = BTreeMap::new();
    std::fs::read_dir(root).map_err(|error| {
        if error.kind() == std::io::ErrorKind::PermissionDenied {
            sysfs::failed(SENSOR, root, "the root", help, &error)
        } else {
            absent(format!("{}: {error}", root.display()))
        }
    })?;
    walk(root, 0, &mut paths);
    let mut notes = Vec::new();
    let mut zones = Vec::new();
    for (id, path) in paths.values() {
        if !id.starts_with("intel-rapl") {
            notes.push(format!("{id} is left out: not a RAPL zone"));
            continue;
        }
        let name = sysfs::text(SENSOR, &path.join("name"), id, help)?;
        // The name is used in tables and records, so only plain characters are allowed.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            let what = format!("it contains {}, not a zone's name", sysfs::excerpt(&name));
            return Err(sysfs::malformed(SENSOR, &path.join("name"), id, &what));
        }
        zones.push((id.clone(), path.clone(), name));
    }
    if zones.is_empty() {
        return Err(absent(format!("{} has no RAPL zone", root.display())));
    }
    let names: BTreeMap<&str, &str> =
        zones.iter().map(|(id, _, name)| (id.as_str(), name.as_str())).collect();
    let parent = |id: &str| {
        parent_id(id).and_then(|parent| names.get(parent)).map(|name| (*name).to_owned())
    };
    let mut kept: Vec<Zone> = Vec::new();
    for (id, path, name) in &zones {
        let parent = parent(id);
        let twin = kept.iter().find(|zone| {
            is_mmio(id) && !is_mmio(&zone.id) && zone.name == *name && zone.parent == parent
        });
        if let Some(twin) = twin {
            notes.push(format!("{id} duplicates {} ({}) and is not read", twin.domain(), twin.id));
            continue;
        }
        let scope = scope(name, parent.as_deref());
        if scope == Scope::Part && parent.is_none() {
            notes.push(format!("{name} ({id}) is not counted: unknown kind of zone"));
        }
        kept.push(Zone { id: id.clone(), path: path.clone(), name: name.clone(), parent, scope });
    }
    Ok(FoundZones { zones: kept, notes })
}

/// Sort key: MSR zones before memory-mapped ones, then by number.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct SortKey {
    mmio: bool,
    kind: String,
    numbers: Vec<u64>,
    rest: String,
}

fn sort_key(id: &str) -> SortKey {
    let mut parts = id.split(':');
    let kind = parts.next().unwrap_or_default().to_owned();
    let numbers = parts.map_while(|part| part.parse().ok()).collect();
    SortKey { mmio: is_mmio(id), kind, numbers, rest: id.to_owned() }
}

/// Collects the directories that are zones: those with a colon in their name and an `energy_uj` or
/// a `name` in them (a package without its counter must become an error, not a smaller total). The
/// content of an unreadable directory is not found; the flat listing contains the same zones.
fn walk(dir: &Path, depth: usize, found: &mut BTreeMap<SortKey, (String, PathBuf)>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    let mut deeper = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        let Some(id) = entry.file_name().to_str().map(str::to_owned) else { continue };
        // Every device has `device`, `subsystem` and `power`, which lead out of the tree.
        if !(id.contains(':') || id.starts_with("intel-rapl")) || !path.is_dir() {
            continue;
        }
        // `symlink_metadata`: a file exists even if it may not be followed.
        let holds = |file: &str| path.join(file).symlink_metadata().is_ok();
        if id.contains(':') && (holds("energy_uj") || holds("name")) {
            found.entry(sort_key(&id)).or_insert_with(|| (id.clone(), path.clone()));
        }
        deeper.push(path);
    }
    // The shortest path is kept: a zone in the flat listing is readable by anyone who can read the
    // root.
    if depth < MAX_DEPTH {
        deeper.sort();
        for path in deeper {
            walk(&path, depth + 1, found);
        }
    }
}

fn is_mmio(id: &str) -> bool {
    id.starts_with("intel-rapl-mmio")
}

/// Returns the id of the parent: `intel-rapl:0:1` -> `intel-rapl:0`; `None` for `intel-rapl:0`.
fn parent_id(id: &str) -> Option<&str> {
    let (parent, _) = id.rsplit_once(':')?;
    parent.contains(':').then_some(parent)
}

/// Returns the scope of a zone. The names are those of `rapl_domain_names` and of `package-%d`,
/// `package-%d-die-%d`, `platform-%d` in `drivers/powercap/intel_rapl_common.c`. Inside another
/// package only memory has energy that the package's counter does not include.
fn scope(name: &str, parent: Option<&str>) -> Scope {
    let inside = parent.is_some_and(|parent| parent.starts_with("package"));
    match name {
        "dram" => Scope::Dram,
        _ if inside => Scope::Part,
        "psys" => Scope::Platform,
        _ if name.starts_with("platform-") || name.starts_with("psys-") => Scope::Platform,
        _ if name == "package" || name.starts_with("package-") => Scope::Package,
        _ => Scope::Part,
    }
}
