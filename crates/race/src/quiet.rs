//! Instructions that the detector no longer looks at, because they saw nothing of interest for a while.
//!
//! Returning `sys.monitoring.DISABLE` stops all threads: 0.3 to 6 ms on a busy machine with three
//! threads, for each instruction. In a free-threaded build each thread executes its own copy of a
//! code object's instructions, so a thread can put the original opcode back into its own copy, and
//! the marker back in when an object of that kind turns out to be shared, without stopping anybody.
#![allow(unsafe_code)] // Writes one byte of the thread's own bytecode.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

/// Number of groups that quiet instructions are woken by, a power of two.
const GROUPS: usize = 1024;

/// Opcode of `INSTRUMENTED_INSTRUCTION`, 0 until known.
static MARKER: AtomicU8 = AtomicU8::new(0);
/// Raised by each call of [`wake`].
static WOKEN: AtomicU32 = AtomicU32::new(0);
static GROUP_WOKEN: [AtomicU32; GROUPS] = [const { AtomicU32::new(0) }; GROUPS];
/// Whether any instruction of the group is quiet in any thread.
static GROUP_USED: [AtomicU32; GROUPS] = [const { AtomicU32::new(0) }; GROUPS];

/// What wakes a quiet instruction: a hash of the attribute's name, or of the container's type.
pub(crate) type Topic = u64;

pub(crate) fn set_marker(opcode: u8) {
    MARKER.store(opcode, Ordering::Relaxed);
}

fn group(topic: Topic) -> usize {
    (topic.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize & (GROUPS - 1)
}

/// Makes all threads look again at the instructions of that topic, each at its next event.
pub(crate) fn wake(topic: Topic) {
    let group = group(topic);
    if let (Some(used), Some(woken)) = (GROUP_USED.get(group), GROUP_WOKEN.get(group))
        && used.swap(0, Ordering::Relaxed) != 0
    {
        woken.fetch_add(1, Ordering::Relaxed);
        WOKEN.fetch_add(1, Ordering::Release);
    }
}

/// Other tools watch instructions too, so that the opcode below the marker may be one of theirs.
static IS_SHARED: AtomicBool = AtomicBool::new(false);

/// From now on no instruction becomes quiet: another tool uses `sys.monitoring` or tracing.
pub(crate) fn share() {
    IS_SHARED.store(true, Ordering::Relaxed);
}

/// Puts the opcode back into this thread's copy of an instruction. Returns false if the instruction
/// was not marked.
pub(crate) fn unmark(instruction: *mut u8, opcode: u8) -> bool {
    if IS_SHARED.load(Ordering::Relaxed) {
        return false;
    }
    // SAFETY: the address of this thread's running instruction. The copy belongs to this thread; if
    // threads share it, the store of one byte is atomic, and both values are valid instructions.
    let byte = unsafe { AtomicU8::from_ptr(instruction) };
    byte.compare_exchange(
        MARKER.load(Ordering::Relaxed),
        opcode,
        Ordering::Relaxed,
        Ordering::Relaxed,
    )
    .is_ok()
}

/// A thread's quiet instructions that may be woken.
#[derive(Default)]
pub(crate) struct QuietSites {
    seen: u32,
    sites: Vec<(*mut u8, usize, u32)>,
}

impl QuietSites {
    /// Makes an instruction quiet until its topic is woken.
    pub(crate) fn add(&mut self, instruction: *mut u8, opcode: u8, topic: Topic) {
        let group = group(topic);
        let (Some(used), Some(woken)) = (GROUP_USED.get(group), GROUP_WOKEN.get(group)) else {
            return;
        };
        used.store(1, Ordering::Relaxed);
        if unmark(instruction, opcode) {
            self.sites.push((instruction, group, woken.load(Ordering::Relaxed)));
        }
    }

    /// Marks the instructions again whose topics were woken since.
    #[inline]
    pub(crate) fn check(&mut self) {
        let woken = WOKEN.load(Ordering::Acquire);
        if woken != self.seen {
            self.seen = woken;
            self.mark_woken();
        }
    }

    #[cold]
    fn mark_woken(&mut self) {
        self.sites.retain(|&(instruction, group, since)| {
            let now = GROUP_WOKEN.get(group).map_or(0, |woken| woken.load(Ordering::Relaxed));
            if now == since {
                return true;
            }
            // SAFETY: this thread's copy of a code object that is kept alive; the interpreter finds
            // the original opcode beside the code object, as for any marked instruction.
            unsafe { AtomicU8::from_ptr(instruction) }
                .store(MARKER.load(Ordering::Relaxed), Ordering::Relaxed);
            false
        });
    }
}
