//! The analysis: compares each access with the last accesses of the other threads.
//!
//! A pair of accesses is *unordered* if neither happens before the other by the vector clocks of
//! FastTrack (Flanagan and Freund, PLDI 2009). Since every single operation on a list, dict or
//! attribute is atomic without the GIL, an unordered pair is an error only if one side is part of a
//! *unit*: a write that depends on a read of the same part by the same activation of a function, or
//! an iteration. A unit that another thread's write was seen to come into is an error also where
//! every access was made under a lock.
#![allow(unsafe_code)] // Reads operands of the running instruction.

use crate::finding::{Finding, Pattern, Side};
use crate::frame::Frame;
use crate::instruction::Instruction;
use crate::lock_order::{LockSetId, lock_set};
use crate::python::{Object, Signature, SignatureKind, python, type_of};
use crate::shadow::{self, Record};
use crate::stack::{Site, StackId};
use crate::started_thread;
use crate::thread::{Thread, ThreadNumber};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Parts of one object that are followed; more are left out.
const MAX_CELLS: usize = 4096;
/// Longest pause after a read that a write depends on, and after any other access.
const UNIT_PAUSE: Duration = Duration::from_millis(3);
const PAUSE: Duration = Duration::from_micros(200);
/// Pauses at one instruction in one run.
const MAX_PAUSES: u32 = 40;

/// Chance of a pause after an access to something shared, in 65536.
pub(crate) static PAUSE_CHANCE: AtomicU32 = AtomicU32::new(0);

/// Part of an object.
#[derive(Clone, Copy)]
pub(crate) enum CellKey {
    /// An attribute, or a global of a module's dict.
    Name {
        hash: u64,
        name: Object,
    },
    /// An item of a dict or set. `name_hash` is the hash of a str, as in `Name`.
    Item {
        hash: u64,
        name_hash: Option<u64>,
        key: Object,
    },
    Index(i64),
    /// Which items there are: length, order, set of keys.
    Structure,
    /// The content of a closure's cell.
    Content,
}

impl CellKey {
    fn number(self) -> u64 {
        match self {
            CellKey::Name { hash, .. } | CellKey::Item { name_hash: Some(hash), .. } => hash << 2,
            CellKey::Item { hash, .. } => hash << 2 | 1,
            CellKey::Index(index) => (index as u64) << 2 | 2,
            CellKey::Structure => 3,
            CellKey::Content => 7,
        }
    }

    /// Returns the kind of part and its name, for reports.
    pub(crate) fn describe(self) -> (&'static str, String) {
        let python = python();
        // SAFETY: operands of the running instruction.
        unsafe {
            match self {
                CellKey::Name { name, .. } => {
                    ("attribute", python.string(name).unwrap_or_default())
                }
                CellKey::Item { key, .. } => {
                    let text = python.string(key).map(|text| format!("'{text}'"));
                    let number = || python.small_int(key).map(|number| number.to_string());
                    let class = || format!("<{}>", python.type_name(type_of(key)));
                    ("item", text.or_else(number).unwrap_or_else(class))
                }
                CellKey::Index(index) => ("item", index.to_string()),
                CellKey::Structure => ("structure", String::new()),
                CellKey::Content => ("closure", String::new()),
            }
        }
    }
}

/// What is done to a part of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum AccessKind {
    #[default]
    Read,
    /// A read that something is decided by: `in`, `len`, truth.
    Test,
    Iterate,
    Write,
    Remove,
    /// A read and a write in one atomic operation (`setdefault`).
    Update,
    /// Adds an item, whatever there is.
    Append,
    /// Reorders a list, which is empty meanwhile.
    Sort,
}

impl AccessKind {
    pub(crate) fn writes(self) -> bool {
        !matches!(self, AccessKind::Read | AccessKind::Test | AccessKind::Iterate)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            AccessKind::Read => "read",
            AccessKind::Test => "test",
            AccessKind::Iterate => "iteration",
            AccessKind::Write => "write",
            AccessKind::Remove => "removal",
            AccessKind::Update => "atomic update",
            AccessKind::Append => "addition",
            AccessKind::Sort => "sort",
        }
    }
}

