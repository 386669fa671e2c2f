//! Threads that wait for a lock that no thread of their process can release.
//!
//! A fork copies the locks of the parent as they are and one of its threads: a lock that another
//! thread held stays locked in the child for ever. The kernel marks a process that was forked and
//! has not called `exec` since. An owner that is no thread of such a process was one of the parent;
//! a lock that records no owner cannot be released if the process has one thread only, which waits.
//! A wait for an event is not counted: a signal handler may set it.

use super::ThreadDump;
use crate::linux::calls::Doing;
use crate::python::Python;
use crate::thread_observer::{ThreadInfo, ThreadObserver};
use crate::wait_target::{Releaser, WaitTarget, WaitedObject};

/// `FUTEX_PRIVATE_FLAG`: no other process can wake the sleeper (`linux/futex.h`).
const FUTEX_PRIVATE: u64 = 128;

/// What the kernel knows of a process as a whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    /// Its parent, if it was forked from it and has not called `exec` since.
    forked_from: Option<u32>,
    /// It has one thread, those without Python included.
    is_alone: bool,
}

impl Family {
    pub(super) fn of(python: &Python) -> Family {
        let process = python.process();
        Family { forked_from: process.forked_from(), is_alone: process.thread_count() == 1 }
    }

    /// Returns whether nobody in the process can end the wait of this thread.
    pub(super) fn strands(&self, info: &ThreadInfo) -> bool {
        let (Some(blocked), Some(wait)) = (&info.blocked, &info.wait) else { return false };
        let is_private =
            matches!(info.kernel, Doing::Call(call) if call.args[1] & FUTEX_PRIVATE != 0);
        if blocked.timed || !is_private || !info.holders.is_empty() {
            return false;
        }
        match (&wait.target, wait.releaser) {
            // Free: it is about to be taken.
            (_, Releaser::Owner(0)) => false,
            (_, Releaser::Owner(_)) => self.is_alone || self.forked_from.is_some(),
            (target, _) => {
                self.is_alone && (target.is_contention() || *target == WaitTarget::Futex)
            }
        }
    }
}

/// A thread of the parent that held a lock when this process was forked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentHolder {
    /// `get_native_id()` of the thread.
    pub native_id: u32,
    /// Its name.
    pub name: String,
}

/// Where a lock without a holder comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The parent.
    pub pid: u32,
    /// The thread of the parent that has it, where the parent still lives and says so.
    pub holder: Option<ParentHolder>,
}

/// Returns the process that `python` was forked from, and its thread that has what `wait` is for. A
/// lock has the same address in both, as long as the parent runs the same program. `None` for a
/// process that was not forked.
#[must_use]
pub fn origin(python: &Python, wait: &WaitedObject) -> Option<Origin> {
    let pid = python.process().forked_from()?;
    Some(Origin { pid, holder: parent_holder(python, pid, wait) })
}

fn parent_holder(python: &Python, pid: u32, wait: &WaitedObject) -> Option<ParentHolder> {
    let mut parent = Python::attach(pid).ok()?;
    if parent.process().program() != python.process().program() {
        return None;
    }
    let dump = ThreadObserver::default().dump(&mut parent).ok()?;
    let has_it = |info: &&ThreadInfo| match wait.releaser {
        Releaser::Owner(ident) => info.thread.ident == ident,
        _ => info.holds.iter().any(|hold| hold.lock == wait.object),
    };
    let holder = dump.threads.iter().find(has_it)?;
    let native_id = holder.thread.own_id;
    let name = super::thread_names(&parent, &dump).remove(&holder.thread.address);
    Some(ParentHolder { native_id, name: name.unwrap_or_else(|| format!("thread {native_id}")) })
}

impl ThreadDump {
    /// Threads that nobody in their process can wake, by their index.
    #[must_use]
    pub fn stranded(&self, python: &Python) -> Vec<usize> {
        // With several threads only an owner that is none of them matters. This saves asking the
        // kernel about most processes.
        let may_strand = |info: &ThreadInfo| {
            let has_owner = |wait: &WaitedObject| matches!(wait.releaser, Releaser::Owner(1..));
            let is_open = info.blocked.is_some() && info.holders.is_empty();
            is_open && (self.threads.len() == 1 || info.wait.as_deref().is_some_and(has_owner))
        };
        if !self.threads.iter().any(may_strand) {
            return Vec::new();
        }
        let family = Family::of(python);
        (0..self.threads.len()).filter(|&index| family.strands(&self.threads[index])).collect()
    }
}
