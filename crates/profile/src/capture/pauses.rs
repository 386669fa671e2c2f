//! Times in which everything stands still: collections, and stops of the world. A pause that begins
//! and ends between two looks is not seen; one that is seen has been since the look before. Where
//! the interpreter times its collections itself, its word is taken.

use super::collections::Timed;
use crate::Builder;
use crate::model::PauseKind;
use ungil_remote::sample::{Sampler, ThreadSlot};
use ungil_remote::{Attachment, Interpreter};

/// A pause under way.
#[derive(Debug, Clone, Copy)]
struct Spell {
    interpreter: u64,
    kind: PauseKind,
    since_ns: u64,
}

/// The pauses of one process.
#[derive(Debug)]
pub(super) struct PauseWatch {
    spells: Vec<Spell>,
    last_ns: u64,
    collecting: bool,
    requester: Option<u64>,
    timed: Timed,
}

impl PauseWatch {
    /// Begins; `at_ns` is now.
    pub(super) fn new(at_ns: u64) -> PauseWatch {
        let timed = Timed::new(at_ns);
        PauseWatch { spells: Vec::new(), last_ns: 0, collecting: false, requester: None, timed }
    }

    /// Collections that ended and whose times are not known.
    pub(super) fn lost(&self) -> u64 {
        self.timed.lost
    }

    /// Takes in a look.
    pub(super) fn look(&mut self, looker: &Sampler, pid: u32, at_ns: u64, builder: &mut Builder) {
        let was_collecting = std::mem::take(&mut self.collecting);
        self.requester = None;
        let collects =
            looker.interpreters().iter().any(|interpreter| looker.is_collecting(*interpreter));
        let is_timed = self.timed.look(looker, pid, at_ns, was_collecting && !collects, builder);
        for interpreter in looker.interpreters() {
            let collects = looker.is_collecting(interpreter);
            let world = looker.stop_the_world(interpreter).filter(|world| world.requested);
            self.collecting |= collects;
            self.requester = self.requester.or(world.and_then(|world| world.requester));
            self.turn(
                interpreter,
                PauseKind::Collection,
                collects && !is_timed,
                pid,
                at_ns,
                builder,
            );
            self.turn(interpreter, PauseKind::StopTheWorld, world.is_some(), pid, at_ns, builder);
        }
        self.last_ns = at_ns;
    }

    fn turn(
        &mut self,
        interpreter: Interpreter,
        kind: PauseKind,
        is: bool,
        pid: u32,
        at_ns: u64,
        builder: &mut Builder,
    ) {
        let interpreter = interpreter.address;
        let known = self.spells.iter().position(|s| s.interpreter == interpreter && s.kind == kind);
        match (known, is) {
            (None, true) => {
                let since_ns = if self.last_ns == 0 { at_ns } else { self.last_ns };
                self.spells.push(Spell { interpreter, kind, since_ns });
            }
            (Some(index), false) => {
                let spell = self.spells.swap_remove(index);
                builder.pause(
                    pid,
                    kind,
                    spell.since_ns,
                    self.last_ns.saturating_sub(spell.since_ns),
                    "",
                );
            }
            _ => {}
        }
    }

    /// The thread that runs the collector at this look, where it can be told.
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

    /// Ends the pauses under way; those that the interpreter has timed are fetched once more, if it
    /// is still there.
    pub(super) fn finish(&mut self, looker: &Sampler, pid: u32, at_ns: u64, builder: &mut Builder) {
        self.timed.look(looker, pid, at_ns, true, builder);
        for spell in self.spells.drain(..) {
            builder.pause(
                pid,
                spell.kind,
                spell.since_ns,
                at_ns.saturating_sub(spell.since_ns),
                "",
            );
        }
    }
}
