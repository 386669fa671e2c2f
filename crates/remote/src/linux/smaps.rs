//! The address space of a process by kind, and how much of it is in memory: `/proc/PID/smaps`.

use procfs::process::{MMPermissions, MMapPath, MemoryMap};
use serde::Serialize;

/// What a region is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Asked of the system by allocators and for the stacks of threads: belongs to no file.
    Anonymous,
    /// What `malloc` grows first (`[heap]`).
    Heap,
    /// The main thread's stack.
    MainStack,
    /// Code and data of programs and libraries, and files that are mapped.
    File,
    /// Asked for and not usable: guards of stacks, room kept free.
    Reserved,
    /// The kernel's own.
    Kernel,
}

/// The regions of one kind together, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Mapped {
    /// Which.
    pub kind: Kind,
    /// Regions.
    pub regions: u64,
    /// Address space.
    pub bytes: u64,
    /// As much of it as is in memory.
    pub resident_bytes: u64,
    /// As much of that as no other process shares.
    pub private_bytes: u64,
    /// As much of it as was moved to the swap.
    pub swapped_bytes: u64,
}

/// The address space of `pid` by kind; `None` where the system does not say.
pub(crate) fn by_kind(pid: u32) -> Option<Vec<Mapped>> {
    let maps =
        procfs::process::Process::new_with_root(super::task::folder(pid)).ok()?.smaps().ok()?;
    let mut found: Vec<Mapped> = Vec::new();
    for map in &maps {
        let kind = kind(map);
        let figure = |name: &str| map.extension.map.get(name).copied().unwrap_or(0);
        let index = found.iter().position(|known| known.kind == kind).unwrap_or_else(|| {
            let none = Mapped {
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

fn kind(map: &MemoryMap) -> Kind {
    match map.pathname {
        MMapPath::Heap => Kind::Heap,
        MMapPath::Stack => Kind::MainStack,
        MMapPath::Path(_) | MMapPath::Vsys(_) => Kind::File,
        MMapPath::Vdso | MMapPath::Vvar | MMapPath::Vsyscall => Kind::Kernel,
        MMapPath::Other(ref name) if name.starts_with('v') => Kind::Kernel,
        _ if map.perms.contains(MMPermissions::READ) => Kind::Anonymous,
        _ => Kind::Reserved,
    }
}
