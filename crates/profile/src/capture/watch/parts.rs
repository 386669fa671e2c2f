//! What one sample is made of, besides its stack: whether it belongs to the mode, the frame of the
//! collector, the name of its thread; and what a process says at the end of what could not be told.

use super::{Options, TaskMode, Watch};
use crate::Builder;
use crate::header::Mode;
use crate::model::{FrameId, Kind, StackId};
use ungil_format::counted;
use ungil_remote::sample::{Sampler, ThreadSlot};
use ungil_remote::snapshot::{LockOrderView, lock_orders};
use ungil_remote::thread_observer::ThreadObserver;
use ungil_remote::{Attachment, ThreadState};

impl Watch {
    /// What could not be told of this process, and why.
    pub(in crate::capture) fn notes(&self, options: &Options) -> Vec<String> {
        let mut notes: Vec<String> = self.without_tasks(options).into_iter().collect();
        let of = |order: &LockOrderView| {
            format!("locks are taken in orders that could deadlock: {order}")
        };
        notes.extend(self.lock_orders.cycles.iter().map(of));
        if self.is_refused {
            notes.push(format!(
                "what waiting threads of process {} wait for is not known: the kernel does not show /proc/PID/task/TID/syscall",
                self.pid
            ));
        }
        if self.pauses.lost() > 0 {
            notes.push(format!(
                "process {}: {} without times, which the interpreter had overwritten before they were read",
                self.pid,
                counted(self.pauses.lost(), "collection")
            ));
        }
        if options.native {
            notes.push(format!(
                "C frames are those of threads that sleep in a system call; without them: {} of such threads",
                counted(self.natives.without, "sample")
            ));
        }
        notes
    }

    /// Names the lock orders seen so far that could deadlock, while the process is there to say
    /// what its locks are called.
    pub(super) fn find_lock_orders(&mut self) {
        if self.locks.order.cycles().is_empty() {
            return;
        }
        let python = self.looker.python_mut();
        if let Ok(dump) = ThreadObserver::default().dump(python) {
            self.lock_orders = lock_orders(&mut self.locks.order, python, &dump);
        }
    }

    /// Why asyncio's tasks are not told, where they were asked for or there are any.
    fn without_tasks(&self, options: &Options) -> Option<String> {
        let python = self.looker.python();
        let at = python.layout().thread_state.running_loop;
        let has_loop = |slot: &ThreadSlot| {
            let word =
                slot.thread.address.checked_add(at).and_then(|at| python.memory().u64(at).ok());
            word.is_some_and(|address| address != 0)
        };
        let wanted = match options.tasks {
            TaskMode::No => false,
            TaskMode::Running => self.looker.threads().iter().any(has_loop),
            TaskMode::All => true,
        };
        (wanted && self.tasks.is_too_old).then(|| {
            format!(
                "asyncio's tasks of process {} are not told: that takes CPython 3.14 or later",
                self.pid
            )
        })
    }
}

/// Whether a sample belongs to what was asked for.
pub(super) fn is_of(
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

pub(super) fn collector(
    known: &mut Option<FrameId>,
    stack: StackId,
    builder: &mut Builder,
) -> StackId {
    let frame = *known.get_or_insert_with(|| {
        let function = builder.function("<GC>", "", 0, Kind::Gc);
        builder.frame(function, 0)
    });
    builder.stack(stack, frame)
}

/// What the program calls a thread.
pub(super) fn name_of(slot: &ThreadSlot, looker: &Sampler, pid: u32) -> Option<String> {
    if slot.thread.native_id == pid {
        return Some("MainThread".into());
    }
    let python = looker.python();
    let stack = python.stack(&slot.thread).ok()?;
    python.objects().thread_name(&stack.frames).filter(|name| !name.is_empty())
}
