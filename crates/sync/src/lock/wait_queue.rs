//! Waiters in the order of their arrival. The queue is accessed under a mutex for a few
//! instructions only. Each waiter sleeps on a cache line of its own, so waking one does not touch
//! the others.

use super::thread_id::{ThreadId, fork_count};
use crate::park::Parker;
use crate::primitive::atomic::{AtomicBool, Ordering};
use std::collections::VecDeque;
use std::sync::Arc;

/// One queued thread.
#[repr(align(64))]
pub(super) struct WaitNode {
    pub(super) parker: Parker,
    /// Set with Release by the thread that grants the lock or permits, read with Acquire.
    granted: AtomicBool,
    pub(super) thread: ThreadId,
    /// Number of permits requested; 1 for locks.
    pub(super) wanted: u64,
}

impl WaitNode {
    pub(super) fn new(subject: usize, thread: ThreadId, wanted: u64) -> Arc<Self> {
        Arc::new(Self {
            parker: Parker::new(subject),
            granted: AtomicBool::new(false),
            thread,
            wanted,
        })
    }

    /// Marks the request as granted. The caller must then raise the parker, after releasing the
    /// queue's mutex.
    pub(super) fn grant(&self) {
        self.granted.store(true, Ordering::Release);
    }

    pub(super) fn is_granted(&self) -> bool {
        self.granted.load(Ordering::Acquire)
    }
}

/// The queue of waiters.
#[derive(Default)]
pub(super) struct WaitQueue {
    nodes: VecDeque<Arc<WaitNode>>,
    /// Value of [`forks`] at the last access.
    forks: u32,
}

impl WaitQueue {
    /// Discards the waiters of a parent process. Returns true if the process was forked since the
    /// last call.
    pub(super) fn discard_after_fork(&mut self) -> bool {
        let now = fork_count();
        let forked = self.forks != now;
        if forked {
            self.forks = now;
            self.nodes.clear();
        }
        forked
    }

    pub(super) fn push(&mut self, node: Arc<WaitNode>) {
        self.nodes.push_back(node);
    }

    pub(super) fn pop(&mut self) -> Option<Arc<WaitNode>> {
        self.nodes.pop_front()
    }

    pub(super) fn first(&self) -> Option<&Arc<WaitNode>> {
        self.nodes.front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Removes a waiter. Returns `None` if it is no longer queued, which means that its request was
    /// granted.
    pub(super) fn remove(&mut self, node: &Arc<WaitNode>) -> Option<Arc<WaitNode>> {
        let index = self.nodes.iter().position(|other| Arc::ptr_eq(other, node))?;
        self.nodes.remove(index)
    }
}
