//! Parts of a sample besides its stack, and notes about what could not be read.

use super::{CaptureOptions, ProcessSampler, TaskMode};
use crate::Builder;
use crate::header::Mode;
use crate::model::{FrameId, FrameKind, StackId};
use ungil_format::counted;
use ungil_remote::sample::ThreadSlot;
use ungil_remote::snapshot::{LockOrderView, lock_orders};
use ungil_remote::thread_observer::ThreadObserver;
use ungil_remote::{Attachment, ThreadState};

impl ProcessSampler {
    /// Returns notes about what could not be read from this process, and why.
    pub(in crate::capture) fn notes(&self, options: &CaptureOptions) -> Vec<String> {
        let mut notes: Vec<String> = self.without_tasks(options).into_iter().collect();
        let of = |order: &LockOrderView| {
            format!("locks are taken in an order that can deadlock: {order}")
        };
        notes.extend(self.lock_orders.cycles.iter().map(of));
        if self.is_denied {
            notes.push(format!(
                "process {}: what its threads wait for is unknown, because /proc/PID/task/TID/syscall is not readable",
                self.pid
            ));
        }
        if self.pauses.lost() > 0 {
            notes.push(format!(
                "process {}: {} not timed (the interpreter overwrote the timings before they were read)",
                self.pid,
                counted(self.pauses.lost(), "collection")
            ));
        }
        if options.native {
            notes.push(format!(
                "C frames are shown for threads in a system call only; {} of such threads without C frames",
                counted(self.natives.without, "sample")
            ));
        }
        notes
    }

    /// Names the lock orders that can deadlock, while the process still exists to name its locks.
    pub(super) fn find_lock_orders(&mut self) {
        if self.locks.order.cycles().is_empty() {
            return;
        }
        let python = self.sampler.python_mut();
        if let Ok(dump) = ThreadObserver::default().dump(python) {
            self.lock_orders = lock_orders(&mut self.locks.order, python, &dump);
        }
    }

    /// Says why asyncio tasks are missing, if they were requested or an event loop exists.
    fn without_tasks(&self, options: &CaptureOptions) -> Option<String> {
        let python = self.sampler.python();
        let at = python.layout().thread_state.running_loop;
        let has_loop = |slot: &ThreadSlot| {
            let word =
                slot.thread.address.checked_add(at).and_then(|at| python.memory().u64(at).ok());
            word.is_some_and(|address| address != 0)
        };
        let wanted = match options.tasks {
            TaskMode::No => false,
            TaskMode::Running => self.sampler.threads().iter().any(has_loop),
            TaskMode::All => true,
        };
        (wanted && self.tasks.is_unsupported).then(|| {
            format!(
                "process {}: asyncio tasks are not shown, which needs CPython 3.14 or later",
                self.pid
            )
        })
    }
}

/// Returns whether a sample belongs to the mode.
pub(super) fn in_mode(
    mode: Mode,
    state: ThreadState,
    slot: &ThreadSlot,
    gil: bool,
    collecting: Option<u64>,
) -> bool {
    match mode {
        Mode::Wall | Mode::Alloc => true,
        Mode::Cpu => matches!(state, ThreadState::Running | ThreadState::Native),
        Mode::Lock => state == ThreadState::Lock,
        Mode::Gil => {
            state == ThreadState::Gil || gil && slot.thread.attachment == Attachment::Attached
        }
        Mode::Gc => state == ThreadState::Suspended || collecting == Some(slot.thread.address),
    }
}

/// Adds the collector's frame as the leaf of a stack.
pub(super) fn with_gc_frame(
    known: &mut Option<FrameId>,
    stack: StackId,
    builder: &mut Builder,
) -> StackId {
    let frame = *known.get_or_insert_with(|| {
        let function = builder.function("<GC>", "", 0, FrameKind::Gc);
        builder.frame(function, 0)
    });
    builder.stack(stack, frame)
}
