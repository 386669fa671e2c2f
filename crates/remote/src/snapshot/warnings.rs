//! Warnings of a snapshot: what could not be read, and what may be wrong.

use super::builder::SnapshotBuilder;
use crate::frames::MAX_FRAMES;
use crate::linux::syscall::KernelState;
use crate::python::Python;
use crate::source::SourceFiles;
use crate::thread_dump::ThreadDump;
use ungil_format::counted;

/// Returns the warnings about the process as a whole.
pub(super) fn process_warnings(python: &Python, dump: &ThreadDump) -> Vec<String> {
    let mut warnings = Vec::new();
    if python.process().is_stopped() {
        warnings.push(
            "the process is stopped by a signal or a debugger: none of its threads is running"
                .into(),
        );
    }
    if has_greenlets(python, dump) {
        warnings.push(
            "suspended greenlets are not shown: each thread's stack is that of its current greenlet".into(),
        );
    }
    warnings
}

/// Returns whether a program uses greenlets (gevent, eventlet): their module has been imported.
fn has_greenlets(python: &Python, dump: &ThreadDump) -> bool {
    let objects = python.objects();
    dump.interpreters.iter().any(|interpreter| {
        let at =
            interpreter.address.checked_add(python.offsets().interpreter_state.imports_modules);
        let modules = at.and_then(|at| python.memory().u64(at).ok());
        modules.is_some_and(|modules| objects.item(modules, "greenlet").is_some())
    })
}

impl SnapshotBuilder<'_> {
    /// Returns the warnings about threads, frames and source files.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let unreadable: u32 = self
            .dump
            .threads
            .iter()
            .map(|info| info.stack.as_ref().map_or(0, |stack| stack.unreadable))
            .sum();
        if unreadable > 0 {
            warnings.push(format!(
                "{} could not be read and were omitted",
                counted(unreadable, "frame")
            ));
        }
        if self.dump.torn > 0 {
            warnings.push(format!("{} kept running during every attempt to read the stack: the frames shown may never have been on the stack together", counted(self.dump.torn, "thread")));
        }
        let cut = self
            .dump
            .threads
            .iter()
            .filter(|info| info.stack.as_ref().is_some_and(|stack| stack.cut))
            .count();
        if cut > 0 {
            warnings.push(format!(
                "{} with more than {MAX_FRAMES} frames: the outermost frames and the locks they hold are omitted",
                counted(cut as u64, "stack")
            ));
        }
        if self.no_native > 0 {
            warnings.push(format!(
                "C frames of {} are omitted: running threads would have to be stopped",
                counted(self.no_native, "thread")
            ));
        }
        if self.dump.threads.iter().any(|info| info.kernel == KernelState::Unknown) {
            warnings.push(
                "the kernel does not report what threads wait for (/proc/PID/task/TID/syscall)"
                    .into(),
            );
        }
        let newer = self.sources.as_ref().map(SourceFiles::newer).unwrap_or_default();
        if !newer.is_empty() {
            warnings.push(format!(
                "modified since the process started (for a core: since it was written), so the source lines may not match \
                 the running code: {}",
                newer.join(", ")
            ));
        }
        for cycle in self.dump.timed_cycles() {
            let names: Vec<String> =
                cycle.iter().map(|&index| self.name_of(&self.dump.threads[index])).collect();
            warnings.push(format!(
                "threads wait for each other, one of them with a timeout: {}",
                names.join(", ")
            ));
        }
        warnings
    }
}
