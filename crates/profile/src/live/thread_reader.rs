//! Reads the threads of a live Python.

use super::look::{Look, ThreadObservation};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use ungil_remote::code::Code;
use ungil_remote::frames::{CodeLine, Stack};
use ungil_remote::memory::ReadError;
use ungil_remote::parking::monotonic_ns;
use ungil_remote::thread_observer::{ThreadInfo, ThreadObserver};
use ungil_remote::{Interpreter, Python};

/// Lines cached before the cache is emptied.
const MAX_CACHED_LINES: usize = 1 << 16;
/// Frames of one thread that a view shows at most.
const MAX_FRAMES: usize = 200;

/// A code object and one of its lines. Holding the code object proves that its address has not been
/// reused.
type CachedLine = (Arc<Code>, Arc<CodeLine>);

/// Reads the threads of one target repeatedly and caches their lines.
#[derive(Debug, Default)]
pub(super) struct ThreadReader {
    pub(super) observer: ThreadObserver,
    lines: FxHashMap<(u64, Option<u32>), CachedLine>,
}

/// A look, with the details that a view shows from the same moment.
pub(super) struct DetailedLook {
    pub(super) look: Look,
    pub(super) threads: Vec<ThreadInfo>,
    pub(super) stacks: Vec<Stack>,
}

impl ThreadReader {
    /// Samples every thread of these interpreters.
    ///
    /// # Errors
    /// Only those that concern the whole process. A thread that cannot be read has an empty stack.
    pub(super) fn look(
        &mut self,
        python: &mut Python,
        interpreters: &[Interpreter],
    ) -> Result<DetailedLook, ReadError> {
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
            let line = stack.frames.first().filter(|_| !stack.torn);
            let line = line.map(|frame| self.line(&frame.code, frame.line));
            look.threads.push(ThreadObservation {
                thread: info.thread.native_id,
                state: info.state,
                line,
                wait: info.wait.clone(),
            });
            stacks.push(stack);
        }
        Ok(DetailedLook { look, threads, stacks })
    }

    /// Converts a stack's frames to lines, innermost first.
    pub(super) fn lines(&mut self, stack: &Stack) -> Vec<Arc<CodeLine>> {
        stack
            .frames
            .iter()
            .take(MAX_FRAMES)
            .map(|frame| self.line(&frame.code, frame.line))
            .collect()
    }

    /// Returns the line of `code`, from the cache if it is there.
    fn line(&mut self, code: &Arc<Code>, line: Option<u32>) -> Arc<CodeLine> {
        if let Some((known, cached)) = self.lines.get(&(code.address, line))
            && Arc::ptr_eq(known, code)
        {
            return Arc::clone(cached);
        }
        if self.lines.len() >= MAX_CACHED_LINES {
            self.lines.clear();
        }
        let resolved =
            Arc::new(CodeLine { function: code.qualname.clone(), file: code.file.clone(), line });
        self.lines.insert((code.address, line), (Arc::clone(code), Arc::clone(&resolved)));
        resolved
    }
}
