//! What the kernel reports about a thread, cached for a limited time.
//!
//! Asking the kernel costs several times as much as the rest of a look, so its answer is reused
//! while the thread has not moved and the answer is recent.
//! [`ungil_remote::thread_state::classify`] decides what the answer means.

use ungil_remote::linux::syscall::{KernelState, SyscallFile, SystemCall};
use ungil_remote::sample::ThreadSlot;
use ungil_remote::thread_state::{CodePosition, code_position, wants_gil};
use ungil_remote::{Attachment, Blocked, BlockedOn, Gils, Parking, Python};

/// How long the kernel's answer is reused, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Freshness {
    /// For a thread whose stack has not changed.
    pub(super) at_rest: u64,
    /// For a thread whose stack has changed.
    pub(super) moving: u64,
}

/// What the kernel and the parking lot report about a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KernelView {
    pub(super) kernel: KernelState,
    pub(super) blocked: Option<Blocked>,
    pub(super) wants_gil: bool,
}

/// An attached thread whose stack changes: it runs, and the kernel need not be asked.
const ATTACHED: KernelView =
    KernelView { kernel: KernelState::Running, blocked: None, wants_gil: false };

/// The `/proc` file of one thread, and its last answer.
#[derive(Debug, Default)]
pub(super) struct KernelFile {
    file: Option<SyscallFile>,
    /// Whether reading the file is denied.
    refused: bool,
    last: Option<(KernelView, u64)>,
    /// Code position of the last wait for the GIL.
    waited_at: Option<CodePosition>,
}

impl KernelFile {
    /// Returns what the kernel reports. `at_ns` is the time of the look on any monotonic clock.
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

    /// Returns whether the file of this thread cannot be read, so that its state while detached is
    /// unknown.
    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }

    /// Returns whether the thread still sleeps in `call`.
    pub(super) fn is_in(&self, call: &SystemCall) -> bool {
        self.file.as_ref().is_some_and(|file| file.read() == KernelState::SystemCall(*call))
    }

    fn ask(&mut self, slot: &ThreadSlot, python: &Python, gils: &Gils) -> KernelView {
        let thread = &slot.thread;
        if self.file.is_none() && !self.refused {
            match SyscallFile::open(python.process().pid, thread.native_id) {
                Ok(file) => self.file = Some(file),
                // The thread has ended, or has only just started and has not stored its id yet.
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
