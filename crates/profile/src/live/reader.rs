//! Looks, made from a live Python.

use super::look::{Look, Place, Seen, Wait};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use ungil_remote::code::Code;
use ungil_remote::frames::Stack;
use ungil_remote::memory::ReadError;
use ungil_remote::standing::{Standing, Watcher};
use ungil_remote::waits::{On, monotonic_ns};
use ungil_remote::{Interpreter, Python};

/// Lines kept before the store is emptied.
const MOST_PLACES: usize = 1 << 16;
/// Frames of one thread that are kept for a view.
const DEEPEST: usize = 200;

/// A code object, so that its address is known to be still its, and where one of its lines is.
type Kept = (Arc<Code>, Arc<Place>);

/// Reads one target again and again.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) watcher: Watcher,
    places: FxHashMap<(u64, Option<u32>), Kept>,
}

/// A look, and what a view wants to know of the same moment besides.
pub(super) struct Moment {
    pub(super) look: Look,
    pub(super) standings: Vec<Standing>,
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
        let mut standings = self.watcher.look(python, interpreters)?;
        let mut stacks = Vec::with_capacity(standings.len());
        for standing in &mut standings {
            let stack = match standing.stack.take() {
                Some(stack) => stack,
                None => match python.stack(&standing.thread) {
                    Ok(stack) => stack,
                    Err(ReadError::Unmapped(_)) => Stack::default(),
                    Err(error) => return Err(error),
                },
            };
            look.torn += u64::from(stack.torn);
            let place = stack.frames.first().filter(|_| !stack.torn);
            let place = place.map(|frame| self.place(&frame.code, frame.line));
            look.threads.push(Seen {
                thread: standing.thread.native_id,
                state: standing.activity,
                place,
                wait: wait(standing),
            });
            stacks.push(stack);
        }
        Ok(Moment { look, standings, stacks })
    }

    /// The frames of a stack as lines, innermost first.
    pub(super) fn places(&mut self, stack: &Stack) -> Vec<Arc<Place>> {
        stack.frames.iter().take(DEEPEST).map(|frame| self.place(&frame.code, frame.line)).collect()
    }

    /// A line, made once.
    fn place(&mut self, code: &Arc<Code>, line: Option<u32>) -> Arc<Place> {
        if let Some((known, place)) = self.places.get(&(code.address, line))
            && Arc::ptr_eq(known, code)
        {
            return Arc::clone(place);
        }
        if self.places.len() >= MOST_PLACES {
            self.places.clear();
        }
        let place = Arc::new(Place { function: code.qualname.clone(), file: code.file.clone(), line });
        self.places.insert((code.address, line), (Arc::clone(code), Arc::clone(&place)));
        place
    }
}

fn wait(standing: &Standing) -> Option<Wait> {
    let waiting = standing.waiting?;
    let since_ns = waiting.since_ns.and_then(|ns| u64::try_from(ns).ok());
    match (&standing.known, waiting.on) {
        (Some(known), _) => Some(Wait { object: known.object, kind: known.kind.as_ref().into(), since_ns }),
        (None, On::Gil(gil)) => Some(Wait { object: gil, kind: "GIL".into(), since_ns }),
        _ => None,
    }
}
