//! Address space of a process by kind, with resident sizes, from `/proc/PID/smaps`.

use procfs::process::{MMPermissions, MMapPath, MemoryMap};
use serde::Serialize;

/// Kind of a memory region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RegionKind {
    /// Anonymous memory: requested by allocators and for thread stacks.
    Anonymous,
    /// The `malloc` heap (`[heap]`).
    Heap,
    /// The main thread's stack.
    MainStack,
    /// Code and data of programs and libraries, and mapped files.
    File,
    /// Inaccessible memory: guard pages, reserved address space.
    Reserved,
    /// Provided by the kernel.
    Kernel,
}

/// Totals of all regions of one kind, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MappedRegions {
    /// Kind of the regions.
    pub kind: RegionKind,
    /// Number of regions.
    pub regions: u64,
    /// Size of the address space.
    pub bytes: u64,
    /// Resident part.
    pub resident_bytes: u64,
    /// Resident part not shared with another process.
    pub private_bytes: u64,
    /// Part in swap.
    pub swapped_bytes: u64,
}

/// Returns the address space of `pid` by kind; `None` if unavailable.
pub(crate) fn by_kind(pid: u32) -> Option<Vec<MappedRegions>> {
    let maps =
        procfs::process::Process::new_with_root(super::task::folder(pid)).ok()?.smaps().ok()?;
    let mut found: Vec<MappedRegions> = Vec::new();
    for map in &maps {
        let kind = kind(map);
        let figure = |name: &str| map.extension.map.get(name).copied().unwrap_or(0);
        let index = found.iter().position(|known| known.kind == kind).unwrap_or_else(|| {
            let none = MappedRegions {
                kind,
                regions: 0,
                bytes: 0,
                resident_bytes: 0,
                private_bytes: 0,
                swapped_bytes: 0,
            };
            found.push(none);
            found.len() - 1
        });
        let sum = &mut found[index];
        sum.regions += 1;
        sum.bytes += map.address.1.saturating_sub(map.address.0);
        sum.resident_bytes += figure("Rss");
        sum.private_bytes += figure("Private_Clean") + figure("Private_Dirty");
        sum.swapped_bytes += figure("Swap");
    }
    found.sort_by_key(|mapped| mapped.kind);
    Some(found)
}

fn kind(map: &MemoryMap) -> RegionKind {
    match map.pathname {
        MMapPath::Heap => RegionKind::Heap,
        MMapPath::Stack => RegionKind::MainStack,
        MMapPath::Path(_) | MMapPath::Vsys(_) => RegionKind::File,
        MMapPath::Vdso | MMapPath::Vvar | MMapPath::Vsyscall => RegionKind::Kernel,
        MMapPath::Other(ref name) if name.starts_with('v') => RegionKind::Kernel,
        _ if map.perms.contains(MMPermissions::READ) => RegionKind::Anonymous,
        _ => RegionKind::Reserved,
    }
}
