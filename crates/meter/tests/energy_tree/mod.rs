//! A powercap tree in a temporary directory with the kernel's layout: links beside the nested
//! zones.
#![allow(dead_code)] // each test program uses its part of it

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use ungil_meter::energy::counter::Limit;
use ungil_meter::energy::powercap::Powercap;
use ungil_meter::energy::{EnergyError, Reading, Sensor, Usage};

/// Range of a real package's counter: 2^32 - 1 counts of 61 uJ.
pub(crate) const RANGE: u64 = 262_143_328_850;

/// Microjoules of a joule.
pub(crate) const J: u64 = 1_000_000;

/// Accepts 1 kJ regardless of the clock (it would matter only if the test took a month), so that
/// jumps do not depend on the speed of the machine.
pub(crate) const KILOJOULE: Limit =
    Limit { watts: 1e-6, slack: Duration::from_secs(1_000_000_000) };

/// A simulated `/sys/class/powercap`.
pub(crate) struct PowercapTree {
    dir: tempfile::TempDir,
}

impl PowercapTree {
    /// Creates an empty tree.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("intel-rapl")).unwrap();
        Self { dir }
    }

    /// Creates two sockets with core, uncore and memory each, as on a server. All counters are 0.
    pub(crate) fn two_sockets() -> Self {
        let tree = Self::new();
        for k in 0..2 {
            tree.zone(&format!("intel-rapl:{k}"), &format!("package-{k}"), 0);
            tree.zone(&format!("intel-rapl:{k}:0"), "core", 0);
            tree.zone(&format!("intel-rapl:{k}:1"), "uncore", 0);
            tree.zone(&format!("intel-rapl:{k}:2"), "dram", 0);
        }
        tree
    }

    /// Returns the root.
    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    /// Returns the directory of a zone in the flat listing.
    pub(crate) fn at(&self, id: &str) -> PathBuf {
        self.root().join(id)
    }

    /// Adds a zone: the directory inside its parent's, and the link.
    pub(crate) fn zone(&self, id: &str, name: &str, energy: u64) {
        let mut parts = id.split(':');
        let mut path = self.root().join(parts.next().unwrap());
        let mut id_so_far = path.file_name().unwrap().to_str().unwrap().to_owned();
        for part in parts {
            id_so_far = format!("{id_so_far}:{part}");
            path = path.join(&id_so_far);
        }
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("name"), format!("{name}\n")).unwrap();
        fs::write(path.join("energy_uj"), format!("{energy}\n")).unwrap();
        fs::write(path.join("max_energy_range_uj"), format!("{RANGE}\n")).unwrap();
        fs::write(path.join("enabled"), "0\n").unwrap();
        // Every device has this link out of the tree, which must not be followed.
        std::os::unix::fs::symlink(self.root(), path.join("subsystem")).unwrap();
        std::os::unix::fs::symlink(&path, self.root().join(id)).unwrap();
    }

    /// Sets a counter.
    pub(crate) fn set(&self, id: &str, energy: u64) {
        self.write(id, "energy_uj", format!("{energy}\n"));
    }

    /// Writes any file of a zone, by rename, so that a reader never sees a part of it.
    pub(crate) fn write(&self, id: &str, file: &str, content: impl AsRef<[u8]>) {
        let to = self.at(id).join(file);
        let new = self.at(id).join(".new");
        fs::write(&new, content).unwrap();
        fs::rename(new, to).unwrap();
    }
}

pub(crate) fn opened(tree: &PowercapTree) -> Powercap {
    Powercap::open_with(tree.root(), Some(KILOJOULE)).unwrap()
}

pub(crate) fn end(sensor: &mut dyn Sensor) -> Result<Reading, EnergyError> {
    sensor.end(&Usage::default())
}

pub(crate) fn spent(reading: &Reading, name: &str) -> (u64, bool) {
    let domain = reading
        .domains
        .iter()
        .find(|domain| domain.name == name)
        .unwrap_or_else(|| panic!("{name}"));
    (domain.microjoules, domain.counted)
}
