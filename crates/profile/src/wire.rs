//! The recording's encoding: magic, operations, numbers.
//!
//! ```text
//! file   = MAGIC block*
//! block  = u32 length of the body, u32 length of its text, u32 CRC-32 of the body, body     (little-endian)
//! body   = raw deflate of its text; text = operation*, none of which crosses a block's end
//! ```
//! An operation begins with a varint (LEB128). Its low three bits are the operation, the rest is the
//! first operand. Signed numbers are zigzag-encoded. An optional id is encoded as the id plus one,
//! or 0 for none. An id is the index among the definitions of its kind; string 0 and stack 0 are
//! predefined.

use crate::model::{Activity, FrameKind, PauseKind};

/// The first bytes of every recording; the last byte is the version. Version 2 adds activities to
/// version 1.
pub(crate) const MAGIC: [u8; 8] = *b"UNGILRC\x02";

/// Maximum length of a block's text.
pub(crate) const MAX_BLOCK_TEXT: usize = 1 << 20;

/// A new time: zigzag of the nanoseconds since the previous one. Resets the current thread.
pub(crate) const LOOK: u64 = 0;
/// A sample equal to the thread's last, weighing the time between the last two looks. Operand: the
/// thread, as the zigzag of its distance from the successor of the previous thread of this look.
pub(crate) const SAME: u64 = 1;
/// Like [`SAME`], then the zigzag of the difference between the weight and that time.
pub(crate) const WEIGHED: u64 = 2;
/// Like [`WEIGHED`], then activity, zigzag of the distance between the stack and the thread's last,
/// lock, holder.
pub(crate) const CHANGED: u64 = 3;
/// A definition or a name change; operand: one of the `DEFINE_` or `NAME_` numbers.
pub(crate) const DEFINE: u64 = 4;
/// A pause; operand: the number of its kind; then process, start, duration, detail.
pub(crate) const PAUSE: u64 = 5;
/// A sum without a time; operand: thread; then stack, activity, lock, holder, samples, weight.
pub(crate) const ROW: u64 = 6;

/// Length and bytes of the header as JSON: the first operation.
pub(crate) const DEFINE_HEADER: u64 = 0;
/// Length and bytes of the totals as JSON: the last operation.
pub(crate) const DEFINE_TOTALS: u64 = 1;
/// Length and bytes of a string.
pub(crate) const DEFINE_STRING: u64 = 2;
/// Name, file, first line, kind.
pub(crate) const DEFINE_FUNCTION: u64 = 3;
/// Function, line.
pub(crate) const DEFINE_FRAME: u64 = 4;
/// Distance from the parent to this stack (at least 1), frame.
pub(crate) const DEFINE_STACK: u64 = 5;
/// Process, kernel thread id, name.
pub(crate) const DEFINE_THREAD: u64 = 6;
/// Thread, new name.
pub(crate) const NAME_THREAD: u64 = 7;
/// Process, address, kind, name.
pub(crate) const DEFINE_LOCK: u64 = 8;
/// Lock, new name.
pub(crate) const NAME_LOCK: u64 = 9;

/// Maps a signed number to an unsigned one that is small if it is near zero.
pub(crate) fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

/// Reverses [`zigzag`].
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

/// Removes a varint from the front; `None` if it is cut off or longer than 64 bits.
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

/// Returns the number of a kind of frame.
pub(crate) fn kind_number(kind: FrameKind) -> u64 {
    kind as u64
}

/// Returns the kind of frame with that number.
pub(crate) fn kind(number: u64) -> Option<FrameKind> {
    FrameKind::ALL.get(usize::try_from(number).ok()?).copied()
}

/// Returns the activity with that number.
pub(crate) fn activity(number: u64) -> Option<Activity> {
    Activity::ALL.get(usize::try_from(number).ok()?).copied()
}

/// Returns the kind of pause with that number.
pub(crate) fn pause_kind(number: u64) -> Option<PauseKind> {
    [PauseKind::Collection, PauseKind::StopTheWorld].get(usize::try_from(number).ok()?).copied()
}
