//! Which locks are held when another is acquired, and what is wrong about how locks are held.
//!
//! Only the pairs are written: cycles are found by the reader of the report, over the whole run.

use crate::finding::{quote, write_line, write_stack};
use crate::frame::Frame;
use crate::monitor::KNOWN;
use crate::python::Object;
use crate::shadow;
use crate::stack::{self, Site, StackId};
use crate::started_thread;
use crate::thread::{HeldLock, Thread};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Mutex;

/// Number of a stored set of held locks; 0 is the empty set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) struct LockSetId(u32);

impl LockSetId {
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

type Members = Vec<(u64, StackId)>;

#[derive(Default)]
struct LockSets {
    numbers: HashMap<Vec<u64>, u32>,
    sets: Vec<Members>,
}

static LOCK_SETS: Mutex<Option<LockSets>> = Mutex::new(None);
/// Pairs of locks written for one pair of places. Locks that come and go would give ever more.
const MAX_PAIRS_OF_A_PLACE: u32 = 64;

/// Pairs already written.
#[derive(Default)]
struct Pairs {
    /// Lock held, lock acquired, and the thread.
    known: HashSet<(u64, u64, u64)>,
    /// Number of pairs by where both were acquired.
    places: HashMap<(StackId, StackId), u32>,
}

static PAIRS: Mutex<Option<Pairs>> = Mutex::new(None);
static AWAITS: Mutex<Option<HashSet<Site>>> = Mutex::new(None);

/// Returns the set of locks that the thread holds.
pub(crate) fn lock_set(thread: &mut Thread) -> LockSetId {
    if thread.held.is_empty() {
        return LockSetId(0);
    }
    if let Some(known) = thread.lock_set {
        return known;
    }
    let set = store_lock_set(thread);
    thread.lock_set = Some(set);
    set
}

fn store_lock_set(thread: &Thread) -> LockSetId {
    let mut held: Members = thread.held.iter().map(|lock| (lock.serial, lock.acquired)).collect();
    held.sort_unstable_by_key(|&(serial, _)| serial);
    let serials: Vec<u64> = held.iter().map(|&(serial, _)| serial).collect();
    let Ok(mut guard) = LOCK_SETS.lock() else { return LockSetId(0) };
    let all = guard.get_or_insert_default();
    if let Some(number) = all.numbers.get(&serials) {
        return LockSetId(*number);
    }
    all.sets.push(held);
    let number = all.sets.len() as u32;
    all.numbers.insert(serials, number);
    LockSetId(number)
}

/// Returns the locks of a set, and where they were acquired.
pub(crate) fn lock_set_members(set: LockSetId) -> Vec<(u64, StackId)> {
    let Ok(guard) = LOCK_SETS.lock() else { return Vec::new() };
    let sets = guard.as_ref().map(|all| all.sets.as_slice()).unwrap_or_default();
    sets.get((set.0 as usize).wrapping_sub(1)).cloned().unwrap_or_default()
}

/// Records that the thread is about to wait for a lock, or has it without waiting.
pub(crate) fn before_acquire(thread: &mut Thread, lock: Object) {
    forget_ended(thread);
    if thread.held.is_empty() {
        return;
    }
    let Some(record) = shadow::find_or_create(lock) else { return };
    if thread.held.iter().any(|held| held.serial == record.serial()) {
        return;
    }
    let Some(frame) = Frame::current() else { return };
    let acquiring = thread.stack(frame, frame.site());
    let mut new = Vec::new();
    if let Ok(mut pairs) = PAIRS.lock() {
        let pairs = pairs.get_or_insert_default();
        let number = thread.serial;
        new.extend(thread.held.iter().copied().filter(|held| {
            let at_place = pairs.places.entry((held.acquired, acquiring)).or_default();
            let is_new = *at_place < MAX_PAIRS_OF_A_PLACE
                && pairs.known.insert((held.serial, record.serial(), number));
            *at_place += u32::from(is_new);
            is_new
        }));
    }
    if new.is_empty() {
        return;
    }
    thread.store_name();
    let gates: Vec<u64> = thread.held.iter().map(|held| held.serial).collect();
    for held in new {
        let mut out = String::from("{\"kind\":\"order\",\"thread\":");
        quote(&mut out, &crate::thread::name(thread.number));
        let _ = write!(
            out,
            ",\"serial\":{},\"number\":{},\"clock\":{:?},\"held\":{},\"acquired\":{},\"gates\":{:?},\"held_stack\":",
            thread.serial,
            thread.number,
            thread.clocks.starts.times(),
            held.serial,
            record.serial(),
            gates.iter().filter(|&&gate| gate != held.serial).collect::<Vec<_>>(),
        );
        write_stack(&mut out, held.acquired);
        out.push_str(",\"stack\":");
        write_stack(&mut out, acquiring);
        out.push('}');
        write_line(&out);
    }
}

/// Locks held now, with the thread and where it acquired them.
static HELD: Mutex<Option<HashMap<u64, (u16, StackId)>>> = Mutex::new(None);

/// Returns the locks that other threads hold, and where they acquired them.
pub(crate) fn held_by_others(me: u16) -> Vec<(u64, StackId)> {
    let Ok(held) = HELD.lock() else { return Vec::new() };
    let all = held.iter().flatten();
    all.filter(|(_, (holder, _))| *holder != me).map(|(&serial, &(_, at))| (serial, at)).collect()
}

/// Records that the thread has acquired a lock: everything before its last release happened before.
pub(crate) fn acquired(thread: &mut Thread, lock: Object) {
    let Some(record) = shadow::find_or_create(lock) else { return };
    thread.clocks.all.join(&record.state().released.all);
    if let Some(index) = thread.held.iter().position(|held| held.serial == record.serial()) {
        let reentrant = KNOWN.get().is_some_and(|known| known.reentrant_lock == record.class());
        match thread.held.get_mut(index) {
            Some(held) if reentrant => held.depth += 1,
            // Somebody else released it: it is a signal, which nobody holds.
            _ => {
                thread.lock_set = None;
                thread.held.remove(index);
            }
        }
        return;
    }
    let acquired =
        Frame::current().map_or(StackId::default(), |frame| thread.stack(frame, frame.site()));
    thread.lock_set = None;
    thread.held.push(HeldLock { object: lock, serial: record.serial(), depth: 1, acquired });
    if let Ok(mut held) = HELD.lock() {
        held.get_or_insert_default().insert(record.serial(), (thread.number, acquired));
    }
}

/// Records that the thread is about to release a lock.
pub(crate) fn released(thread: &mut Thread, lock: Object, whole: bool) {
    let Some(record) = shadow::find_or_create(lock) else { return };
    if let Some(index) = thread.held.iter().position(|held| held.serial == record.serial())
        && let Some(held) = thread.held.get_mut(index)
    {
        held.depth = if whole { 0 } else { held.depth.saturating_sub(1) };
        if held.depth == 0 {
            thread.lock_set = None;
            thread.held.remove(index);
        }
    }
    if let Ok(mut held) = HELD.lock() {
        held.get_or_insert_default().remove(&record.serial());
    }
    record.state().released.all.join(&thread.clocks.all);
    thread.advance();
}

/// Reports a fork beside running threads, with the locks that other threads hold.
pub(crate) fn on_fork(thread: &mut Thread) {
    let held = held_by_others(thread.number);
    let Some(frame) = Frame::current() else { return };
    if started_thread::running() == 0 {
        return;
    }
    let mut out = String::from("{\"kind\":\"fork\",\"held\":[");
    for (index, (serial, acquired)) in held.into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(out, "{comma}{{\"lock\":{serial},\"acquired\":");
        write_stack(&mut out, acquired);
        out.push('}');
    }
    out.push_str("],\"stack\":");
    write_stack(&mut out, stack::capture(frame));
    out.push('}');
    write_line(&out);
}

/// Forgets locks that have ended while the thread held them, as `Condition.wait` leaves them.
fn forget_ended(thread: &mut Thread) {
    let is_alive = |held: &HeldLock| {
        shadow::find(held.object).is_some_and(|record| record.serial() == held.serial)
    };
    let before = thread.held.len();
    thread.held.retain(is_alive);
    if thread.held.len() != before {
        thread.lock_set = None;
    }
}

/// Reports a coroutine that is suspended while it holds a thread's lock.
pub(crate) fn on_await(thread: &mut Thread, frame: Frame, site: Site) {
    forget_ended(thread);
    let held = thread
        .held
        .iter()
        .find(|held| stack::sites(held.acquired).iter().any(|acquired| acquired.code == site.code));
    let Some(held) = held.copied() else { return };
    if !AWAITS.lock().is_ok_and(|mut seen| seen.get_or_insert_default().insert(site)) {
        return;
    }
    let mut out = format!("{{\"kind\":\"await\",\"lock\":{},\"acquired\":", held.serial);
    write_stack(&mut out, held.acquired);
    out.push_str(",\"stack\":");
    write_stack(&mut out, stack::capture(frame));
    out.push('}');
    write_line(&out);
}
