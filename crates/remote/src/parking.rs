//! Determines what a thread sleeps on: the futex from the kernel, and the entry in CPython's
//! parking lot.
//!
//! `Python/parking_lot.c`: a thread that waits for anything built on a `PyMutex` puts a
//! `wait_entry` on its stack and sleeps on the semaphore inside it. The kernel exposes the address
//! of the semaphore, so one read yields the entry and the address waited for; nothing is walked or
//! stopped. An entry is valid only if its neighbours in the list point back to it.

use crate::linux::syscall::{KernelState, SystemCall};
use crate::memory::{Memory, Piece, word};
use crate::python::{Interpreter, Python, Thread};
use cpython_layout::structures::WaitEntry;

/// Maximum distance of an entry from the stack pointer: it is in the frame of a C function near the
/// top of the stack.
const MAX_STACK_DISTANCE: u64 = 1 << 20;
/// `_PyMutex_LockTimed` stores the time at which the lock is to be handed over: this long after the
/// wait began (`lock.c`).
const TIME_TO_BE_FAIR_NS: i64 = 1_000_000;
/// Upper bound for the size of `struct _gil_runtime_state` in any build. It has two mutexes and two
/// condition variables.
const GIL_SIZE: u64 = 256;
/// `FUTEX_CLOCK_REALTIME`, and the mask of the operation without flags.
const REALTIME: u64 = 256;
const OPERATION: u64 = 127;
/// `FUTEX_WAIT`: its timeout is a duration, that of the other operations a point in time.
const RELATIVE: u64 = 0;
/// Magic number after the futex word of a parker of the package `ungil`.
const PARKER_MAGIC: &[u8; 4] = b"ungl";

/// What a thread sleeps on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockedOn {
    /// Parked, waiting for this address: a mutex, an event or another word of the runtime.
    Parked(u64),
    /// The GIL whose state is at this address.
    Gil(u64),
    /// The end of a stop-the-world pause: its thread state is suspended.
    StopTheWorld,
    /// A parker of the package `ungil`, which stores the address it waits for.
    Package(u64),
    /// A futex of C code about which nothing is known, such as a semaphore.
    Futex(u64),
}

/// A blocked thread's wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocked {
    /// What is waited for.
    pub on: BlockedOn,
    /// Start of the wait in nanoseconds of the monotonic clock, if the runtime stores it.
    pub since_ns: Option<i64>,
    /// Whether the wait has a timeout.
    pub timed: bool,
    /// Nanoseconds until the timeout, if known.
    pub left_ns: Option<i64>,
}

impl Blocked {
    /// Returns whether this is the same wait, ignoring the remaining time.
    #[must_use]
    pub fn is_same(&self, other: &Blocked) -> bool {
        (self.on, self.since_ns) == (other.on, other.since_ns)
    }
}

/// The GILs of one target.
#[derive(Debug, Clone, Default)]
pub struct Gils {
    /// Addresses of the interpreters' GIL states.
    addresses: Vec<u64>,
    /// Whether a GIL is in use.
    pub in_use: bool,
}

impl Gils {
    /// Reads the GILs of these interpreters with a few reads. A free-threaded build may enable its
    /// GIL at any time.
    #[must_use]
    pub fn read(python: &Python, interpreters: &[Interpreter]) -> Gils {
        let memory = python.memory();
        let offset = python.offsets().interpreter_state.ceval_gil;
        let mut addresses: Vec<u64> = interpreters
            .iter()
            .filter_map(|interpreter| memory.u64(interpreter.address.saturating_add(offset)).ok())
            .filter(|&gil| gil != 0)
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        Gils { addresses, in_use: python.has_gil() }
    }
}

/// Reads waits of one target.
pub struct Parking<'a> {
    memory: &'a dyn Memory,
    /// Offset of `state` in a thread state.
    state: u64,
    gils: &'a Gils,
    /// Whether the target's clock is available.
    has_clock: bool,
}

