//! A point that a fixed number of threads pass together, again and again (`threading.Barrier`).

use super::me::{Me, forks};
use super::queue::Node;
use super::{Mutex, SHORT, Sleep, lock, spin_until, wait_for};
use crate::park::WaitSet;
use crate::prim::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// The threads will not pass together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// What an arrival means.
pub enum Arrival {
    /// Everybody is here. Do what is to be done in between, then [`Barrier::open`].
    Last(Turn),
    /// [`Barrier::wait`] for the others.
    Early(Place),
}

/// Which crossing it is.
#[derive(Clone, Copy, Debug)]
pub struct Turn(u64);

/// A thread's place in a crossing.
pub struct Place {
    node: Arc<Node>,
    /// How many had arrived before.
    pub index: usize,
}

#[derive(Default)]
struct State {
    here: Vec<Arc<Node>>,
    /// Counts crossings, aborts and resets, so that whoever opens knows whether it still may.
    turn: u64,
    broken: bool,
    forks: u32,
}

/// The barrier.
pub struct Barrier {
    parties: usize,
    state: Mutex<State>,
    /// Everybody is here, and the last one does what is to be done in between. Newcomers wait for
    /// the next crossing to begin.
    opening: AtomicBool,
    newcomers: WaitSet,
}

impl Barrier {
    /// A barrier for that many threads, at least one.
    pub fn new(parties: usize) -> Self {
        Self {
            parties,
            state: Mutex::new(State::default()),
            opening: AtomicBool::new(false),
            newcomers: WaitSet::default(),
        }
    }

    /// How many threads cross together.
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// How many are waiting.
    pub fn waiting(&self) -> usize {
        self.state().here.len()
    }

    /// Whether it is broken.
    pub fn is_broken(&self) -> bool {
        self.state().broken
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn state(&self) -> impl std::ops::DerefMut<Target = State> + '_ {
        let mut state = lock(&self.state);
        let now = forks();
        if state.forks != now {
            // Whoever waited stayed behind.
            state.forks = now;
            state.here.clear();
            self.opening.store(false, Ordering::Release);
        }
        state
    }

    /// Arrives. `Ok(None)` if the caller gave up before a crossing under way was over.
    pub fn arrive<E>(
        &self,
        me: Me,
        sleep: impl Sleep<E>,
    ) -> Result<Result<Option<Arrival>, Broken>, E> {
        loop {
            {
                let mut state = self.state();
                if state.broken {
                    return Ok(Err(Broken));
                }
                if !self.opening.load(Ordering::Relaxed) {
                    let index = state.here.len();
                    if index + 1 == self.parties {
                        self.opening.store(true, Ordering::Relaxed);
                        return Ok(Ok(Some(Arrival::Last(Turn(state.turn)))));
                    }
                    let node = Node::new(self.address(), me, 1);
                    state.here.push(node.clone());
                    return Ok(Ok(Some(Arrival::Early(Place { node, index }))));
                }
            }
            let begun = || !self.opening.load(Ordering::Acquire);
            if !wait_for(&self.newcomers, self.address(), false, begun, &sleep)? {
                return Ok(Ok(None));
            }
        }
    }

    /// Waits for the others. Giving up breaks the barrier for all, unless everybody is here
    /// already: then the caller sleeps on, by `patient`, which has no deadline, until what is done
    /// in between is over.
    pub fn wait<E>(
        &self,
        place: &Place,
        sleep: impl Sleep<E>,
        patient: impl Sleep<E>,
    ) -> Result<Result<(), Broken>, E> {
        let node = &place.node;
        let passed = || if node.is_granted() { Ok(()) } else { Err(Broken) };
        let woken = if spin_until(SHORT, || node.parker.is_raised()) {
            Ok(true)
        } else {
            sleep(&node.parker)
        };
        match woken {
            Ok(true) => return Ok(passed()),
            Ok(false) => {
                let state = self.state();
                let waits = state.here.iter().any(|other| Arc::ptr_eq(other, node));
                if !waits {
                    return Ok(passed());
                }
                if !self.opening.load(Ordering::Relaxed) {
                    self.end(state, Some(true));
                    return Ok(Err(Broken));
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

    /// Breaks the barrier if this one is still missing from it.
    fn leave(&self, node: &Arc<Node>) {
        let state = self.state();
        if state.here.iter().any(|other| Arc::ptr_eq(other, node)) {
            self.end(state, Some(true));
        }
    }

    /// Lets everybody pass. Fails if the barrier was broken or reset meanwhile.
    pub fn open(&self, turn: Turn) -> Result<(), Broken> {
        let state = self.state();
        if state.turn != turn.0 {
            return Err(Broken);
        }
        state.here.iter().for_each(|node| node.grant());
        self.end(state, None);
        Ok(())
    }

    /// Breaks the barrier: whoever waits, and whoever comes, learns it.
    pub fn abort(&self) {
        self.end(self.state(), Some(true));
    }

    /// Sends away whoever waits, and begins anew.
    pub fn reset(&self) {
        self.end(self.state(), Some(false));
    }

    /// Ends a crossing, one way or another.
    fn end(&self, mut state: impl std::ops::DerefMut<Target = State>, broken: Option<bool>) {
        let told = std::mem::take(&mut state.here);
        state.turn += 1;
        state.broken = broken.unwrap_or(state.broken);
        self.opening.store(false, Ordering::Release);
        drop(state);
        told.iter().for_each(|node| node.parker.unpark());
        self.newcomers.notify_all();
    }
}
