//! Reads the runtime's lists of interpreters and thread states, which change while they are read.

use super::{Attachment, Interpreter, Python, Thread, assign};
use crate::memory::{ReadError, half, word};
use rustc_hash::FxHashSet;

/// Maximum number of interpreters per process. Each takes 256 KiB.
const MAX_INTERPRETERS: usize = 1 << 12;
/// Maximum number of threads per interpreter.
const MAX_THREADS: usize = 1 << 16;
/// Maximum number of attempts to read a thread list that changes meanwhile.
const LIST_ATTEMPTS: u32 = 16;

impl Python {
    /// Returns the interpreters, newest first, in the runtime's order.
    ///
    /// # Errors
    /// The process ended or may no longer be read.
    pub fn interpreters(&self) -> Result<Vec<Interpreter>, ReadError> {
        let at = &self.offsets.interpreter_state;
        let memory = self.memory();
        let mut found: Vec<Interpreter> = Vec::new();
        let mut next = memory.u64(self.runtime + self.offsets.runtime_state.interpreters_head)?;
        while next != 0
            && found.len() < MAX_INTERPRETERS
            && found.iter().all(|known| known.address != next)
        {
            let Ok(id) = memory.i64(next.saturating_add(at.id)) else { break };
            found.push(Interpreter { address: next, id });
            next = memory.u64(next.saturating_add(at.next)).unwrap_or(0);
        }
        Ok(found)
    }

    /// Returns the threads of an interpreter, newest first, without ended threads whose state still
    /// exists.
    ///
    /// # Errors
    /// The process ended or may no longer be read.
    pub fn threads(&self, interpreter: Interpreter) -> Result<Vec<Thread>, ReadError> {
        let mut found = self.thread_states(interpreter)?;
        let ids = self.process.thread_ids(&found, self.has_own_pids);
        assign::assign(&mut found, &ids);
        Ok(found)
    }

    /// Returns the thread states of an interpreter, newest first. If a thread ends while the list
    /// is read, the rest of the list is lost, so an incomplete list is read again. If no attempt
    /// succeeds, the longest list is returned.
    ///
    /// # Errors
    /// The process ended or may no longer be read.
    pub fn thread_states(&self, interpreter: Interpreter) -> Result<Vec<Thread>, ReadError> {
        let mut found: Vec<Thread> = Vec::new();
        for _attempt in 0..LIST_ATTEMPTS {
            let (list, is_whole) = self.read_list(interpreter)?;
            if is_whole || list.len() > found.len() {
                found = list;
            }
            if is_whole {
                break;
            }
        }
        Ok(found)
    }

    /// Reads the thread list once. Returns the threads, and whether the end of the list was
    /// reached.
    fn read_list(&self, interpreter: Interpreter) -> Result<(Vec<Thread>, bool), ReadError> {
        let head = interpreter.address.saturating_add(self.offsets.interpreter_state.threads_head);
        let mut next = self.memory().u64(head)?;
        let (mut found, mut seen) = (Vec::new(), FxHashSet::default());
        while next != 0 && found.len() < MAX_THREADS && seen.insert(next) {
            let Some((thread, after)) = self.thread(interpreter, next)? else { break };
            found.push(thread);
            next = after;
        }
        Ok((found, next == 0))
    }

    /// Reads the thread state at `address` and the address of the next one; `None` if there is no
    /// thread state of this interpreter (any more).
    fn thread(
        &self,
        interpreter: Interpreter,
        address: u64,
    ) -> Result<Option<(Thread, u64)>, ReadError> {
        let at = &self.offsets.thread_state;
        let bytes = match self.memory().vec(address, at.size, 1 << 16) {
            Ok(bytes) => bytes,
            Err(error) if error.is_local() => return Ok(None),
            Err(error) => return Err(error),
        };
        if word(&bytes, at.interp as usize) != interpreter.address {
            return Ok(None);
        }
        let attachment = Attachment::of(half(&bytes, self.layout.thread_state.state as usize));
        let thread = Thread {
            address,
            interpreter: interpreter.id,
            interpreter_state: interpreter.address,
            native_id: half(&bytes, at.native_thread_id as usize),
            own_id: half(&bytes, at.native_thread_id as usize),
            listed_id: half(&bytes, at.native_thread_id as usize),
            ident: word(&bytes, at.thread_id as usize),
            attachment,
            frame: word(&bytes, at.current_frame as usize),
            holds_gil: at.holds_gil.map(|offset| half(&bytes, offset as usize) != 0),
        };
        Ok(Some((thread, word(&bytes, at.next as usize))))
    }

    /// Returns the current state of a thread state; `None` if the thread has ended.
    #[must_use]
    pub fn attachment(&self, thread: &Thread) -> Option<Attachment> {
        let at = thread.address.saturating_add(self.layout.thread_state.state);
        self.memory().u32(at).ok().map(Attachment::of)
    }
}
