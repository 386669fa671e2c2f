//! A walk through an init function, along every way that it can go, up to a bound.
//!
//! Nothing is run: instructions are read and their effect on what is known is kept. Where a
//! condition depends on what is not known both ways are taken; where ways meet again that know the
//! same, one goes on, so that loops end and forks do not multiply. A way that ends in null is one
//! that failed, and says nothing.

use crate::image::Image;
use crate::judge::flow::{Flow, Target};
use crate::judge::imports::{self, Role};
use crate::judge::machine::Machine;
use crate::judge::memory::is_stack;
use crate::judge::outcome::{Outcome, Walked};
use crate::judge::reach::Reach;
use crate::judge::slots;
use crate::judge::state::{Frame, State};
use crate::judge::value::Value;
use rustc_hash::FxHashSet;
use std::rc::Rc;

/// The most instructions of one walk, and what is as much work. Most init functions take some
/// hundreds; those that fill large tables take a hundred thousand.
const STEPS: u32 = 400_000;
/// The most ways that wait to be gone.
const WAITING: usize = 512;
/// The deepest call that is followed.
const DEPTH: usize = 12;
/// The most outcomes that are kept; they differ.
const OUTCOMES: usize = 64;

struct Walk<'w, 'i> {
    image: &'w Image<'i>,
    machine: Machine,
    roles: &'w [Role],
    reach: Reach<'w, 'i>,
    exports: bool,
    seen: FxHashSet<u64>,
    left: u32,
    walked: Walked,
}

/// Walks through the function at `entry`; one that hands over slots if it `exports`. Takes what it
/// spends from `steps`.
pub(crate) fn walk(
    image: &Image,
    roles: &[Role],
    entry: u64,
    exports: bool,
    steps: &mut u32,
) -> Walked {
    let machine = Machine::of(image);
    let state = State::new(entry, machine.stack);
    let reach = Reach::new(image, roles);
    let allowed = STEPS.min(*steps);
    let mut walk = Walk {
        image,
        machine,
        roles,
        reach,
        exports,
        seen: FxHashSet::default(),
        left: allowed,
        walked: Walked::default(),
    };
    let mut waiting = vec![state];
    while let Some(mut state) = waiting.pop() {
        while walk.step(&mut state, &mut waiting) {
            walk.spend(1);
            if walk.left == 0 || state.memory.is_full() {
                walk.leave_open(&state);
                break;
            }
        }
        if walk.left == 0 {
            waiting.iter().for_each(|state| walk.leave_open(state));
            break;
        }
    }
    *steps -= allowed - walk.left;
    walk.walked
}

impl Walk<'_, '_> {
    fn spend(&mut self, steps: usize) {
        self.left = self.left.saturating_sub(u32::try_from(steps).unwrap_or(u32::MAX));
    }

    /// A bound is met: what has been said by then on this way, if anything, is all there is to go
    /// by.
    fn leave_open(&mut self, state: &State) {
        self.walked.cut_off = true;
        if state.modules.is_told() && !state.raised {
            self.keep(module(state, Value::Symbol(0)));
        }
    }

    /// One instruction. Whether the way goes on.
    fn step(&mut self, state: &mut State, waiting: &mut Vec<State>) -> bool {
        let at = state.ip;
        match self.machine.step(self.image, state) {
            Flow::Next => true,
            Flow::End => false,
            Flow::Lost => self.lose(at),
            Flow::Return => self.finish(state),
            Flow::Jump(target) => match self.resolve(target) {
                Target::Address(address) => {
                    state.ip = address;
                    true
                }
                Target::Import(import) => self.import(state, import, at) && self.finish(state),
                Target::Unknown => self.lose(at),
            },
            Flow::Call(target) => match self.resolve(target) {
                Target::Address(address) => {
                    self.call(state, address, at);
                    true
                }
                Target::Import(import) => self.import(state, import, at),
                Target::Unknown => {
                    self.pass(state);
                    true
                }
            },
            Flow::Branch(condition, to, value) => {
                if let Some(value) = value {
                    state.compared =
                        crate::judge::state::Compared::Difference(value, Value::Known(0));
                }
                match state.holds(condition) {
                    Some(true) => state.ip = to,
                    Some(false) => {}
                    None => {
                        // A copy of all that is known is made, and looked at as a whole.
                        self.spend(16 + state.memory.len() / 4);
                        let mut taken = state.clone();
                        taken.ip = to;
                        taken.assume(condition, true);
                        state.assume(condition, false);
                        if self.may_pass(&taken) {
                            if waiting.len() < WAITING {
                                waiting.push(taken);
                            } else {
                                self.leave_open(&taken);
                            }
                        }
                        return self.may_pass(state);
                    }
                }
                true
            }
        }
    }

    /// A direct target that is a stub is the import behind it.
    fn resolve(&self, target: Target) -> Target {
        match target {
            Target::Address(address) => match self.image.stubs.get(&address) {
                Some(&index) => u32::try_from(index).map_or(Target::Unknown, Target::Import),
                None => target,
            },
            _ => target,
        }
    }

    fn lose(&mut self, at: u64) -> bool {
        self.walked.lost.get_or_insert(at);
        false
    }

