//! What holds threads back all together: the GIL, and the stop-the-world pauses of free-threaded
//! builds.
//!
//! Both are structures inside the interpreter (`struct _gil_runtime_state` in `pycore_gil.h`,
//! `struct _stoptheworld_state` in `pycore_interp_structs.h`). A build with the GIL never stops the
//! world: holding the GIL is enough there.

use crate::memory::{Memory, ReadError, half, word};
use crate::python::{Interpreter, Python};
use cpython_layout::DebugOffsets;
use serde::Serialize;

/// The GIL as one look found it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Gil {
    /// Whether there is one to be taken; a free-threaded build has it off unless an extension or
    /// `-X gil=1` wants it.
    pub enabled: bool,
    /// A thread holds it.
    pub locked: bool,
    /// The thread state that holds it or, if it is not locked, held it last. 0 for none.
    pub holder: u64,
    /// Times it went from one thread to another since the interpreter started. Wraps at 2^64.
    pub switches: u64,
    /// Where it is: a thread whose futex lies in it waits for it.
    pub address: u64,
    /// Its size in bytes.
    pub size: u64,
}

/// `_gil_runtime_state`: from `locked` to its end there are `switch_number` and two pairs of
/// condition and mutex: 8 + 8 + 2 * (48 + 40) bytes with glibc on 64-bit machines.
const AFTER_LOCKED: u64 = 192;

impl Gil {
    /// Reads the GIL of the interpreter at `interpreter`, which may be another interpreter's that
    /// it shares.
    ///
    /// # Errors
    /// The interpreter is not there (any more), or the process ended.
    pub fn read(
        memory: &dyn Memory,
        offsets: &DebugOffsets,
        interpreter: u64,
    ) -> Result<Gil, ReadError> {
        let at = &offsets.interpreter_state;
        let address = memory.u64(interpreter.saturating_add(at.ceval_gil))?;
        if address == 0 {
            return Ok(Gil::default());
        }
        // The exported offsets are of the interpreter's own `_gil`; subinterpreters may point to
        // another's.
        let inside = |offset: u64| offset.saturating_sub(at.gil_runtime_state);
        let (locked, holder) =
            (inside(at.gil_runtime_state_locked), inside(at.gil_runtime_state_holder));
        let bytes = memory.vec(address, locked.max(holder).saturating_add(16), 4096)?;
        let enabled = if offsets.free_threaded { half(&bytes, 0) != 0 } else { true };
        Ok(Gil {
            enabled,
            // -1 before it is made.
            locked: half(&bytes, locked as usize) == 1,
            holder: word(&bytes, holder as usize),
            switches: word(&bytes, locked as usize + 8),
            address,
            size: locked.saturating_add(AFTER_LOCKED),
        })
    }
}

/// A stop-the-world pause, asked for or under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct World {
    /// A thread wants every other thread of the interpreter (or of the process) to stop.
    pub requested: bool,
    /// They all have.
    pub stopped: bool,
    /// The thread state that asked. Only while `requested`: the field outlives the pause.
    pub requester: Option<u64>,
    /// Threads that have not stopped yet.
    pub awaited: u64,
}

/// Bytes of `struct _stoptheworld_state`.
pub const WORLD_BYTES: usize = 24;

impl World {
    /// Understands the structure's bytes; `None` where they are none: `is_global` says which of the
    /// two kinds is expected.
    #[must_use]
    pub fn parse(bytes: &[u8; WORLD_BYTES], is_global: bool) -> Option<World> {
        let [mutex, requested, stopped, global, event, ..] = *bytes;
        let sound = mutex <= 3
            && requested <= 1
            && stopped <= 1
            && global == u8::from(is_global)
            && event <= 3;
        let awaited = word(bytes, 8);
        if !sound || awaited > 1 << 20 {
            return None;
        }
        let requested = requested == 1;
        let requester = Some(word(bytes, 16)).filter(|&state| requested && state != 0);
        Some(World {
            requested,
            stopped: stopped == 1,
            requester,
            awaited: if requested { awaited } else { 0 },
        })
    }

