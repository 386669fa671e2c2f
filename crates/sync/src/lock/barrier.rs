//! A reusable barrier for a fixed number of threads (`threading.Barrier`).

use super::thread_id::{ThreadId, fork_count};
use super::wait_queue::WaitNode;
use super::{Mutex, SPIN_PAUSES, Sleep, lock, spin_until, wait_for};
use crate::park::WaitSet;
use crate::primitive::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// The barrier is broken: the waiting threads do not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenBarrier;

/// Result of [`Barrier::arrive`].
pub enum BarrierArrival {
    /// All parties have arrived. The caller runs the barrier's action, then calls
    /// [`Barrier::open`].
    Last(Generation),
    /// The caller must [`Barrier::wait`] for the others.
    Early(PendingArrival),
}

/// Identifies one use of the barrier.
#[derive(Clone, Copy, Debug)]
pub struct Generation(u64);

/// A thread that has arrived and waits for the others.
pub struct PendingArrival {
    node: Arc<WaitNode>,
    /// Number of threads that arrived earlier.
    pub index: usize,
}

#[derive(Default)]
struct BarrierState {
    arrived: Vec<Arc<WaitNode>>,
    /// Incremented by each opening, abort and reset, so that [`Barrier::open`] can tell whether its
    /// generation is still current.
    generation: u64,
    broken: bool,
    forks: u32,
}

pub struct Barrier {
    parties: usize,
    state: Mutex<BarrierState>,
    /// True while all parties have arrived and the last one runs the barrier's action. Threads that
    /// arrive meanwhile wait for the next generation. Written under `state`'s mutex.
    opening: AtomicBool,
    newcomers: WaitSet,
}

impl Barrier {
    /// Creates a barrier for `parties` threads, at least one.
    pub fn new(parties: usize) -> Self {
        Self {
            parties,
            state: Mutex::new(BarrierState::default()),
            opening: AtomicBool::new(false),
            newcomers: WaitSet::default(),
        }
    }

    pub fn parties(&self) -> usize {
        self.parties
    }

    /// Returns the number of threads that have arrived and wait.
    pub fn waiting(&self) -> usize {
        self.state().arrived.len()
    }

    pub fn is_broken(&self) -> bool {
        self.state().broken
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn state(&self) -> impl std::ops::DerefMut<Target = BarrierState> + '_ {
        let mut state = lock(&self.state);
        let now = fork_count();
        if state.forks != now {
            // The waiting threads exist only in the parent process.
            state.forks = now;
            state.arrived.clear();
            self.opening.store(false, Ordering::Release);
        }
        state
    }

    /// Registers the arrival of the calling thread. Returns `Ok(None)` if `sleep` gave up while the
    /// previous generation was still being opened.
    pub fn arrive<E>(
        &self,
        thread: ThreadId,
        sleep: impl Sleep<E>,
    ) -> Result<Result<Option<BarrierArrival>, BrokenBarrier>, E> {
        loop {
            {
                let mut state = self.state();
                if state.broken {
                    return Ok(Err(BrokenBarrier));
                }
                if !self.opening.load(Ordering::Relaxed) {
                    let index = state.arrived.len();
                    if index + 1 == self.parties {
                        self.opening.store(true, Ordering::Relaxed);
                        return Ok(Ok(Some(BarrierArrival::Last(Generation(state.generation)))));
                    }
                    let node = WaitNode::new(self.address(), thread, 1);
                    state.arrived.push(node.clone());
                    return Ok(Ok(Some(BarrierArrival::Early(PendingArrival { node, index }))));
                }
            }
            let begun = || !self.opening.load(Ordering::Acquire);
            if !wait_for(&self.newcomers, self.address(), false, begun, &sleep)? {
                return Ok(Ok(None));
            }
        }
    }

    /// Waits for the other parties. If `sleep` gives up, the barrier breaks for all of them, unless
    /// all have arrived already: then the caller waits with `patient`, which has no deadline, until
    /// the barrier's action is over.
    pub fn wait<E>(
        &self,
        place: &PendingArrival,
        sleep: impl Sleep<E>,
        patient: impl Sleep<E>,
    ) -> Result<Result<(), BrokenBarrier>, E> {
        let node = &place.node;
        let passed = || if node.is_granted() { Ok(()) } else { Err(BrokenBarrier) };
        let woken = if spin_until(SPIN_PAUSES, || node.parker.is_raised()) {
            Ok(true)
        } else {
            sleep(&node.parker)
        };
        match woken {
            Ok(true) => return Ok(passed()),
            Ok(false) => {
                let state = self.state();
                let waits = state.arrived.iter().any(|other| Arc::ptr_eq(other, node));
                if !waits {
                    return Ok(passed());
                }
                if !self.opening.load(Ordering::Relaxed) {
                    self.end(state, Some(true));
                    return Ok(Err(BrokenBarrier));
                }
            }
            Err(error) => {
                self.leave(node);
                return Err(error);
            }
        }
        match patient(&node.parker) {
            Ok(_) => Ok(passed()),
            Err(error) => {
                self.leave(node);
                Err(error)
            }
        }
    }

    /// Breaks the barrier if `node` still waits in it.
    fn leave(&self, node: &Arc<WaitNode>) {
        let state = self.state();
        if state.arrived.iter().any(|other| Arc::ptr_eq(other, node)) {
            self.end(state, Some(true));
        }
    }

    /// Lets all waiting threads pass. Fails if the barrier was broken or reset meanwhile.
    pub fn open(&self, generation: Generation) -> Result<(), BrokenBarrier> {
        let state = self.state();
        if state.generation != generation.0 {
            return Err(BrokenBarrier);
        }
        state.arrived.iter().for_each(|node| node.grant());
        self.end(state, None);
        Ok(())
    }

    /// Breaks the barrier for waiting and for later threads.
    pub fn abort(&self) {
        self.end(self.state(), Some(true));
    }

    /// Makes the waiting threads fail and restores the barrier.
    pub fn reset(&self) {
        self.end(self.state(), Some(false));
    }

    /// Ends the current generation and wakes all its waiters.
    fn end(&self, mut state: impl std::ops::DerefMut<Target = BarrierState>, broken: Option<bool>) {
        let woken = std::mem::take(&mut state.arrived);
        state.generation += 1;
        state.broken = broken.unwrap_or(state.broken);
        self.opening.store(false, Ordering::Release);
        drop(state);
        woken.iter().for_each(|node| node.parker.unpark());
        self.newcomers.notify_all();
    }
}
