//! Which pairs of accesses are faults, and of which pattern.
#![allow(unsafe_code)] // Reads operands of the running instruction.

use crate::access::{Access, AccessKind, CellKey};
use crate::cell::Mark;
use crate::finding::Pattern;
use crate::python::{Object, python, type_of};
use crate::value::SignatureKind;

/// Returns whether a write depends on an earlier read of that kind in the same function.
pub(crate) fn depends(access: &Access, read: AccessKind) -> bool {
    match (access.key, access.kind) {
        (_, AccessKind::Update | AccessKind::Sort) => false,
        // Adding or removing an item depends on a test, not on each read.
        (CellKey::Structure, _) | (_, AccessKind::Append) => read == AccessKind::Test,
        _ => true,
    }
}

/// Returns the number that `None` has as a value.
pub(crate) fn none_number() -> u64 {
    let none = python().types.none as Object;
    // SAFETY: None is immortal, and its hash a constant.
    unsafe { python().signature(none) }.number
}

pub(crate) fn is_missing(access: &Access) -> bool {
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

/// Returns whether two operations on a container's structure may come in either order.
pub(crate) fn commutes(one: AccessKind, other: AccessKind) -> bool {
    one == AccessKind::Append && other == AccessKind::Append
}

pub(crate) fn unit_pattern(access: &Access, read: &Mark) -> Pattern {
    match read.kind {
        AccessKind::Test => Pattern::CheckThenAct,
        _ if read.first && access.kind == AccessKind::Write => Pattern::CheckThenAct,
        _ => Pattern::LostUpdate,
    }
}

/// Returns whether both threads may come in any order: both store equal values where there was none,
/// as a cache does; one fills a cache that the other empties; or they work on different ends of a
/// container.
pub(crate) fn is_harmless(access: &Access, mine: &Mark, theirs: &Mark) -> bool {
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
pub(crate) fn read_conflict(access: &Access, mine: &Mark, theirs: &Mark) -> Pattern {
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
pub(crate) fn is_receiver(access: &Access) -> bool {
    access.frame.local(0) == Some(access.object)
}