/// One access, as an event shows it.
#[derive(Clone)]
pub(crate) struct Access<'a> {
    pub(crate) object: Object,
    pub(crate) key: CellKey,
    pub(crate) kind: AccessKind,
    /// The value written.
    pub(crate) value: Option<Object>,
    pub(crate) frame: Frame,
    pub(crate) site: Site,
    pub(crate) instruction: Option<&'a Instruction>,
    /// It is in a method `__init__`.
    pub(crate) initializes: bool,
}

/// A past access of one thread.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mark {
    /// The thread's own time; 0 if there was none.
    time: u32,
    pub(crate) kind: AccessKind,
    site: Site,
    pub(crate) stack: StackId,
    pub(crate) locks: LockSetId,
    /// The activation it was made in.
    frame: usize,
    /// The cell's version before it.
    version: u32,
    /// For a write: it depended on a read of the same part, at this site.
    unit: Option<Site>,
    /// For a write: the value.
    value: Signature,
    /// For a read: the object had no such attribute.
    missing: bool,
    /// Order among the thread's marks.
    sequence: u64,
    /// For a write that depended on a read: nothing had been written before that read.
    first: bool,
}

/// The last accesses of one thread to one part of an object.
#[derive(Default)]
struct Entry {
    thread: ThreadNumber,
    read: Mark,
    write: Mark,
}

/// One part of an object.
#[derive(Default)]
struct Cell {
    /// Number of writes so far.
    version: u32,
    /// The value written last, as a number; 0 if there is none or it is unknown.
    value: u64,
    last_writer: ThreadNumber,
    entries: Vec<Entry>,
    /// How many accesses were made with each set of locks held.
    held: Vec<(LockSetId, u32)>,
}

/// Keys are hashes already.
#[derive(Default)]
pub(crate) struct SameHash(u64);

