//! What a thread sleeps on, from the outside: the futex it is in, and the entry CPython's parking
//! lot keeps of it on its stack.
//!
//! `Python/parking_lot.c`: a thread that waits for anything built on a `PyMutex` puts a
//! `wait_entry` on its own stack and sleeps in the semaphore inside it. The kernel says the address
//! of that semaphore, so the entry and with it the address waited for are one read away; nothing is
//! walked and nothing stopped. An entry is believed only if the list it hangs in points back to it.

use crate::linux::calls::{Call, Doing};
use crate::memory::{Memory, Piece, word};
use crate::python::{Interpreter, Python, Thread};
use cpython_layout::structures::WaitEntry;

/// An entry lies in the frame of a C function not far above where the thread sleeps.
const NEAR: u64 = 1 << 20;
/// `_PyMutex_LockTimed` notes the time at which the lock is to be handed over: this long after the
/// wait began (`lock.c`).
const TIME_TO_BE_FAIR_NS: i64 = 1_000_000;
/// `struct _gil_runtime_state` has two mutexes and two conditions; its size is below this in every
/// build.
const GIL_SIZE: u64 = 256;
/// `FUTEX_CLOCK_REALTIME`, and the operation without its flags.
const REALTIME: u64 = 256;
const OPERATION: u64 = 127;
/// `FUTEX_WAIT`: its time is how long, and that of the others until when.
const RELATIVE: u64 = 0;
/// What the package ungil's places to sleep have behind their futex word.
const PARKER: &[u8; 4] = b"ungl";

/// What a thread sleeps on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockedOn {
    /// It is parked, waiting for this address: a mutex, an event or another word of the runtime's.
    Parked(u64),
    /// The GIL whose state is at this address.
    Gil(u64),
    /// The end of a stop of the world: its own thread state says it is suspended.
    StopTheWorld,
    /// A place to sleep of the package `ungil`, which says what it waits for.
    Package(u64),
    /// A futex of C code that nothing is known of, such as a semaphore.
    Futex(u64),
}

/// A wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocked {
    /// For what.
    pub on: BlockedOn,
    /// When it began, in nanoseconds of the monotonic clock, where the runtime keeps it.
    pub since_ns: Option<i64>,
    /// It ends by itself.
    pub timed: bool,
    /// In how many nanoseconds, where that can be told.
    pub left_ns: Option<i64>,
}

impl Blocked {
    /// Returns whether it is the same wait, but for the time it has left.
    #[must_use]
    pub fn is_same(&self, other: &Blocked) -> bool {
        (self.on, self.since_ns) == (other.on, other.since_ns)
    }
}

/// The GILs of one target.
#[derive(Debug, Clone, Default)]
pub struct Gils {
    /// Where the interpreters keep their state.
    places: Vec<u64>,
    /// Whether one is in use.
    pub in_use: bool,
}

impl Gils {
    /// Those of these interpreters of `python`: a few reads. A free-threaded build may switch its
    /// GIL on at any time.
    #[must_use]
    pub fn read(python: &Python, interpreters: &[Interpreter]) -> Gils {
        let memory = python.memory();
        let offset = python.offsets().interpreter_state.ceval_gil;
        let mut places: Vec<u64> = interpreters
            .iter()
            .filter_map(|interpreter| memory.u64(interpreter.address.saturating_add(offset)).ok())
            .filter(|&gil| gil != 0)
            .collect();
        places.sort_unstable();
        places.dedup();
        Gils { places, in_use: python.has_gil() }
    }
}

/// Reads waits of one target.
pub struct Parking<'a> {
    memory: &'a dyn Memory,
    /// Offset of `state` in a thread state.
    state: u64,
    gils: &'a Gils,
    /// Times can be told.
    has_clock: bool,
}

impl<'a> Parking<'a> {
    /// Of `python`, whose GILs are these.
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

    /// What `thread` waits for, of which the kernel said `doing`. `None` where it does not sleep in
    /// a futex, and where it has just been woken.
    #[must_use]
    pub fn of(&self, thread: &Thread, doing: &Doing) -> Option<Blocked> {
        let Doing::Call(call) = doing else { return None };
        let call = &call.original(self.memory);
        if !call.is_futex() {
            return None;
        }
        let futex = call.args[0];
        let wait = |on| Blocked { on, since_ns: None, timed: call.args[3] != 0, left_ns: None };
        if let Some(&gil) = self
            .gils
            .places
            .iter()
            .find(|&&gil| (gil..gil.saturating_add(GIL_SIZE)).contains(&futex))
        {
            // That wait is in steps of the switch interval, and does not end before the GIL is had.
            return Some(Blocked { timed: false, ..wait(BlockedOn::Gil(gil)) });
        }
        let left_ns = self.left(call);
        if let Some((address, since_ns)) = self.parked(call) {
            let on = if address == thread.address.wrapping_add(self.state) {
                BlockedOn::StopTheWorld
            } else {
                BlockedOn::Parked(address)
            };
            return Some(Blocked { since_ns, left_ns, ..wait(on) });
        }
        let on = match self.memory.bytes::<16>(futex) {
            Ok(bytes) if &bytes[4..8] == PARKER => BlockedOn::Package(word(&bytes, 8)),
            _ => BlockedOn::Futex(futex),
        };
        Some(Blocked { left_ns, ..wait(on) })
    }

    /// The address a thread is parked for and since when, if it sleeps in an entry of the parking
    /// lot that is still in its list: whoever wakes it takes it out first.
    fn parked(&self, call: &Call) -> Option<(u64, Option<i64>)> {
        let start = call.args[0].checked_sub(WaitEntry::SEMAPHORE)?;
        if start < call.stack || start - call.stack > NEAR {
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

    /// When a wait for a mutex began: its argument is a `struct mutex_entry` on the same stack,
    /// whose first word is a time. Other waits have other arguments or none, so the time must be
    /// one that can be.
    fn since(&self, call: &Call, argument: u64) -> Option<i64> {
        if !self.has_clock || argument < call.stack || argument - call.stack > NEAR {
            return None;
        }
        let fair = self.memory.i64(argument).ok()?;
        let began = fair.checked_sub(TIME_TO_BE_FAIR_NS)?;
        (began > 0 && began <= monotonic_ns()).then_some(began)
    }

    /// In how many nanoseconds a futex wait ends by itself.
    fn left(&self, call: &Call) -> Option<i64> {
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

/// The monotonic clock, which CPython takes its times from, in nanoseconds.
#[must_use]
pub fn monotonic_ns() -> i64 {
    clock(rustix::time::ClockId::Monotonic)
}

fn clock(which: rustix::time::ClockId) -> i64 {
    let now = rustix::time::clock_gettime(which);
    now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
}
