//! What the kernel says of a thread, no older than it may be.
//!
//! To ask the kernel is several times as expensive as the rest of a look, so its answer is kept
//! while the thread stays in the same place and is not old. What it means is decided by
//! [`ungil_remote::thread_state::classify`].

use ungil_remote::linux::syscall::{KernelState, SyscallFile, SystemCall};
use ungil_remote::sample::ThreadSlot;
use ungil_remote::thread_state::{CodePosition, code_position, wants_gil};
use ungil_remote::{Attachment, Blocked, BlockedOn, Gils, Parking, Python};

/// How long an answer of the kernel's holds, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Freshness {
    /// For a thread that has not moved.
    pub(super) at_rest: u64,
    /// For one that has.
    pub(super) moving: u64,
}

/// What the kernel and the parking lot say of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KernelView {
    pub(super) kernel: KernelState,
    pub(super) blocked: Option<Blocked>,
    pub(super) wants_gil: bool,
}

/// An attached thread that moves: the kernel need not be asked.
const ATTACHED: KernelView =
    KernelView { kernel: KernelState::Running, blocked: None, wants_gil: false };

/// One thread's file, and what it last said.
#[derive(Debug, Default)]
pub(super) struct KernelFile {
    file: Option<SyscallFile>,
    /// The file cannot be read.
    refused: bool,
    last: Option<(KernelView, u64)>,
    /// Where it was when it waited for the GIL.
    waited_at: Option<CodePosition>,
}

impl KernelFile {
    /// Returns what the kernel says. `at_ns` is the look's time on any clock that does not go back.
    pub(super) fn view(
        &mut self,
        slot: &ThreadSlot,
        python: &Python,
        gils: &Gils,
        fresh: Freshness,
        at_ns: u64,
    ) -> KernelView {
        if slot.thread.attachment == Attachment::Attached && !slot.is_unmoved() {
            self.last = None;
            return ATTACHED;
        }
        let age = if slot.is_unmoved() { fresh.at_rest } else { fresh.moving };
        match self.last {
            Some((view, then)) if at_ns.saturating_sub(then) < age => view,
            _ => {
                let view = self.ask(slot, python, gils);
                self.last = Some((view, at_ns));
                view
            }
        }
    }

    /// The kernel's file cannot be read for this thread: what it does while detached is not known.
    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }

    /// The thread still sleeps in that call, at that place.
    pub(super) fn is_in(&self, call: &SystemCall) -> bool {
        self.file.as_ref().is_some_and(|file| file.read() == KernelState::SystemCall(*call))
    }

    fn ask(&mut self, slot: &ThreadSlot, python: &Python, gils: &Gils) -> KernelView {
        let thread = &slot.thread;
        if self.file.is_none() && !self.refused {
            match SyscallFile::open(python.process().pid, thread.native_id) {
                Ok(file) => self.file = Some(file),
                // It has ended meanwhile, or has only just begun and not said its number yet.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(_) => self.refused = true,
            }
        }
        let kernel = self.file.as_ref().map_or(KernelState::Unknown, SyscallFile::read);
        self.refused |= self.file.is_some() && kernel == KernelState::Unknown;
        let blocked = Parking::new(python, gils).wait_of(thread, &kernel);
        if matches!(blocked, Some(Blocked { on: BlockedOn::Gil(_), .. })) {
            self.waited_at = code_position(python, thread);
        }
        let is_awake = thread.attachment == Attachment::Detached && kernel == KernelState::Running;
        let wants_gil = is_awake && wants_gil(python, gils, thread, self.waited_at);
        KernelView { kernel, blocked, wants_gil }
    }
}