impl Hasher for SameHash {
    fn finish(&self) -> u64 {
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// The parts of one object.
#[derive(Default)]
pub(crate) struct Cells {
    cells: HashMap<u64, Cell, BuildHasherDefault<SameHash>>,
    /// Some part was written since the object is shared.
    written: bool,
    /// The last unordered read without a lock of something written under locks: reader, activation,
    /// part.
    half_read: Option<HalfRead>,
}

/// A read that was unordered with another thread's write.
#[derive(Clone, Copy)]
struct HalfRead {
    reader: ThreadNumber,
    frame: usize,
    part: u64,
    writer: ThreadNumber,
    write: Mark,
}

/// Records an access and reports what it conflicts with. Returns whether the part has been written
/// since the object is shared.
pub(crate) fn record(thread: &mut Thread, record: &Record, access: &Access) -> bool {
    // SAFETY: the value is an operand of the running instruction.
    let value =
        access.value.map_or(Signature::default(), |value| unsafe { python().signature(value) });
    let number = access.key.number();
    let mut findings = Vec::new();
    if access.kind.writes() {
        pause_before_write(thread, access);
    }
    let (written, version) = {
        let mut state = record.state();
        let cells = &mut state.cells;
        if !cells.written && !access.kind.writes() && matches!(access.key, CellKey::Index(_)) {
            return false;
        }
        cells.written |= access.kind.writes();
        if matches!(access.key, CellKey::Structure) && access.kind == AccessKind::Remove {
            // Whatever was stored may be gone.
            cells.cells.values_mut().for_each(|cell| cell.value = 0);
        }
        if cells.cells.len() >= MAX_CELLS && !cells.cells.contains_key(&number) {
            return true;
        }
        let cell = cells.cells.entry(number).or_default();
        check(thread, cell, access, value, &mut findings);
        if let (CellKey::Index(_), Some(structure)) =
            (access.key, cells.cells.get(&CellKey::Structure.number()))
        {
            findings.extend(index_conflict(thread, structure, access));
        }
        if let Some(finding) = half_update(thread, cells, access, number) {
            findings.push(finding);
        }
        let cell = cells.cells.entry(number).or_default();
        (cell.version != 0, cell.version)
    };
    for finding in findings {
        finding.report(thread, record, access);
    }
    if matches!(access.kind, AccessKind::Read | AccessKind::Test) {
        plan_pause(thread, record, access, number, version);
    }
    written
}

fn check(
    thread: &mut Thread,
    cell: &mut Cell,
    access: &Access,
    value: Signature,
    findings: &mut Vec<Finding>,
) {
    let now = thread.now();
    let me = thread.number;
    let index = cell.entries.iter().position(|entry| entry.thread == me).unwrap_or_else(|| {
        cell.entries.push(Entry { thread: me, ..Entry::default() });
        cell.entries.len() - 1
    });
    let writes = access.kind.writes();
    let version = cell.version;
    let Some(mine) = cell.entries.get_mut(index) else { return };
    // The same access again, and nobody wrote since: nothing can be new.
    let last = if writes { &mine.write } else { &mine.read };
    if last.time == now
        && last.site == access.site
        && last.frame == access.frame.address()
        && last.version + u32::from(writes) == version
        && !(writes && mine.read.time != 0)
    {
        return;
    }
    let read = mine.read;
    let in_function = read.time >= thread.began.max(1)
        && read.frame == access.frame.address()
        && read.site.code == access.site.code;
    let unit = writes && in_function && depends(access, read.kind);
    let first = unit && read.first;
    thread.store_name();
    let stack = thread.stack(access.frame, access.site);
    let mark = Mark {
        time: now,
        kind: access.kind,
        site: access.site,
        stack,
        locks: lock_set(thread),
        frame: access.frame.address(),
        version,
        unit: unit.then_some(read.site),
        value,
        missing: !writes && version == 0 && is_missing(access),
        sequence: thread.next_mark(),
        first: if writes { first } else { cell.value == 0 || cell.value == none_number() },
    };
    match cell.held.iter_mut().find(|(locks, _)| *locks == mark.locks) {
        Some((_, count)) => *count += 1,
        None => cell.held.push((mark.locks, 1)),
    }
    let side = |thread, mark: &Mark| Side { thread, mark: *mark };
    // A subscript fails if what was tested before is not there any more.
    let acts = access.kind == AccessKind::Read
        && read.kind == AccessKind::Test
        && in_function
        && matches!(access.key, CellKey::Item { .. });
    if unit && version != read.version && cell.last_writer != me {
        // Another thread has written between the read and the write that depends on it.
        let other = cell.entries.iter().find(|entry| entry.thread == cell.last_writer);
        if let Some(other) = other
            && !is_harmless(access, &mark, &other.write)
        {
            findings.push(Finding {
                pattern: unit_pattern(access, &read),
                observed: true,
                mine: side(me, &mark),
                begins: Some(read.stack),
                other: side(other.thread, &other.write),
                held: cell.held.clone(),
            });
        }
    }
    for other in cell.entries.iter().filter(|entry| entry.thread != me) {
        let seen = thread.clocks.all.of(other.thread);
        let theirs = other.write;
        if theirs.time > seen {
            let pattern = if acts && theirs.kind == AccessKind::Remove {
                Pattern::CheckThenAct
            } else if !writes {
                read_conflict(access, &mark, &theirs)
            } else if is_harmless(access, &mark, &theirs) {
                Pattern::EqualValues
            } else if unit {
                unit_pattern(access, &read)
            } else if theirs.unit.is_some() && commutes(access.kind, theirs.kind) {
                Pattern::BlindWrites
            } else if theirs.unit.is_some() {
                Pattern::LostUpdate
            } else {
                Pattern::BlindWrites
            };
            findings.push(Finding {
                pattern,
                observed: false,
                mine: side(me, &mark),
                begins: unit.then_some(read.stack),
                other: side(other.thread, &theirs),
                held: cell.held.clone(),
            });
        }
        if writes && other.read.time > seen {
            let pattern = if other.read.kind == AccessKind::Iterate {
                Pattern::Iteration
            } else if other.read.missing || access.initializes && is_receiver(access) {
                Pattern::UnsafePublication
            } else {
                continue;
            };
            findings.push(Finding {
                pattern,
                observed: false,
                mine: side(me, &mark),
                begins: None,
                other: side(other.thread, &other.read),
                held: cell.held.clone(),
            });
        }
    }
    let Some(mine) = cell.entries.get_mut(index) else { return };
    if writes {
        if unit && let Some(read) = access.instruction {
            read.begins_unit.store(true, Ordering::Relaxed);
        }
        mine.write = mark;
        if !matches!(access.kind, AccessKind::Append | AccessKind::Update) || unit {
            mine.read.time = 0;
        }
        cell.version = version.wrapping_add(1).max(1);
        cell.value = value.number;
        cell.last_writer = me;
    } else {
        mine.read = mark;
    }
}

/// Returns whether a write depends on an earlier read of that kind in the same function.
fn depends(access: &Access, read: AccessKind) -> bool {
    match (access.key, access.kind) {
        (_, AccessKind::Update | AccessKind::Sort) => false,
        // Adding or removing an item depends on a test, not on each read.
        (CellKey::Structure, _) | (_, AccessKind::Append) => read == AccessKind::Test,
        _ => true,
    }
}

/// Returns the number that `None` has as a value.
fn none_number() -> u64 {
    let none = python().types.none as Object;
    // SAFETY: None is immortal, and its hash a constant.
    unsafe { python().signature(none) }.number
}

fn is_missing(access: &Access) -> bool {
    match access.key {
        CellKey::Name { name, .. } if access.kind == AccessKind::Read => {
            // SAFETY: the operand of the running instruction, and a name of its code object. The
            // globals of a module are a dict here.
            unsafe {
                type_of(access.object) != python().types.dict
                    && python().lacks_attribute(access.object, name)
            }
        }
        _ => false,
    }
}

/// Notices an item of a list that is read while another thread sorts it, or after a test of the
/// length that another thread's removal invalidates.
fn index_conflict(thread: &mut Thread, structure: &Cell, access: &Access) -> Option<Finding> {
    if access.kind != AccessKind::Read {
        return None;
    }
    let test = structure.entries.iter().find(|entry| entry.thread == thread.number);
    let tested = test.map(|entry| entry.read).filter(|read| {
        read.kind == AccessKind::Test
            && read.time >= thread.began.max(1)
            && read.frame == access.frame.address()
            && read.site.code == access.site.code
    });
    let other = structure.entries.iter().find(|entry| {
        entry.thread != thread.number
            && entry.write.time > thread.clocks.all.of(entry.thread)
            && (entry.write.kind == AccessKind::Sort
                || tested.is_some() && entry.write.kind == AccessKind::Remove)
    })?;
    let pattern = match other.write.kind {
        AccessKind::Sort => Pattern::Iteration,
        _ => Pattern::CheckThenAct,
    };
    let mark = Mark {
        kind: AccessKind::Read,
        site: access.site,
        stack: thread.stack(access.frame, access.site),
        locks: lock_set(thread),
        ..Mark::default()
    };
    Some(Finding {
        pattern,
        observed: false,
        mine: Side { thread: thread.number, mark },
        begins: tested.map(|read| read.stack),
        other: Side { thread: other.thread, mark: other.write },
        held: structure.held.clone(),
    })
}

/// Returns whether two operations on a container's structure may come in either order.
fn commutes(one: AccessKind, other: AccessKind) -> bool {
    one == AccessKind::Append && other == AccessKind::Append
}

fn unit_pattern(access: &Access, read: &Mark) -> Pattern {
    match read.kind {
        AccessKind::Test => Pattern::CheckThenAct,
        _ if read.first && access.kind == AccessKind::Write => Pattern::CheckThenAct,
        _ => Pattern::LostUpdate,
    }
}

/// Returns whether both threads may come in any order: both store equal values where there was none,
/// as a cache does; one fills a cache that the other empties; or they work on different ends of a
/// container.
fn is_harmless(access: &Access, mine: &Mark, theirs: &Mark) -> bool {
    let cached = mine.value.number == theirs.value.number
        && match mine.value.kind {
            SignatureKind::Identity | SignatureKind::Flag => false,
            // Both have counted from the same number, unless there was none.
            SignatureKind::Number => mine.first || theirs.first,
            SignatureKind::Value => true,
        };
    let empties = |mark: &Mark| {
        mark.unit.is_none()
            && (mark.kind == AccessKind::Remove || mark.value.number == none_number())
    };
    let fills = |mark: &Mark| {
        mark.kind == AccessKind::Write && (mark.first || mark.value.kind == SignatureKind::Value)
    };
    let invalidated = empties(mine) && fills(theirs) || fills(mine) && empties(theirs);
    let opposite = matches!(access.key, CellKey::Structure)
        && matches!(
            (mine.kind, theirs.kind),
            (AccessKind::Append, AccessKind::Remove) | (AccessKind::Remove, AccessKind::Append)
        );
    cached || invalidated || opposite
}

/// Returns what a read that is unordered with another thread's write is.
fn read_conflict(access: &Access, mine: &Mark, theirs: &Mark) -> Pattern {
    if access.kind == AccessKind::Iterate {
        return Pattern::Iteration;
    }
    // This thread tests what the other one tested before it acted: it could have done so too.
    if theirs.unit == Some(mine.site) && !commutes(theirs.kind, theirs.kind) {
        let is_object = matches!(theirs.value.kind, SignatureKind::Identity | SignatureKind::Flag);
        return if theirs.first && theirs.kind == AccessKind::Write && is_object {
            Pattern::CheckThenAct
        } else {
            Pattern::StaleRead
        };
    }
    Pattern::StaleRead
}

/// Returns whether the object is the `self` of the running function.
fn is_receiver(access: &Access) -> bool {
    access.frame.local(0) == Some(access.object)
}

/// Notices a thread that reads two attributes of an object that another thread writes together: in
/// one critical section, or one after the other in a function, in the order in which they are read.
fn half_update(
    thread: &Thread,
    cells: &mut Cells,
    access: &Access,
    number: u64,
) -> Option<Finding> {
    if access.kind != AccessKind::Read || !matches!(access.key, CellKey::Name { .. }) {
        return None;
    }
    let cell = cells.cells.get(&number)?;
    let mine = cell.entries.iter().find(|entry| entry.thread == thread.number)?.read;
    let other = cell.entries.iter().find(|entry| {
        entry.thread != thread.number && entry.write.time > thread.clocks.all.of(entry.thread)
    })?;
    if !mine.locks.is_empty() {
        return None;
    }
    let now = HalfRead {
        reader: thread.number,
        frame: access.frame.address(),
        part: number,
        writer: other.thread,
        write: other.write,
    };
    let before = cells.half_read.replace(now)?;
    let same_reader =
        before.reader == now.reader && before.frame == now.frame && before.part != number;
    let same_writer = before.writer == now.writer
        && before.write.frame == now.write.frame
        && before.write.site.code == now.write.site.code;
    let in_order = before.write.site.offset < now.write.site.offset
        && before.write.sequence < now.write.sequence;
    let together =
        if now.write.locks.is_empty() { in_order } else { before.write.time == now.write.time };
    (same_reader && same_writer && together).then(|| Finding {
        pattern: Pattern::HalfUpdate,
        observed: false,
        mine: Side { thread: thread.number, mark: mine },
        begins: None,
        other: Side { thread: other.thread, mark: other.write },
        held: cell.held.clone(),
    })
}

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
    object: Object,
    serial: u64,
    part: u64,
    version: u32,
    longest: Duration,
}

/// Decides at random whether the thread pauses after a read that a write may depend on.
fn plan_pause(thread: &mut Thread, record: &Record, access: &Access, part: u64, version: u32) {
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
fn pause_before_write(thread: &mut Thread, access: &Access) {
    let chance = u64::from(PAUSE_CHANCE.load(Ordering::Relaxed));
    let Some(instruction) = access.instruction.filter(|_| chance != 0) else { return };
    if thread.random() & 0xffff < chance
        && instruction.pauses.fetch_add(1, Ordering::Relaxed) < MAX_PAUSES
    {
        std::thread::sleep(PAUSE);
    }
}
