//! Conditions that block all threads: the GIL, and the stop-the-world pauses of free-threaded
//! builds.
//!
//! Both are structures inside the interpreter (`struct _gil_runtime_state` in `pycore_gil.h`,
//! `struct _stoptheworld_state` in `pycore_interp_structs.h`). A build with the GIL has no
//! stop-the-world pauses, because holding the GIL suffices.

use crate::memory::{Memory, ReadError, half, word};
use crate::python::{Interpreter, Python};
use cpython_layout::DebugOffsets;
use serde::Serialize;

/// State of the GIL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Gil {
    /// Whether a GIL is in use. In a free-threaded build it is off unless enabled by an extension
    /// or `-X gil=1`.
    pub enabled: bool,
    /// Whether a thread holds it.
    pub locked: bool,
    /// Thread state that holds it or, if it is free, held it last. 0 if there is none.
    pub holder: u64,
    /// Number of switches between threads since the interpreter's start. Wraps at 2^64.
    pub switches: u64,
    /// Address of its state. A thread that sleeps on a futex inside it waits for the GIL.
    pub address: u64,
    /// Size of its state in bytes.
    pub size: u64,
}

/// Size of `_gil_runtime_state` from `locked` on: `switch_number` and two pairs of condition
/// variable and mutex, 8 + 8 + 2 * (48 + 40) bytes with glibc on 64-bit machines.
const AFTER_LOCKED: u64 = 192;

impl Gil {
    /// Reads the GIL used by the interpreter at `interpreter`, which may be shared with another
    /// interpreter.
    ///
    /// # Errors
    /// The interpreter no longer exists, or the process ended.
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
        // The exported offsets are those of the interpreter's own `_gil`; a subinterpreter may use
        // another's.
        let inside = |offset: u64| offset.saturating_sub(at.gil_runtime_state);
        let (locked, holder) =
            (inside(at.gil_runtime_state_locked), inside(at.gil_runtime_state_holder));
        let bytes = memory.vec(address, locked.max(holder).saturating_add(16), 4096)?;
        let enabled = if offsets.free_threaded { half(&bytes, 0) != 0 } else { true };
        Ok(Gil {
            enabled,
            // -1 before it is initialized.
            locked: half(&bytes, locked as usize) == 1,
            holder: word(&bytes, holder as usize),
            switches: word(&bytes, locked as usize + 8),
            address,
            size: locked.saturating_add(AFTER_LOCKED),
        })
    }
}

/// State of a stop-the-world pause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StopTheWorldState {
    /// Whether a thread has requested that all other threads of the interpreter (or of the process)
    /// stop.
    pub requested: bool,
    /// Whether they have all stopped.
    pub stopped: bool,
    /// Thread state that requested the pause. Only while `requested`, because the field is not
    /// cleared.
    pub requester: Option<u64>,
    /// Number of threads that have not stopped yet.
    pub awaited: u64,
}

/// Size of `struct _stoptheworld_state` in bytes.
pub const STOP_THE_WORLD_SIZE: usize = 24;

impl StopTheWorldState {
    /// Parses the structure; `None` if the bytes are invalid. `is_global` tells which of the two
    /// kinds is expected.
    #[must_use]
    pub fn parse(bytes: &[u8; STOP_THE_WORLD_SIZE], is_global: bool) -> Option<StopTheWorldState> {
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
        Some(StopTheWorldState {
            requested,
            stopped: stopped == 1,
            requester,
            awaited: if requested { awaited } else { 0 },
        })
    }

    /// Parses the structures of an interpreter and of the process, and returns the pause that
    /// blocks the interpreter.
    pub(crate) fn parse_both(own: &[u8], whole: &[u8]) -> Option<StopTheWorldState> {
        let own = StopTheWorldState::parse(own.try_into().ok()?, false)?;
        let whole = StopTheWorldState::parse(whole.try_into().ok()?, true)?;
        Some(if whole.requested { whole } else { own })
    }
}

impl Python {
    /// Returns the GIL that the interpreter uses, its own or a shared one.
    ///
    /// # Errors
    /// The interpreter no longer exists, or the process ended.
    pub fn gil(&self, interpreter: Interpreter) -> Result<Gil, ReadError> {
        Gil::read(self.memory(), self.offsets(), interpreter.address)
    }

    /// Returns the pause that blocks the interpreter, its own or that of the whole process. In
    /// builds with the GIL it is never `requested`. `None` if the structure's offset in this patch
    /// release is unknown.
    ///
    /// # Errors
    /// The interpreter no longer exists, or the process ended.
    pub fn stop_the_world(
        &self,
        interpreter: Interpreter,
    ) -> Result<Option<StopTheWorldState>, ReadError> {
        if !self.offsets().free_threaded {
            return Ok(Some(StopTheWorldState::default()));
        }
        let Some((own, whole)) = self.stop_the_world_addresses(interpreter) else {
            return Ok(None);
        };
        let own: [u8; STOP_THE_WORLD_SIZE] = self.memory().bytes(own)?;
        let whole: [u8; STOP_THE_WORLD_SIZE] = self.memory().bytes(whole)?;
        Ok(StopTheWorldState::parse_both(&own, &whole))
    }

    /// Returns the addresses of the pause structures of the interpreter and of the process; `None`
    /// if they do not exist or are unknown.
    pub(crate) fn stop_the_world_addresses(&self, interpreter: Interpreter) -> Option<(u64, u64)> {
        let own = self.layout().interpreter.stoptheworld?;
        let whole = self.layout().runtime.stoptheworld?;
        let places =
            (interpreter.address.saturating_add(own), self.runtime().saturating_add(whole));
        self.offsets().free_threaded.then_some(places)
    }
}

/// Accumulates stop-the-world pauses over several looks. A pause between two looks is not seen; one
/// that is seen stands for the time since the previous look.
#[derive(Debug, Clone, Copy, Default)]
pub struct PauseWatch {
    last_ns: u64,
    paused_since: Option<u64>,
    /// Totals since the first look.
    pub seen: Pauses,
}

/// Pauses seen in a number of looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Pauses {
    /// Number of looks.
    pub looks: u64,
    /// Number of looks during a requested pause.
    pub hits: u64,
    /// Number of uninterrupted runs of such looks.
    pub count: u64,
    /// Estimated duration in seconds, from the share of looks.
    pub seconds: f64,
    /// Longest uninterrupted run in seconds.
    pub longest_s: f64,
}

impl PauseWatch {
    /// Adds a look at `now_ns` (`CLOCK_MONOTONIC`) and returns what it adds. The first look only
    /// sets the baseline.
    pub fn look(&mut self, now_ns: u64, requested: bool) -> Pauses {
        let first = self.seen.looks == 0;
        let mut new = Pauses { looks: 1, ..Pauses::default() };
        if requested {
            let last_ns = if first { now_ns } else { self.last_ns };
            let is_new = self.paused_since.is_none();
            let since = *self.paused_since.get_or_insert(last_ns);
            new.hits = 1;
            new.count = u64::from(is_new);
            new.longest_s = now_ns.saturating_sub(since) as f64 / 1e9;
            new.seconds = now_ns.saturating_sub(last_ns) as f64 / 1e9;
        } else {
            self.paused_since = None;
        }
        self.last_ns = now_ns;
        self.seen = self.seen.plus(&new);
        new
    }
}

impl Pauses {
    /// Returns the sum of both.
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
