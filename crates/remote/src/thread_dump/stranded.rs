//! Threads that wait for a lock that no thread of their process can release.
//!
//! A fork copies the parent's locks in their current state but only one of its threads: a lock held
//! by another thread stays locked in the child forever. The kernel marks a process that was forked
//! and has not called `exec` since. If the owner of a lock is not a thread of such a process, it
//! was one of the parent. A lock without a recorded owner cannot be released if the process has
//! only one thread, and that thread is waiting. A wait for an event does not count, because a
//! signal handler may set it.

use super::ThreadDump;
use crate::linux::syscall::KernelState;
use crate::python::Python;
use crate::thread_observer::{ThreadInfo, ThreadObserver};
use crate::wait_target::{Releaser, WaitTarget, WaitedObject};

/// `FUTEX_PRIVATE_FLAG`: no other process can wake the thread (`linux/futex.h`).
const FUTEX_PRIVATE: u64 = 128;

/// Facts about a process that decide whether its threads can be stranded.
#[derive(Debug, Clone, Copy)]
pub(super) struct ForkState {
    /// Its parent, if it was forked and has not called `exec` since.
    forked_from: Option<u32>,
    /// Whether it has one thread, including those without Python.
    is_alone: bool,
}

impl ForkState {
    pub(super) fn of(python: &Python) -> ForkState {
        let process = python.process();
        ForkState { forked_from: process.forked_from(), is_alone: process.thread_count() == 1 }
    }

    /// Returns whether no thread in the process can end the wait of this thread.
    pub(super) fn is_stranded(&self, info: &ThreadInfo) -> bool {
        let (Some(blocked), Some(wait)) = (&info.blocked, &info.wait) else { return false };
        let is_private = matches!(info.kernel, KernelState::SystemCall(call) if call.args[1] & FUTEX_PRIVATE != 0);
        if blocked.timed || !is_private || !info.holders.is_empty() {
            return false;
        }
        match (&wait.target, wait.releaser) {
            // The lock is free and about to be taken.
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
    /// Thread name.
    pub name: String,
}

/// Origin of a lock without a holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkOrigin {
    /// Process id of the parent.
    pub pid: u32,
    /// The parent's thread that holds it, if the parent is still running and shows it.
    pub holder: Option<ParentHolder>,
}

/// Returns the parent from which `python` was forked, and its thread that holds what `wait` is for.
/// A lock has the same address in both, as long as the parent runs the same program. `None` if the
/// process was not forked.
#[must_use]
pub fn fork_origin(python: &Python, wait: &WaitedObject) -> Option<ForkOrigin> {
    let pid = python.process().forked_from()?;
    Some(ForkOrigin { pid, holder: parent_holder(python, pid, wait) })
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
    /// Returns the indices of threads that no thread in their process can wake.
    #[must_use]
    pub fn stranded(&self, python: &Python) -> Vec<usize> {
        // With several threads, only an owner that is not one of them matters. This check avoids
        // kernel reads for most processes.
        let may_strand = |info: &ThreadInfo| {
            let has_owner = |wait: &WaitedObject| matches!(wait.releaser, Releaser::Owner(1..));
            let is_open = info.blocked.is_some() && info.holders.is_empty();
            is_open && (self.threads.len() == 1 || info.wait.as_deref().is_some_and(has_owner))
        };
        if !self.threads.iter().any(may_strand) {
            return Vec::new();
        }
        let fork_state = ForkState::of(python);
        (0..self.threads.len())
            .filter(|&index| fork_state.is_stranded(&self.threads[index]))
            .collect()
    }
}
