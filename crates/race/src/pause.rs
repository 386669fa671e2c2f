//! Pauses at random where another thread could come between, so that it does.

use crate::access::Access;
use crate::python::Object;
use crate::shadow::{self, Record};
use crate::started_thread;
use crate::thread::Thread;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Longest pause after a read that a write depends on, and after any other access.
const UNIT_PAUSE: Duration = Duration::from_millis(3);

const PAUSE: Duration = Duration::from_micros(200);

/// Pauses at one instruction in one run.
const MAX_PAUSES: u32 = 40;

/// Chance of a pause after an access to something shared, in 65536.
pub(crate) static PAUSE_CHANCE: AtomicU32 = AtomicU32::new(0);

/// Pauses at random before `__init__` sets another attribute of an object that it may have handed out.
pub(crate) fn pause_in_initializer(thread: &mut Thread, access: &Access) {
    let chance = u64::from(PAUSE_CHANCE.load(Ordering::Relaxed)) * 4;
    let Some(instruction) = access.instruction.filter(|_| chance != 0) else { return };
    if started_thread::running() > 0
        && thread.random() & 0xffff < chance
        && instruction.pauses.fetch_add(1, Ordering::Relaxed) < MAX_PAUSES
    {
        std::thread::sleep(PAUSE);
    }
}

/// A pause that the thread makes at its next event, when the operation of this one is over.
#[derive(Clone, Copy)]
pub(crate) struct PendingPause {
    pub(crate) object: Object,
    pub(crate) serial: u64,
    pub(crate) part: u64,
    pub(crate) version: u32,
    pub(crate) longest: Duration,
}

/// Decides at random whether the thread pauses after a read that a write may depend on.
pub(crate) fn plan_pause(
    thread: &mut Thread,
    record: &Record,
    access: &Access,
    part: u64,
    version: u32,
) {
    let chance = u64::from(PAUSE_CHANCE.load(Ordering::Relaxed));
    let Some(instruction) = access.instruction.filter(|_| chance != 0) else { return };
    let random = thread.random();
    if random & 0xffff < chance && instruction.pauses.fetch_add(1, Ordering::Relaxed) < MAX_PAUSES {
        let longest = if random >> 16 & 3 == 0 { UNIT_PAUSE } else { PAUSE };
        let (object, serial) = (access.object, record.serial());
        thread.pause = Some(PendingPause { object, serial, part, version, longest });
    }
}

/// Waits for another thread's write, which is what would go wrong, for a while.
pub(crate) fn make_pending_pause(thread: &mut Thread) {
    let Some(pause) = thread.pause.take() else { return };
    let began = Instant::now();
    while began.elapsed() < pause.longest {
        std::thread::sleep(Duration::from_micros(30));
        // The object may have ended: then its record has another number, or there is none.
        let Some(record) = shadow::find(pause.object).filter(|r| r.serial() == pause.serial) else {
            return;
        };
        let state = record.state();
        if state.cells.cells.get(&pause.part).is_none_or(|cell| cell.version != pause.version) {
            return;
        }
    }
}

/// Pauses at random before a write to something that other threads use.
pub(crate) fn pause_before_write(thread: &mut Thread, access: &Access) {
    let chance = u64::from(PAUSE_CHANCE.load(Ordering::Relaxed));
    let Some(instruction) = access.instruction.filter(|_| chance != 0) else { return };
    if thread.random() & 0xffff < chance
        && instruction.pauses.fetch_add(1, Ordering::Relaxed) < MAX_PAUSES
    {
        std::thread::sleep(PAUSE);
    }
}
