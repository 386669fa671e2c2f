//! Memory of each thread: its stack and, on free-threaded builds, its part of the allocator.

use super::MimallocUsage;
use crate::linux::Region;
use crate::objects::ObjectReader;
use crate::python::{Python, Thread};
use rustc_hash::FxHashMap;
use serde::Serialize;

/// Upper bound for the size of `struct pthread`, which glibc keeps at the top of a thread's stack.
const THREAD_BLOCK: u64 = 4096;

/// Memory of one thread.
#[derive(Debug, Clone, Serialize)]
pub struct ThreadMemory {
    /// Kernel thread id.
    pub native_id: u32,
    /// `threading.Thread.name`, if any.
    pub name: Option<String>,
    /// Address space of its stack in bytes. `None` if the stack could not be located.
    pub stack_bytes: Option<u64>,
    /// Resident part of the stack.
    pub stack_resident_bytes: Option<u64>,
    /// Its part of the allocator. Free-threaded builds.
    pub heap: Option<MimallocUsage>,
}

/// Returns the memory of `threads`.
pub(super) fn of(
    python: &Python,
    threads: &[Thread],
    regions: &[Region],
    heaps: &FxHashMap<u64, MimallocUsage>,
) -> Vec<ThreadMemory> {
    let pid = python.process().pid;
    let objects = ObjectReader { memory: python.memory(), offsets: python.offsets() };
    let mut found: Vec<ThreadMemory> = threads
        .iter()
        // A thread without an id has not started yet or has just ended.
        .filter(|thread| thread.native_id != 0)
        .map(|thread| {
            let stack = stack(thread, pid, regions);
            let frames = python.stack(thread).ok();
            ThreadMemory {
                native_id: thread.native_id,
                name: match frames.and_then(|stack| objects.thread_name(&stack.frames)) {
                    None if thread.native_id == pid => Some("MainThread".into()),
                    name => name,
                },
                stack_bytes: stack.map(|(start, end)| end - start),
                stack_resident_bytes: stack
                    .and_then(|(start, end)| python.process().resident(start, end)),
                heap: python
                    .offsets()
                    .free_threaded
                    .then(|| heaps.get(&thread.ident).copied().unwrap_or_default()),
            }
        })
        .collect();
    found.sort_by_key(|thread| (thread.native_id != pid, thread.native_id));
    found
}

/// Returns the address range of a thread's stack. The kernel names the main thread's. Another
/// thread's is the region that contains its `pthread_self()`, up to just above that address,
/// because the region may include adjacent unrelated memory.
fn stack(thread: &Thread, pid: u32, regions: &[Region]) -> Option<(u64, u64)> {
    if thread.native_id == pid {
        let region = regions.iter().find(|region| region.is_stack)?;
        return Some((region.start, region.end));
    }
    let index = regions.partition_point(|region| region.end <= thread.ident);
    let region =
        regions.get(index).filter(|region| region.start <= thread.ident && region.writable)?;
    let end = (thread.ident & !(THREAD_BLOCK - 1)).saturating_add(THREAD_BLOCK).min(region.end);
    Some((region.start, end))
}
