//! The analysis: compares each access with the last accesses of the other threads.
//!
//! A pair of accesses is *unordered* if neither happens before the other by the vector clocks of
//! FastTrack (Flanagan and Freund, PLDI 2009). Since every single operation on a list, dict or
//! attribute is atomic without the GIL, an unordered pair is an error only if one side is part of a
//! *unit*: a write that depends on a read of the same part by the same activation of a function, or
//! an iteration. A unit that another thread's write was seen to come into is an error also where
//! every access was made under a lock.
#![allow(unsafe_code)] // Reads operands of the running instruction.

use crate::access::{Access, AccessKind, CellKey};
use crate::cell::{Cell, Cells, Entry, HalfRead, Mark};
use crate::finding::{Finding, Pattern, Side};
use crate::lock_order::lock_set;
use crate::pause::{pause_before_write, plan_pause};
use crate::python::python;
use crate::rules::{
    commutes, depends, is_harmless, is_missing, is_receiver, none_number, read_conflict,
    unit_pattern,
};
use crate::shadow::Record;
use crate::thread::Thread;
use crate::value::Signature;
use std::sync::atomic::Ordering;

/// Parts of one object that are followed; more are left out.
const MAX_CELLS: usize = 4096;

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
        finding.report(record, access);
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
