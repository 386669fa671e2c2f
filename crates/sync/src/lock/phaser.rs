//! A barrier whose parties may join and leave (Java's `Phaser`), in one word. The last party to
//! arrive marks the phase as advancing, then advances it; operations that find it advancing wait
//! until that is done.

use super::{Sleep, wait_for};
use crate::park::WaitSet;
use crate::primitive::atomic::{AtomicU64, Ordering};

/// Maximum number of registered parties.
pub const MAX_PARTIES: u64 = 0x7FFF;

const ONE_PARTY: u64 = 1 << 16;
/// State bit: all parties have arrived, and the last one has not advanced the phase yet. It cannot
/// be derived from the counts: when the last party leaves, no party is registered either.
const ADVANCING: u64 = 1 << 31;
const PHASE_SHIFT: u32 = 32;
const TERMINATED: u64 = 1 << 63;
const PHASE_MASK: u64 = 0x7FFF_FFFF;

fn unarrived(state: u64) -> u64 {
    state & 0xFFFF
}

fn parties(state: u64) -> u64 {
    state >> 16 & MAX_PARTIES
}

/// Returns the phase, or its negative minus one once the phaser is terminated.
fn phase(state: u64) -> i64 {
    let phase = (state >> PHASE_SHIFT & PHASE_MASK) as i64;
    if state & TERMINATED == 0 { phase } else { -1 - phase }
}

/// Why a phaser operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaserError {
    /// No party is registered.
    NoParties,
    /// There would be more than [`MAX_PARTIES`] parties.
    TooMany,
    /// The caller's sleep gave up while the phase was being advanced.
    GaveUp,
}

/// Result of [`Phaser::arrive`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaserArrival {
    /// Other parties have yet to arrive. ReadHolds the phase arrived at, negative if terminated.
    Early(i64),
    /// All parties have arrived. The caller decides whether to terminate, then calls
    /// [`Phaser::advance`].
    Last {
        /// The phase that is complete.
        phase: i64,
        /// Number of parties registered for the next phase.
        parties: u64,
    },
}

/// The phaser.
pub struct Phaser {
    /// Bits 0 to 15: parties that have not arrived. Bits 16 to 30: registered parties. Bit 31:
    /// [`ADVANCING`]. Bits 32 to 62: the phase. Bit 63: [`TERMINATED`]. Changed with AcqRel, read
    /// with Acquire.
    state: AtomicU64,
    waiters: WaitSet,
}

impl Phaser {
    /// Creates a phaser in phase 0 with `parties` registered parties.
    pub fn new(parties: u64) -> Result<Self, PhaserError> {
        if parties > MAX_PARTIES {
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

    /// Returns the phase, counted from 0; negative once terminated.
    pub fn phase(&self) -> i64 {
        phase(self.state())
    }

    /// Returns the number of registered parties.
    pub fn parties(&self) -> u64 {
        parties(self.state())
    }

    /// Returns the number of parties that have not arrived.
    pub fn unarrived(&self) -> u64 {
        unarrived(self.state())
    }

    /// Returns the number of parties that have arrived.
    pub fn arrived(&self) -> u64 {
        let state = self.state();
        parties(state).saturating_sub(unarrived(state))
    }

    /// Returns the number of waiting threads.
    pub fn waiters(&self) -> usize {
        self.waiters.len()
    }

    /// Returns true if all parties have arrived and the phase has not been advanced yet.
    fn is_advancing(state: u64) -> bool {
        state & TERMINATED == 0 && state & ADVANCING != 0
    }

    /// Applies `change` to the state once no thread is advancing the phase. Returns the state
    /// before and after. Does nothing once terminated.
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

    /// Registers `n` parties that have yet to arrive. Returns the first phase they take part in.
    pub fn register<E>(&self, n: u64, sleep: impl Sleep<E>) -> Result<Result<i64, PhaserError>, E> {
        let change = |state| {
            let fits = n <= MAX_PARTIES - parties(state);
            if fits { Ok(state + n * ONE_PARTY + n) } else { Err(PhaserError::TooMany) }
        };
        Ok(self.update(&sleep, change)?.map(|(_, after)| phase(after)))
    }

    /// Arrives at the current phase. With `leave`, also deregisters the party from later phases.
    pub fn arrive<E>(
        &self,
        leave: bool,
        sleep: impl Sleep<E>,
    ) -> Result<Result<PhaserArrival, PhaserError>, E> {
        let change = |state| match unarrived(state) {
            0 => Err(PhaserError::NoParties),
            1 => Ok((state - 1 - if leave { ONE_PARTY } else { 0 }) | ADVANCING),
            _ => Ok(state - 1 - if leave { ONE_PARTY } else { 0 }),
        };
        Ok(self.update(&sleep, change)?.map(|(before, after)| match unarrived(after) {
            0 if before & TERMINATED == 0 => {
                PhaserArrival::Last { phase: phase(after), parties: parties(after) }
            }
            _ => PhaserArrival::Early(phase(after)),
        }))
    }

    /// Begins the next phase, or terminates the phaser. Call only after [`PhaserArrival::Last`].
    /// Returns the new phase.
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

    /// Terminates the phaser: waiting threads go on, and later waits return at once.
    pub fn terminate(&self) {
        self.state.fetch_or(TERMINATED, Ordering::AcqRel);
        self.waiters.notify_all();
    }

    /// Waits while the phase is `awaited` and returns the new phase. Returns `None` if `sleep` gave
    /// up.
    pub fn wait<E>(&self, awaited: i64, sleep: impl Sleep<E>) -> Result<Option<i64>, E> {
        let over = || awaited < 0 || self.phase() != awaited;
        let passed = wait_for(&self.waiters, std::ptr::from_ref(self).addr(), false, over, sleep)?;
        Ok(passed.then(|| self.phase()))
    }
}