impl<'a> Parking<'a> {
    /// Creates a reader for `python` with these GILs.
    #[must_use]
    pub fn new(python: &'a Python, gils: &'a Gils) -> Parking<'a> {
        let has_clock = python.process().has_clock();
        Parking {
            memory: python.memory(),
            state: python.layout().thread_state.state,
            gils,
            has_clock,
        }
    }

    /// Returns what `thread`, with the kernel state `kernel_state`, waits for. `None` if it does
    /// not sleep in a futex, and if it has just been woken.
    #[must_use]
    pub fn wait_of(&self, thread: &Thread, kernel_state: &KernelState) -> Option<Blocked> {
        let KernelState::SystemCall(call) = kernel_state else { return None };
        let call = &call.original(self.memory);
        if !call.is_futex() {
            return None;
        }
        let futex = call.args[0];
        let wait = |on| Blocked { on, since_ns: None, timed: call.args[3] != 0, left_ns: None };
        if let Some(&gil) = self
            .gils
            .addresses
            .iter()
            .find(|&&gil| (gil..gil.saturating_add(GIL_SIZE)).contains(&futex))
        {
            // Threads wait for the GIL in steps of the switch interval, repeated until the GIL is
            // acquired.
            return Some(Blocked { timed: false, ..wait(BlockedOn::Gil(gil)) });
        }
        let left_ns = self.remaining_ns(call);
        if let Some((address, since_ns)) = self.parked(call) {
            let on = if address == thread.address.wrapping_add(self.state) {
                BlockedOn::StopTheWorld
            } else {
                BlockedOn::Parked(address)
            };
            return Some(Blocked { since_ns, left_ns, ..wait(on) });
        }
        let on = match self.memory.bytes::<16>(futex) {
            Ok(bytes) if &bytes[4..8] == PARKER_MAGIC => BlockedOn::Package(word(&bytes, 8)),
            _ => BlockedOn::Futex(futex),
        };
        Some(Blocked { left_ns, ..wait(on) })
    }

    /// Returns the address for which a thread is parked and since when, if it sleeps on a parking
    /// lot entry that is still in its list. A wake-up removes the entry first.
    fn parked(&self, call: &SystemCall) -> Option<(u64, Option<i64>)> {
        let start = call.args[0].checked_sub(WaitEntry::SEMAPHORE)?;
        if start < call.stack || start - call.stack > MAX_STACK_DISTANCE {
            return None;
        }
        let bytes = self.memory.bytes::<{ WaitEntry::SIZE as usize }>(start).ok()?;
        let at = |field: u64| word(&bytes, field as usize);
        let node = start + WaitEntry::NODE;
        let (next, previous) = (at(WaitEntry::NODE), at(WaitEntry::NODE + 8));
        let (mut back, mut forth) = ([0; 8], [0; 8]);
        let pieces = &mut [
            Piece { address: next.checked_add(8)?, into: &mut back },
            Piece { address: previous, into: &mut forth },
        ];
        if self.memory.read_many(pieces).ok()? != 2 {
            return None;
        }
        if u64::from_le_bytes(back) != node || u64::from_le_bytes(forth) != node {
            return None;
        }
        let since = self.since(call, at(WaitEntry::ARGUMENT));
        Some((at(WaitEntry::ADDRESS), since))
    }

    /// Returns when a wait for a mutex began. Its argument is a `struct mutex_entry` on the same
    /// stack whose first word is a time. Other waits have other arguments or none, so the time must
    /// be plausible.
    fn since(&self, call: &SystemCall, argument: u64) -> Option<i64> {
        if !self.has_clock || argument < call.stack || argument - call.stack > MAX_STACK_DISTANCE {
            return None;
        }
        let fair = self.memory.i64(argument).ok()?;
        let began = fair.checked_sub(TIME_TO_BE_FAIR_NS)?;
        (began > 0 && began <= monotonic_ns()).then_some(began)
    }

    /// Returns the nanoseconds until a futex wait times out.
    fn remaining_ns(&self, call: &SystemCall) -> Option<i64> {
        let time = match call.args[3] {
            0 => return None,
            _ if !self.has_clock => return None,
            address => self.memory.bytes::<16>(address).ok()?,
        };
        let seconds = word(&time, 0).cast_signed();
        let at = seconds.checked_mul(1_000_000_000)?.checked_add(word(&time, 8).cast_signed())?;
        let operation = call.args[1];
        let now = match (operation & OPERATION, operation & REALTIME) {
            (RELATIVE, _) => return Some(at),
            (_, 0) => monotonic_ns(),
            _ => clock(rustix::time::ClockId::Realtime),
        };
        Some((at - now).max(0))
    }
}

/// Returns the monotonic clock, which CPython uses, in nanoseconds.
#[must_use]
pub fn monotonic_ns() -> i64 {
    clock(rustix::time::ClockId::Monotonic)
}

fn clock(which: rustix::time::ClockId) -> i64 {
    let now = rustix::time::clock_gettime(which);
    now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
}
