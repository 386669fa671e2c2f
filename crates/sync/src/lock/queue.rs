//! Waiters in the order they came. The queue is touched under a mutex and only for a few
//! instructions; what a waiter sleeps on is its own cache line, and telling it touches nobody
//! else's.

use super::me::{Me, forks};
use crate::park::Parker;
use crate::prim::atomic::{AtomicBool, Ordering};
use std::collections::VecDeque;
use std::sync::Arc;

/// One who waits.
#[repr(align(64))]
pub(super) struct Node {
    pub(super) parker: Parker,
    granted: AtomicBool,
    pub(super) me: Me,
    /// How much is waited for, where there can be more than one.
    pub(super) wanted: u64,
}

impl Node {
    pub(super) fn new(subject: usize, me: Me, wanted: u64) -> Arc<Self> {
        Arc::new(Self { parker: Parker::new(subject), granted: AtomicBool::new(false), me, wanted })
    }

    /// Says that what is waited for is the waiter's. To be followed by raising its parker, with the
    /// queue's mutex released.
    pub(super) fn grant(&self) {
        self.granted.store(true, Ordering::Release);
    }

    pub(super) fn is_granted(&self) -> bool {
        self.granted.load(Ordering::Acquire)
    }
}

/// The waiters, in order.
#[derive(Default)]
pub(super) struct Queue {
    nodes: VecDeque<Arc<Node>>,
    forks: u32,
}

impl Queue {
    /// Forgets the waiters that a fork left behind. True if the process was forked since the last
    /// call.
    pub(super) fn mind_forks(&mut self) -> bool {
        let now = forks();
        let forked = self.forks != now;
        if forked {
            self.forks = now;
            self.nodes.clear();
        }
        forked
    }

    pub(super) fn push(&mut self, node: Arc<Node>) {
        self.nodes.push_back(node);
    }

    pub(super) fn pop(&mut self) -> Option<Arc<Node>> {
        self.nodes.pop_front()
    }

    pub(super) fn first(&self) -> Option<&Arc<Node>> {
        self.nodes.front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Takes a waiter out. None if it is not there any more: then it has been granted what it waits
    /// for.
    pub(super) fn remove(&mut self, node: &Arc<Node>) -> Option<Arc<Node>> {
        let place = self.nodes.iter().position(|other| Arc::ptr_eq(other, node))?;
        self.nodes.remove(place)
    }
}
