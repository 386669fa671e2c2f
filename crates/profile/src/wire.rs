//! The recording's alphabet: its magic, its operations, its numbers.
//!
//! ```text
//! file   = MAGIC block*
//! block  = u32 length of the body, u32 length of its text, u32 CRC-32 of the body, body     (little-endian)
//! body   = raw deflate of its text; text = operation*, none of which crosses a block's end
//! ```
//! An operation begins with a varint (LEB128) whose low three bits say which, and whose rest is its
//! first operand. Signed numbers are zigzag; an id of something that may be missing is one more
//! than the id, and 0 if it is missing. A thing's id is its place among the definitions of its
//! sort; string 0 and stack 0 are defined from the start.

use crate::model::{Activity, Kind, PauseKind};

/// Begins every recording; the last byte is the version. Version 2 has more activities than version
/// 1 and is the same otherwise.
pub(crate) const MAGIC: [u8; 8] = *b"UNGILRC\x02";

/// Longest text of a block.
pub(crate) const LONGEST_TEXT: usize = 1 << 20;

/// A new time: zigzag of the nanoseconds since the last. Forgets the last thread.
pub(crate) const LOOK: u64 = 0;
/// A thread as it was last seen, weighing the time between the last two looks. Operand: the thread,
/// as the zigzag of how far it is from the one after the last thread of this look.
pub(crate) const SAME: u64 = 1;
/// As [`SAME`], then the zigzag of how far the weight is from that time.
pub(crate) const WEIGHED: u64 = 2;
/// As [`WEIGHED`], then activity, zigzag of how far the stack is from the thread's last, lock,
/// holder.
pub(crate) const CHANGED: u64 = 3;
/// A definition or a change of a name; operand: one of the `DEFINE_` numbers.
pub(crate) const DEFINE: u64 = 4;
/// A pause; operand: its kind's number; then process, start, duration, detail.
pub(crate) const PAUSE: u64 = 5;
/// A sum without a time; operand: thread; then stack, activity, lock, holder, samples, weight.
pub(crate) const ROW: u64 = 6;

/// Length and bytes of a header in JSON: the first operation.
pub(crate) const DEFINE_HEADER: u64 = 0;
/// Length and bytes of the totals in JSON: the last operation.
pub(crate) const DEFINE_TOTALS: u64 = 1;
/// Length and bytes of a string.
pub(crate) const DEFINE_STRING: u64 = 2;
/// Name, file, first line, kind.
pub(crate) const DEFINE_FUNCTION: u64 = 3;
/// Function, line.
pub(crate) const DEFINE_FRAME: u64 = 4;
/// How far back the parent is from this stack (at least 1), frame.
pub(crate) const DEFINE_STACK: u64 = 5;
/// Process, kernel's id, name.
pub(crate) const DEFINE_THREAD: u64 = 6;
/// Thread, its new name.
pub(crate) const NAME_THREAD: u64 = 7;
/// Process, address, kind, name.
pub(crate) const DEFINE_LOCK: u64 = 8;
/// Lock, its new name.
pub(crate) const NAME_LOCK: u64 = 9;

/// A signed number as an unsigned one, small if it is near zero.
pub(crate) fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

/// The signed number again.
pub(crate) fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// Appends a varint.
pub(crate) fn put(text: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        text.push(n as u8 | 0x80);
        n >>= 7;
    }
    text.push(n as u8);
}

/// Takes a varint off the front; `None` if it is cut off or longer than 64 bits.
pub(crate) fn take(text: &mut &[u8]) -> Option<u64> {
    let mut n = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = text.split_first()?;
        *text = rest;
        let low = u64::from(byte & 0x7f);
        if shift == 63 && low > 1 {
            return None;
        }
        n |= low << shift;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

/// The number of a kind of frame.
pub(crate) fn kind_number(kind: Kind) -> u64 {
    kind as u64
}

/// The kind of frame of that number.
pub(crate) fn kind(number: u64) -> Option<Kind> {
    Kind::ALL.get(usize::try_from(number).ok()?).copied()
}

/// The activity of that number.
pub(crate) fn activity(number: u64) -> Option<Activity> {
    Activity::ALL.get(usize::try_from(number).ok()?).copied()
}

/// The kind of pause of that number.
pub(crate) fn pause_kind(number: u64) -> Option<PauseKind> {
    [PauseKind::Collection, PauseKind::StopTheWorld].get(usize::try_from(number).ok()?).copied()
}
