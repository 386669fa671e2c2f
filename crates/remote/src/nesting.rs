//! Threads that run code of several interpreters.
//!
//! A thread that runs code in a subinterpreter has a thread state in each interpreter it has
//! entered, and runs with the one it entered last. What the kernel says of the thread is about that
//! one. Every verb asks here which it is, so that all of them count one thread once.

use crate::frames::{DEEPEST, OWNED_BY_INTERPRETER, Window};
use crate::memory::{ReadError, word};
use crate::python::{Attachment, Interpreter, Python, Thread};
use rustc_hash::FxHashMap;

impl Python {
    /// Returns for each of these thread states whether its thread runs with it: false for one whose
    /// thread has entered another interpreter, and for one without frames that is kept for later.
    #[must_use]
    pub fn at_work(&self, threads: &[Thread]) -> Vec<bool> {
        let mut at_work = vec![true; threads.len()];
        for group in groups(threads.iter().map(|thread| thread.own_id)) {
            let entered_last =
                group.iter().copied().max_by_key(|&index| self.entered(&threads[index]));
            group
                .iter()
                .filter(|&&index| Some(index) != entered_last)
                .for_each(|&i| at_work[i] = false);
        }
        at_work
    }

    /// The threads of these interpreters, each with the thread state that it runs with.
    ///
    /// # Errors
    /// The process ended or may not be read any more.
    pub fn working_threads(&self, interpreters: &[Interpreter]) -> Result<Vec<Thread>, ReadError> {
        let mut threads = Vec::new();
        for &interpreter in interpreters {
            threads.append(&mut self.threads(interpreter)?);
        }
        let mut at_work = self.at_work(&threads).into_iter();
        threads.retain(|_| at_work.next().unwrap_or(true));
        Ok(threads)
    }

    /// Orders the thread states of one thread by when they were entered. Only the last can be
    /// attached. Otherwise each entry from C leaves a frame on the C stack, which grows downwards,
    /// so that the lowest is the latest.
    pub(crate) fn entered(&self, thread: &Thread) -> (bool, bool, std::cmp::Reverse<u64>) {
        let entry = self.entry(thread.frame);
        (
            thread.attachment == Attachment::Attached,
            entry.is_some(),
            std::cmp::Reverse(entry.unwrap_or(0)),
        )
    }

    /// The address of the frame on the C stack through which C code last entered the interpreter,
    /// outwards from `frame`.
    fn entry(&self, frame: u64) -> Option<u64> {
        let at = &self.offsets().interpreter_frame;
        let (mut window, mut next) = (Window::default(), frame);
        for _ in 0..DEEPEST {
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

/// Indices of thread states that belong to one thread, for each thread that has several. A thread
/// that has not begun to run has no number yet, which is 0.
pub(crate) fn groups(own_ids: impl Iterator<Item = u32>) -> Vec<Vec<usize>> {
    let mut by_id: FxHashMap<u32, Vec<usize>> = FxHashMap::default();
    for (index, own_id) in own_ids.enumerate().filter(|&(_, own_id)| own_id != 0) {
        by_id.entry(own_id).or_default().push(index);
    }
    by_id.into_values().filter(|group| group.len() > 1).collect()
}