    /// Understands an interpreter's own structure and its process's: the pause that holds the
    /// interpreter up.
    pub(crate) fn of(own: &[u8], whole: &[u8]) -> Option<World> {
        let own = World::parse(own.try_into().ok()?, false)?;
        let whole = World::parse(whole.try_into().ok()?, true)?;
        Some(if whole.requested { whole } else { own })
    }
}

impl Python {
    /// The GIL that the interpreter uses, its own or one it shares.
    ///
    /// # Errors
    /// The interpreter is not there (any more), or the process ended.
    pub fn gil(&self, interpreter: Interpreter) -> Result<Gil, ReadError> {
        Gil::read(self.memory(), self.offsets(), interpreter.address)
    }

    /// The pause that holds up the interpreter, its own or the whole process's. Builds with the GIL
    /// never stop the world, and it is never `requested` there. `None` where it was not found: this
    /// patch release has it elsewhere.
    ///
    /// # Errors
    /// The interpreter is not there (any more), or the process ended.
    pub fn world(&self, interpreter: Interpreter) -> Result<Option<World>, ReadError> {
        if !self.offsets().free_threaded {
            return Ok(Some(World::default()));
        }
        let Some((own, whole)) = self.world_places(interpreter) else { return Ok(None) };
        let own: [u8; WORLD_BYTES] = self.memory().bytes(own)?;
        let whole: [u8; WORLD_BYTES] = self.memory().bytes(whole)?;
        Ok(World::of(&own, &whole))
    }

    /// Where the pauses of the interpreter and of its process are kept; `None` where there are none
    /// or it is not known.
    pub(crate) fn world_places(&self, interpreter: Interpreter) -> Option<(u64, u64)> {
        let own = self.layout().interpreter.stoptheworld?;
        let whole = self.layout().runtime.stoptheworld?;
        let places =
            (interpreter.address.saturating_add(own), self.runtime().saturating_add(whole));
        self.offsets().free_threaded.then_some(places)
    }
}

/// Stop-the-world pauses over time, from looks: a pause that begins and ends between two looks is
/// not seen, and one that is seen stands for the time since the look before it.
#[derive(Debug, Clone, Copy, Default)]
pub struct WorldWatch {
    last_ns: u64,
    spell: Option<u64>,
    /// What has been seen since the first look.
    pub seen: Pauses,
}

/// Pauses that were seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Pauses {
    /// Looks.
    pub looks: u64,
    /// Looks that found the world stopped or stopping.
    pub hits: u64,
    /// Unbroken runs of those.
    pub count: u64,
    /// Seconds, as the share of looks says.
    pub seconds: f64,
    /// The longest unbroken run, in seconds.
    pub longest_s: f64,
}

impl WorldWatch {
    /// Takes in a look at `now_ns` (`CLOCK_MONOTONIC`); the first only sets the beginning. Gives
    /// what it adds.
    pub fn look(&mut self, now_ns: u64, requested: bool) -> Pauses {
        let first = self.seen.looks == 0;
        let mut new = Pauses { looks: 1, ..Pauses::default() };
        if requested {
            let last_ns = if first { now_ns } else { self.last_ns };
            let spell = self.spell.is_none();
            let since = *self.spell.get_or_insert(last_ns);
            new.hits = 1;
            new.count = u64::from(spell);
            new.longest_s = now_ns.saturating_sub(since) as f64 / 1e9;
            new.seconds = now_ns.saturating_sub(last_ns) as f64 / 1e9;
        } else {
            self.spell = None;
        }
        self.last_ns = now_ns;
        self.seen = self.seen.plus(&new);
        new
    }
}

impl Pauses {
    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Pauses) -> Pauses {
        Pauses {
            looks: self.looks.saturating_add(other.looks),
            hits: self.hits.saturating_add(other.hits),
            count: self.count.saturating_add(other.count),
            seconds: self.seconds + other.seconds,
            longest_s: self.longest_s.max(other.longest_s),
        }
    }
}

#[cfg(test)]
mod tests;
