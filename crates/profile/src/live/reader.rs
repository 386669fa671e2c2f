//! Looks, made from a live Python.

use super::look::{Look, Seen};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use ungil_remote::code::Code;
use ungil_remote::frames::{CodeLine, Stack};
use ungil_remote::memory::ReadError;
use ungil_remote::parking::monotonic_ns;
use ungil_remote::thread_observer::{ThreadInfo, ThreadObserver};
use ungil_remote::{Interpreter, Python};

/// Lines kept before the store is emptied.
const MOST_PLACES: usize = 1 << 16;
/// Frames of one thread that are kept for a view.
const DEEPEST: usize = 200;

/// A code object, so that its address is known to be still its, and where one of its lines is.
type Kept = (Arc<Code>, Arc<CodeLine>);

/// Reads one target again and again.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) observer: ThreadObserver,
    places: FxHashMap<(u64, Option<u32>), Kept>,
}

/// A look, and what a view wants to know of the same moment besides.
pub(super) struct Moment {
    pub(super) look: Look,
    pub(super) threads: Vec<ThreadInfo>,
    pub(super) stacks: Vec<Stack>,
}

impl Reader {
    /// Looks at every thread of these interpreters.
    ///
    /// # Errors
    /// Only what concerns the process as a whole.
    pub(super) fn look(
        &mut self,
        python: &mut Python,
        interpreters: &[Interpreter],
    ) -> Result<Moment, ReadError> {
        python.next_look();
        let mut look = Look { at_ns: monotonic_ns().unsigned_abs(), threads: Vec::new(), torn: 0 };
        let mut threads = self.observer.states(python, interpreters)?;
        let mut stacks = Vec::with_capacity(threads.len());
        for info in &mut threads {
            let stack = match info.stack.take() {
                Some(stack) => stack,
                None => match python.stack(&info.thread) {
                    Ok(stack) => stack,
                    Err(error) if error.is_local() => Stack::default(),
                    Err(error) => return Err(error),
                },
            };
            look.torn += u64::from(stack.torn);
            let place = stack.frames.first().filter(|_| !stack.torn);
            let place = place.map(|frame| self.place(&frame.code, frame.line));
            look.threads.push(Seen {
                thread: info.thread.native_id,
                state: info.state,
                place,
                wait: info.wait.clone(),
            });
            stacks.push(stack);
        }
        Ok(Moment { look, threads, stacks })
    }

    /// The frames of a stack as lines, innermost first.
    pub(super) fn places(&mut self, stack: &Stack) -> Vec<Arc<CodeLine>> {
        stack.frames.iter().take(DEEPEST).map(|frame| self.place(&frame.code, frame.line)).collect()
    }

    /// A line, made once.
    fn place(&mut self, code: &Arc<Code>, line: Option<u32>) -> Arc<CodeLine> {
        if let Some((known, place)) = self.places.get(&(code.address, line))
            && Arc::ptr_eq(known, code)
        {
            return Arc::clone(place);
        }
        if self.places.len() >= MOST_PLACES {
            self.places.clear();
        }
        let place =
            Arc::new(CodeLine { function: code.qualname.clone(), file: code.file.clone(), line });
        self.places.insert((code.address, line), (Arc::clone(code), Arc::clone(&place)));
        place
    }
}
