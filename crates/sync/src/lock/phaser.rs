//! A barrier whose parties come and go (Java's `Phaser`), in one word: the phase, how many are
//! registered, how many of them have not arrived. Whoever arrives last marks it as advancing and
//! advances it; who comes in between waits a moment.

use super::{Sleep, wait_for};
use crate::park::WaitSet;
use crate::prim::atomic::{AtomicU64, Ordering};

/// As many parties as there can be.
pub const PARTIES_MAX: u64 = 0x7FFF;

const ONE_PARTY: u64 = 1 << 16;
/// All have arrived, and the last of them has not advanced it yet. A bit of its own: when the last
/// one leaves, nobody is registered either.
const ADVANCING: u64 = 1 << 31;
const PHASE_SHIFT: u32 = 32;
const TERMINATED: u64 = 1 << 63;
const PHASE_MASK: u64 = 0x7FFF_FFFF;

fn unarrived(state: u64) -> u64 {
    state & 0xFFFF
}

fn parties(state: u64) -> u64 {
    state >> 16 & PARTIES_MAX
}

/// The phase, or one less than its negative once terminated.
fn phase(state: u64) -> i64 {
    let phase = (state >> PHASE_SHIFT & PHASE_MASK) as i64;
    if state & TERMINATED == 0 { phase } else { -1 - phase }
}

/// What cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaserError {
    /// Nobody is registered.
    NoParties,
    /// There would be more than [`PARTIES_MAX`].
    TooMany,
    /// The caller gave up while a phase was being advanced.
    GaveUp,
}

/// What an arrival means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// Others are to come; the phase arrived at. Negative if terminated.
    Early(i64),
    /// Everybody is here. Decide, then [`Phaser::advance`].
    Last {
        /// The phase that is over.
        phase: i64,
        /// How many are registered for the next.
        parties: u64,
    },
}

/// The phaser.
pub struct Phaser {
    state: AtomicU64,
    waiters: WaitSet,
}

impl Phaser {
    /// A phaser in phase 0 with that many parties.
    pub fn new(parties: u64) -> Result<Self, PhaserError> {
        if parties > PARTIES_MAX {
            return Err(PhaserError::TooMany);
        }
        Ok(Self {
            state: AtomicU64::new(parties * ONE_PARTY + parties),
            waiters: WaitSet::default(),
        })
    }

    fn state(&self) -> u64 {
        self.state.load(Ordering::Acquire)
    }

    /// The phase, from 0; negative once terminated.
    pub fn phase(&self) -> i64 {
        phase(self.state())
    }

    /// How many are registered.
    pub fn parties(&self) -> u64 {
        parties(self.state())
    }

    /// How many of them have not arrived.
    pub fn unarrived(&self) -> u64 {
        unarrived(self.state())
    }

    /// How many have.
    pub fn arrived(&self) -> u64 {
        let state = self.state();
        parties(state).saturating_sub(unarrived(state))
    }

    /// How many threads wait.
    pub fn waiters(&self) -> usize {
        self.waiters.len()
    }

    /// Whether all are here and the last one has not advanced it yet.
    fn is_advancing(state: u64) -> bool {
        state & TERMINATED == 0 && state & ADVANCING != 0
    }

    /// Changes the state by `change` when nobody is just advancing it; returns it as it was, and as
    /// it became.
    fn update<E>(
        &self,
        sleep: &impl Sleep<E>,
        change: impl Fn(u64) -> Result<u64, PhaserError>,
    ) -> Result<Result<(u64, u64), PhaserError>, E> {
        let mut state = self.state();
        loop {
            if state & TERMINATED != 0 {
                return Ok(Ok((state, state)));
            }
            if Self::is_advancing(state) {
                let over = || !Self::is_advancing(self.state());
                if !wait_for(&self.waiters, std::ptr::from_ref(self).addr(), false, over, sleep)? {
                    return Ok(Err(PhaserError::GaveUp));
                }
                state = self.state();
                continue;
            }
            let next = match change(state) {
                Ok(next) => next,
                Err(error) => return Ok(Err(error)),
            };
            match self.state.compare_exchange_weak(state, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Ok(Ok((state, next))),
                Err(now) => state = now,
            }
        }
    }

    /// Adds `n` parties that have yet to arrive, and returns the phase they arrive at first.
    pub fn register<E>(&self, n: u64, sleep: impl Sleep<E>) -> Result<Result<i64, PhaserError>, E> {
        let change = |state| {
            let fits = n <= PARTIES_MAX - parties(state);
            if fits { Ok(state + n * ONE_PARTY + n) } else { Err(PhaserError::TooMany) }
        };
        Ok(self.update(&sleep, change)?.map(|(_, after)| phase(after)))
    }

    /// Arrives, and with `leave` takes the party out for the phases to come.
    pub fn arrive<E>(
        &self,
        leave: bool,
        sleep: impl Sleep<E>,
    ) -> Result<Result<Arrived, PhaserError>, E> {
        let change = |state| match unarrived(state) {
            0 => Err(PhaserError::NoParties),
            1 => Ok((state - 1 - if leave { ONE_PARTY } else { 0 }) | ADVANCING),
            _ => Ok(state - 1 - if leave { ONE_PARTY } else { 0 }),
        };
        Ok(self.update(&sleep, change)?.map(|(before, after)| match unarrived(after) {
            0 if before & TERMINATED == 0 => {
                Arrived::Last { phase: phase(after), parties: parties(after) }
            }
            _ => Arrived::Early(phase(after)),
        }))
    }

    /// Begins the next phase, or ends it all. Only after [`Arrived::Last`]. Returns the phase it is
    /// in then.
    pub fn advance(&self, terminate: bool) -> i64 {
        let mut state = self.state();
        let next = loop {
            let number = ((state >> PHASE_SHIFT) + 1) & PHASE_MASK;
            let count = parties(state);
            let ended = if terminate { TERMINATED } else { state & TERMINATED };
            let next = ended | number << PHASE_SHIFT | (count * ONE_PARTY) | count;
            match self.state.compare_exchange_weak(state, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => break next,
                Err(now) => state = now,
            }
        };
        self.waiters.notify_all();
        phase(next)
    }

    /// Ends it all: whoever waits goes on, whoever comes goes through.
    pub fn terminate(&self) {
        self.state.fetch_or(TERMINATED, Ordering::AcqRel);
        self.waiters.notify_all();
    }

    /// Waits while the phase is `awaited`, and returns the phase it is in then. None if the caller
    /// gave up.
    pub fn wait<E>(&self, awaited: i64, sleep: impl Sleep<E>) -> Result<Option<i64>, E> {
        let over = || awaited < 0 || self.phase() != awaited;
        let told = wait_for(&self.waiters, std::ptr::from_ref(self).addr(), false, over, sleep)?;
        Ok(told.then(|| self.phase()))
    }
}
