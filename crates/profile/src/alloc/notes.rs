//! Notes about what an allocation profile does not include.

use super::{AllocEnd, Allocations};
use ungil_format::counted;
use ungil_hook::wire::{dropped, head};

/// The note about a program that has disappeared.
const LOST: &str = "the program ended without its exit handlers (killed, os._exit or exec), so the types of live objects are unknown";

impl Allocations {
    /// Corrects the result for a target that has not ended, but did not respond because of what it
    /// is `doing`.
    pub(super) fn mark_unresponsive(&mut self, doing: &str) {
        self.end = AllocEnd::Cut;
        self.notes.retain(|note| note != LOST);
        self.notes.push(format!(
            "the target did not respond at the end, so the types of live objects are unknown: {doing}"
        ));
    }
}

/// Lists what the figures do not include, and why.
pub(super) fn notes(word: impl Fn(usize) -> u64, end: AllocEnd) -> Vec<String> {
    let mut notes = Vec::new();
    let lost = |what| word(head::DROPPED + what);
    let mut add_note = |count: u64, text: &str| {
        if count > 0 {
            // `{noun}` is replaced by the count.
            let (head, rest) = text.split_once('{').unwrap_or((text, ""));
            let (noun, rest) = rest.split_once('}').unwrap_or(("", rest));
            let counted = if noun.is_empty() { String::new() } else { counted(count, noun) };
            notes.push(format!("{head}{counted}{rest}"));
        }
    };
    add_note(
        lost(dropped::SITES),
        "the table of allocation sites was full: {sample} in the exact totals only; use a larger --every",
    );
    add_note(
        lost(dropped::LIVE),
        "the table of live blocks was full: {block} counted as allocated but neither as live nor as freed; use a larger --every",
    );
    add_note(lost(dropped::STACKS), "the table of stacks was full: {sample} without a stack");
    add_note(lost(dropped::CODES), "the table of functions was full: {name or line table} missing");
    add_note(lost(dropped::TYPES), "the table of types was full: {object} without a type");
    add_note(lost(dropped::THREADS), "the table of threads was full: {thread} in one row");
    add_note(word(head::FORKS), "not counted: {forked child process}");
    add_note(u64::from(end == AllocEnd::Lost), LOST);
    add_note(
        u64::from(end == AllocEnd::Cut),
        "the target's main thread did not respond in time, so the types of live objects are unknown",
    );
    add_note(
        u64::from(word(head::RESTORED) == 2),
        "another tool has wrapped the allocators since: ungil's wrappers stay in place, inactive",
    );
    notes
}
