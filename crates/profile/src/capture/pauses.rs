//! Tracks collections and stop-the-world pauses. A pause that begins and ends between two looks is
//! not seen; one that is seen is assumed to have begun at the previous look. Where the interpreter
//! times its collections, its timings are used.

use super::collections::CollectionTimings;
use crate::Builder;
use crate::model::PauseKind;
use ungil_remote::sample::{Sampler, ThreadSlot};
use ungil_remote::{Attachment, Interpreter};

/// A pause in progress.
#[derive(Debug, Clone, Copy)]
struct OpenPause {
    interpreter: u64,
    kind: PauseKind,
    since_ns: u64,
}

/// Tracks the pauses of one process.
#[derive(Debug)]
pub(super) struct PauseTracker {
    open: Vec<OpenPause>,
    last_ns: u64,
    collecting: bool,
    requester: Option<u64>,
    timings: CollectionTimings,
}

impl PauseTracker {
    /// Creates a tracker; `at_ns` is the current time.
    pub(super) fn new(at_ns: u64) -> PauseTracker {
        let timings = CollectionTimings::new(at_ns);
        PauseTracker { open: Vec::new(), last_ns: 0, collecting: false, requester: None, timings }
    }

    /// Returns the number of collections whose timings were lost.
    pub(super) fn lost(&self) -> u64 {
        self.timings.lost
    }

    /// Updates the pauses from a look.
    pub(super) fn look(&mut self, sampler: &Sampler, pid: u32, at_ns: u64, builder: &mut Builder) {
        let was_collecting = std::mem::take(&mut self.collecting);
        self.requester = None;
        let collects =
            sampler.interpreters().iter().any(|interpreter| sampler.is_collecting(*interpreter));
        let is_timed = self.timings.read(sampler, pid, at_ns, was_collecting && !collects, builder);
        for interpreter in sampler.interpreters() {
            let collects = sampler.is_collecting(interpreter);
            let world = sampler.stop_the_world(interpreter).filter(|world| world.requested);
            self.collecting |= collects;
            self.requester = self.requester.or(world.and_then(|world| world.requester));
            self.update(
                interpreter,
                PauseKind::Collection,
                collects && !is_timed,
                pid,
                at_ns,
                builder,
            );
            self.update(interpreter, PauseKind::StopTheWorld, world.is_some(), pid, at_ns, builder);
        }
        self.last_ns = at_ns;
    }

    fn update(
        &mut self,
        interpreter: Interpreter,
        kind: PauseKind,
        is_active: bool,
        pid: u32,
        at_ns: u64,
        builder: &mut Builder,
    ) {
        let interpreter = interpreter.address;
        let known = self.open.iter().position(|s| s.interpreter == interpreter && s.kind == kind);
        match (known, is_active) {
            (None, true) => {
                let since_ns = if self.last_ns == 0 { at_ns } else { self.last_ns };
                self.open.push(OpenPause { interpreter, kind, since_ns });
            }
            (Some(index), false) => {
                let pause = self.open.swap_remove(index);
                builder.pause(
                    pid,
                    kind,
                    pause.since_ns,
                    self.last_ns.saturating_sub(pause.since_ns),
                    "",
                );
            }
            _ => {}
        }
    }

    /// Returns the address of the thread that runs the collector in this look, if known.
    pub(super) fn collector(&self, threads: &[ThreadSlot]) -> Option<u64> {
        if !self.collecting {
            return None;
        }
        let mut attached =
            threads.iter().filter(|slot| slot.thread.attachment == Attachment::Attached);
        self.requester.or_else(|| {
            let only = attached.next()?.thread.address;
            attached.next().is_none().then_some(only)
        })
    }

    /// Ends the pauses in progress, and reads the interpreter's collection timings once more if it
    /// still exists.
    pub(super) fn finish(
        &mut self,
        sampler: &Sampler,
        pid: u32,
        at_ns: u64,
        builder: &mut Builder,
    ) {
        self.timings.read(sampler, pid, at_ns, true, builder);
        for pause in self.open.drain(..) {
            builder.pause(
                pid,
                pause.kind,
                pause.since_ns,
                at_ns.saturating_sub(pause.since_ns),
                "",
            );
        }
    }
}
