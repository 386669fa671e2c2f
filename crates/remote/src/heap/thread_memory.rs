//! What each thread has for itself: its stack, and on free-threaded builds its part of the
//! allocator.

use super::Mimalloc;
use crate::linux::Region;
use crate::objects::Objects;
use crate::python::{Python, Thread};
use rustc_hash::FxHashMap;
use serde::Serialize;

/// glibc keeps `struct pthread` at the top of a thread's stack; it takes less than this.
const THREAD_BLOCK: u64 = 4096;

/// The memory of one thread.
#[derive(Debug, Clone, Serialize)]
pub struct ThreadMemory {
    /// The kernel's number of the thread.
    pub native_id: u32,
    /// The name `threading` gave it; `None` where it gave none.
    pub name: Option<String>,
    /// Address space of its stack, bytes. `None` where it could not be told apart from other
    /// memory.
    pub stack_bytes: Option<u64>,
    /// As much of it as is in memory.
    pub stack_resident_bytes: Option<u64>,
    /// Free-threaded builds: its part of the allocator.
    pub heap: Option<Mimalloc>,
}

/// The memory of `threads`.
pub(super) fn of(
    python: &Python,
    threads: &[Thread],
    regions: &[Region],
    heaps: &FxHashMap<u64, Mimalloc>,
) -> Vec<ThreadMemory> {
    let pid = python.process().pid;
    let objects = Objects { memory: python.memory(), offsets: python.offsets() };
    let mut found: Vec<ThreadMemory> = threads
        .iter()
        // One that has no number has not begun yet, or has just ended.
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

/// Where a thread's stack is. That of the main thread is named by the kernel; another's is the
/// region that holds its `pthread_self()`, up to just above that, for a region of other memory may
/// follow without a seam.
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
