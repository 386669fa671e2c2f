//! Helpers for locating structures: typed reads that return `None` on failure, and the main
//! interpreter.

use crate::memory::Memory;
use cpython_layout::DebugOffsets;
use cpython_layout::structures::MAIN_INTERPRETER;

/// User space addresses. Lower ones are never mapped, higher ones belong to the kernel.
const USER_SPACE: std::ops::Range<u64> = 0x1_0000..1 << 47;

pub(super) struct Probe<'a> {
    pub(super) memory: &'a dyn Memory,
    pub(super) offsets: &'a DebugOffsets,
    /// Address of `_PyRuntime`.
    pub(super) runtime: u64,
    /// Address of the main interpreter; 0 if there is none yet.
    pub(super) main: u64,
    /// Thread states of the main interpreter, at most [`ENOUGH_THREADS`].
    pub(super) threads: Vec<u64>,
}

/// Number of threads used for probing. One suffices; more compensate for threads that end
/// meanwhile.
const ENOUGH_THREADS: usize = 8;

impl<'a> Probe<'a> {
    pub(super) fn new(
        memory: &'a dyn Memory,
        runtime: u64,
        offsets: &'a DebugOffsets,
    ) -> Probe<'a> {
        let mut probe = Probe { memory, offsets, runtime, main: 0, threads: Vec::new() };
        let main = runtime.wrapping_add(offsets.runtime_state.interpreters_head + MAIN_INTERPRETER);
        let main = probe.pointer(main).unwrap_or(0);
        if probe.word(main.wrapping_add(offsets.interpreter_state.id)) == Some(0) {
            probe.main = main;
        }
        let mut next = probe.interpreter(offsets.interpreter_state.threads_head);
        while let Some(thread) = next
            && probe.threads.len() < ENOUGH_THREADS
            && probe.word(thread.wrapping_add(offsets.thread_state.interp)) == Some(probe.main)
        {
            probe.threads.push(thread);
            next = probe.pointer(thread.wrapping_add(offsets.thread_state.next));
        }
        probe
    }

    /// Reads a word; `None` if it cannot be read.
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        self.memory.u64(address).ok()
    }

    /// Reads a word-aligned user space address.
    pub(super) fn pointer(&self, address: u64) -> Option<u64> {
        self.word(address).filter(|value| value % 8 == 0 && USER_SPACE.contains(value))
    }

    /// Reads the pointer at `offset` in the main interpreter.
    pub(super) fn interpreter(&self, offset: u64) -> Option<u64> {
        if self.main == 0 { None } else { self.pointer(self.main.wrapping_add(offset)) }
    }

    /// Reads `count` words from `address` on. Empty if they cannot be read.
    pub(super) fn words(&self, address: u64, count: usize) -> Vec<u64> {
        let mut bytes = vec![0; count * 8];
        if self.memory.read(address, &mut bytes).is_err() {
            return Vec::new();
        }
        bytes.as_chunks::<8>().0.iter().map(|&word| u64::from_le_bytes(word)).collect()
    }

    /// Returns whether the head of a circular list is at `address`: both neighbours point back to
    /// it. `mask` are the flag bits of the pointers.
    pub(super) fn is_list_head(&self, address: u64, mask: u64) -> bool {
        let link = |from: u64| self.word(from).map(|word| word & !mask);
        let Some(next) = link(address) else { return false };
        let Some(previous) = link(address.wrapping_add(8)) else { return false };
        link(next.wrapping_add(8)) == Some(address) && link(previous) == Some(address)
    }

    /// Searches for an offset that `fits`: `at` first, then the offsets around it up to `reach`
    /// bytes away, nearest first.
    pub(super) fn near(&self, at: u64, reach: u64, fits: impl Fn(u64) -> bool) -> Option<u64> {
        let around =
            (1..=reach / 8).flat_map(|step| [at.checked_add(8 * step), at.checked_sub(8 * step)]);
        std::iter::once(Some(at)).chain(around).flatten().find(|&offset| fits(offset))
    }
}
