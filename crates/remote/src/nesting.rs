//! Threads that run code of several interpreters.
//!
//! A thread that runs code in a subinterpreter has a thread state in each interpreter it has
//! entered, and runs with the one it entered last, its current thread state. The kernel's
//! information about the thread belongs to that one. All commands use this module, so that each
//! counts a thread once.

use crate::frames::{MAX_FRAMES, OWNED_BY_INTERPRETER, ReadAhead};
use crate::memory::{ReadError, word};
use crate::python::{Attachment, Interpreter, Python, Thread};
use rustc_hash::FxHashMap;

impl Python {
    /// Returns for each of these thread states whether it is current: false if its thread has
    /// entered another interpreter, and for a state without frames that is kept for later use.
    #[must_use]
    pub fn are_current(&self, threads: &[Thread]) -> Vec<bool> {
        let mut is_current = vec![true; threads.len()];
        for group in groups(threads.iter().map(|thread| thread.own_id)) {
            let entered_last =
                group.iter().copied().max_by_key(|&index| self.entered(&threads[index]));
            group
                .iter()
                .filter(|&&index| Some(index) != entered_last)
                .for_each(|&i| is_current[i] = false);
        }
        is_current
    }

    /// Returns the threads of these interpreters, each with its current thread state.
    ///
    /// # Errors
    /// The process ended or may no longer be read.
    pub fn current_threads(&self, interpreters: &[Interpreter]) -> Result<Vec<Thread>, ReadError> {
        let mut threads = Vec::new();
        for &interpreter in interpreters {
            threads.append(&mut self.threads(interpreter)?);
        }
        let mut is_current = self.are_current(&threads).into_iter();
        threads.retain(|_| is_current.next().unwrap_or(true));
        Ok(threads)
    }

    /// Returns a key that orders the thread states of one thread by when they were entered. Only
    /// the latest can be attached. Otherwise each entry from C leaves a frame on the C stack, which
    /// grows downwards, so the lowest address is the latest.
    pub(crate) fn entered(&self, thread: &Thread) -> (bool, bool, std::cmp::Reverse<u64>) {
        let entry = self.entry(thread.frame);
        (
            thread.attachment == Attachment::Attached,
            entry.is_some(),
            std::cmp::Reverse(entry.unwrap_or(0)),
        )
    }

    /// Returns the address of the C stack frame through which C code last entered the interpreter,
    /// searching outwards from `frame`.
    fn entry(&self, frame: u64) -> Option<u64> {
        let at = &self.offsets().interpreter_frame;
        let (mut window, mut next) = (ReadAhead::default(), frame);
        for _ in 0..MAX_FRAMES {
            if next == 0 {
                return None;
            }
            let bytes = window.get(self.memory(), next, at.localsplus).ok()?;
            if bytes.get(at.owner as usize).is_some_and(|&owner| owner >= OWNED_BY_INTERPRETER) {
                return Some(next);
            }
            next = word(bytes, at.previous as usize);
        }
        None
    }
}

/// Groups the indices of thread states that belong to the same thread, for threads with several. Id
/// 0 means that the thread has not started.
pub(crate) fn groups(own_ids: impl Iterator<Item = u32>) -> Vec<Vec<usize>> {
    let mut by_id: FxHashMap<u32, Vec<usize>> = FxHashMap::default();
    for (index, own_id) in own_ids.enumerate().filter(|&(_, own_id)| own_id != 0) {
        by_id.entry(own_id).or_default().push(index);
    }
    by_id.into_values().filter(|group| group.len() > 1).collect()
}
