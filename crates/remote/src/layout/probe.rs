//! What finding a structure needs: typed reads that give nothing where nothing is, and the main
//! interpreter.

use crate::memory::Memory;
use cpython_layout::DebugOffsets;
use cpython_layout::structures::MAIN_INTERPRETER;

/// Addresses of user space: below is never mapped, above is the kernel's.
const USER_SPACE: std::ops::Range<u64> = 0x1_0000..1 << 47;

pub(super) struct Probe<'a> {
    pub(super) memory: &'a dyn Memory,
    pub(super) offsets: &'a DebugOffsets,
    /// Where `_PyRuntime` is.
    pub(super) runtime: u64,
    /// The main interpreter, 0 while there is none.
    pub(super) main: u64,
    /// The threads of the main interpreter, at most a few.
    pub(super) threads: Vec<u64>,
}

/// Threads that are asked. One is enough; more make up for one that ends meanwhile.
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

    /// A word; `None` where none can be read.
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        self.memory.u64(address).ok()
    }

    /// An address of user space, aligned to words.
    pub(super) fn pointer(&self, address: u64) -> Option<u64> {
        self.word(address).filter(|value| value % 8 == 0 && USER_SPACE.contains(value))
    }

    /// The pointer at `offset` in the main interpreter.
    pub(super) fn interpreter(&self, offset: u64) -> Option<u64> {
        if self.main == 0 { None } else { self.pointer(self.main.wrapping_add(offset)) }
    }

    /// Words from `address` on, as many as can be read of `count`.
    pub(super) fn words(&self, address: u64, count: usize) -> Vec<u64> {
        let mut bytes = vec![0; count * 8];
        if self.memory.read(address, &mut bytes).is_err() {
            return Vec::new();
        }
        bytes.as_chunks::<8>().0.iter().map(|&word| u64::from_le_bytes(word)).collect()
    }

    /// A circular list whose head is at `address`: both neighbours point back to it. `mask` are
    /// bits that are no address.
    pub(super) fn is_list_head(&self, address: u64, mask: u64) -> bool {
        let link = |from: u64| self.word(from).map(|word| word & !mask);
        let Some(next) = link(address) else { return false };
        let Some(previous) = link(address.wrapping_add(8)) else { return false };
        link(next.wrapping_add(8)) == Some(address) && link(previous) == Some(address)
    }

    /// Tries `at` first, then the offsets around it, nearest first, up to `reach` bytes away.
    pub(super) fn near(&self, at: u64, reach: u64, fits: impl Fn(u64) -> bool) -> Option<u64> {
        let around =
            (1..=reach / 8).flat_map(|step| [at.checked_add(8 * step), at.checked_sub(8 * step)]);
        std::iter::once(Some(at)).chain(around).flatten().find(|&offset| fits(offset))
    }
}