    /// Whether a way goes on from a fork: not where another went on that knew the same.
    fn may_pass(&mut self, state: &State) -> bool {
        self.seen.insert(state.digest())
    }

    /// A call of a function of the image.
    fn call(&mut self, state: &mut State, address: u64, at: u64) {
        let handed = |index| self.machine.argument(state, index).known();
        let handed: [Option<u64>; 4] = std::array::from_fn(handed);
        let matters = self.reach.leads(address)
            || handed
                .into_iter()
                .flatten()
                .any(|code| !is_stack(code) && self.reach.leads_from_handed(code));
        let follows = if matters { DEPTH } else { DEPTH / 3 };
        if state.frames.len() < follows && (matters || self.reach.is_small(address)) {
            self.machine.enter(self.image, state, state.ip);
            let stack = state.registers.get(self.machine.stack).and_then(|value| value.known());
            let registers = Rc::new(state.registers);
            state.frames.push(Frame { back: state.ip, stack: stack.unwrap_or(0), registers });
            state.ip = address;
            return;
        }
        state.stale = true;
        if matters || self.reach.is_cut_off() {
            state.passed.get_or_insert(at);
        }
        self.pass(state);
    }

    /// Leaves a call out: what it was given the address of, and what it may change, is not known
    /// afterwards.
    fn pass(&mut self, state: &mut State) {
        self.forget(state);
        let result = state.fresh();
        self.machine.finish_call(state, result);
    }

    fn forget(&mut self, state: &mut State) {
        self.spend(state.memory.len() / 16);
        // What the caller has saved lies at the end of its frame, and no call is given its address.
        let end = state.frames.last().map_or(0, |frame| frame.stack.saturating_sub(56));
        for index in 0..4 {
            if let Value::Known(address) = self.machine.argument(state, index) {
                state.memory.hand_over(address, end);
            }
        }
    }

    /// A call of an import. Whether it comes back.
    fn import(&mut self, state: &mut State, import: u32, at: u64) -> bool {
        let role = self.roles.get(import as usize).copied().unwrap_or(Role::Other);
        let first = self.machine.argument(state, 0);
        let result = match role {
            Role::NoReturn => return false,
            Role::DefInit => {
                let reading = slots::of_definition(self.image, &state.memory, first);
                self.keep(Outcome::Definition(reading, at));
                return false;
            }
            Role::SetGil => {
                state.modules.tell(first, (self.machine.argument(state, 1), at));
                Value::Known(0)
            }
            Role::Create | Role::Named => {
                let module = state.fresh_address();
                state.modules.make(module, at, role == Role::Create);
                module
            }
            Role::Guard => Value::Known(1),
            Role::Absent => state.added.unwrap_or(Value::Known(0)),
            Role::Add | Role::Remove => {
                state.added = (role == Role::Add).then_some(first);
                Value::Known(0)
            }
            Role::Allocate => match (first, self.machine.argument(state, 1)) {
                (Value::Known(count), Value::Known(size)) => {
                    let given = count.checked_mul(size).and_then(|len| state.memory.allocate(len));
                    given.map_or_else(|| state.fresh(), Value::Known)
                }
                _ => state.fresh(),
            },
            Role::Fill | Role::Copy => {
                let (second, length) =
                    (self.machine.argument(state, 1), self.machine.argument(state, 2));
                if !imports::fill_or_copy(self.image, state, role, first, second, length) {
                    self.forget(state);
                }
                first
            }
            Role::Raise | Role::Forgive => {
                state.raised = role == Role::Raise;
                state.fresh()
            }
            Role::Other => {
                self.forget(state);
                state.fresh()
            }
        };
        self.machine.finish_call(state, result);
        true
    }

    /// The end of a function. Whether the way goes on, in its caller.
    fn finish(&mut self, state: &mut State) -> bool {
        let Some(frame) = state.frames.pop() else { return false };
        if !self.machine.leave(state, frame.stack) {
            // A call that does not come back, and the code that happens to lie behind it: no way
            // that a program goes.
            self.walked.astray = true;
            return false;
        }
        if frame.back != 0 {
            state.ip = frame.back;
            self.spend(state.memory.len() / 16);
            self.machine.clear(state, &frame);
            return true;
        }
        let given = state.registers.get(self.machine.result).copied().unwrap_or(Value::Symbol(0));
        let given = state.narrow(given, 8);
        if given != Value::Known(0) && !state.raised {
            let outcome = if self.exports {
                Outcome::Slots(slots::of_slots(self.image, &state.memory, given))
            } else {
                module(state, given)
            };
            self.keep(outcome);
        }
        false
    }

    fn keep(&mut self, outcome: Outcome) {
        if !self.walked.outcomes.contains(&outcome) {
            if self.walked.outcomes.len() < OUTCOMES {
                self.walked.outcomes.push(outcome);
            } else {
                self.walked.cut_off = true;
            }
        }
    }
}

/// What a way comes to that hands over this module.
fn module(state: &State, given: Value) -> Outcome {
    let (gil, made) = state.modules.of(given);
    Outcome::Module { gil, made, passed: state.passed }
}
