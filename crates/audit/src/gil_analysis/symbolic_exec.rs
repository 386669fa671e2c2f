//! A executor through an init function, along every way that it can go, up to a bound.
//!
//! Nothing is run: instructions are read and their effect on what is known is kept. Where a
//! condition depends on what is not known both ways are taken; where ways meet again that know the
//! same, one goes on, so that loops end and forks do not multiply. A way that ends in null is one
//! that failed, and says nothing.

use crate::gil_analysis::call_graph::CallGraph;
use crate::gil_analysis::flow::{CallTarget, Flow};
use crate::gil_analysis::import_roles::{self, ImportRole};
use crate::gil_analysis::machine::Machine;
use crate::gil_analysis::memory::is_stack;
use crate::gil_analysis::outcome::{Execution, PathOutcome};
use crate::gil_analysis::slots;
use crate::gil_analysis::state::{CallFrame, ExecState};
use crate::gil_analysis::value::Value;
use crate::image::Image;
use rustc_hash::FxHashSet;
use std::rc::Rc;

/// The most instructions of one executor, and what is as much work. Most init functions take some
/// hundreds; those that fill large tables take a hundred thousand.
const MAX_STEPS: u32 = 400_000;
/// The most ways that wait to be gone.
const MAX_PENDING: usize = 512;
/// The deepest call that is followed.
const MAX_CALL_DEPTH: usize = 12;
/// The most outcomes that are kept; they differ.
const MAX_OUTCOMES: usize = 64;

struct SymbolicExecutor<'w, 'i> {
    image: &'w Image<'i>,
    machine: Machine,
    roles: &'w [ImportRole],
    call_graph: CallGraph<'w, 'i>,
    is_mod_export: bool,
    seen: FxHashSet<u64>,
    steps_left: u32,
    execution: Execution,
}

/// Walks through the function at `entry`; one that hands over slots if it `is_mod_export`. Takes what it
/// spends from `steps`.
pub(crate) fn execute(
    image: &Image,
    roles: &[ImportRole],
    entry: u64,
    is_mod_export: bool,
    steps: &mut u32,
) -> Execution {
    let machine = Machine::of(image);
    let state = ExecState::new(entry, machine.stack);
    let call_graph = CallGraph::new(image, roles);
    let allowed = MAX_STEPS.min(*steps);
    let mut executor = SymbolicExecutor {
        image,
        machine,
        roles,
        call_graph,
        is_mod_export,
        seen: FxHashSet::default(),
        steps_left: allowed,
        execution: Execution::default(),
    };
    let mut pending = vec![state];
    while let Some(mut state) = pending.pop() {
        while executor.step(&mut state, &mut pending) {
            executor.charge(1);
            if executor.steps_left == 0 || state.memory.is_full() {
                executor.stop_path(&state);
                break;
            }
        }
        if executor.steps_left == 0 {
            pending.iter().for_each(|state| executor.stop_path(state));
            break;
        }
    }
    *steps -= allowed - executor.steps_left;
    executor.execution
}

impl SymbolicExecutor<'_, '_> {
    fn charge(&mut self, steps: usize) {
        self.steps_left = self.steps_left.saturating_sub(u32::try_from(steps).unwrap_or(u32::MAX));
    }

    /// A bound is met: what has been said by then on this way, if anything, is all there is to go
    /// by.
    fn stop_path(&mut self, state: &ExecState) {
        self.execution.truncated = true;
        if state.modules.has_set_gil() && !state.error_set {
            self.record(module_outcome(state, Value::Symbol(0)));
        }
    }

    /// One instruction. Whether the way goes on.
    fn step(&mut self, state: &mut ExecState, pending: &mut Vec<ExecState>) -> bool {
        let at = state.ip;
        match self.machine.step(self.image, state) {
            Flow::Next => true,
            Flow::End => false,
            Flow::Lost => self.lose_path(at),
            Flow::Return => self.return_to_caller(state),
            Flow::Jump(target) => match self.resolve(target) {
                CallTarget::Address(address) => {
                    state.ip = address;
                    true
                }
                CallTarget::Import(import) => {
                    self.call_import(state, import, at) && self.return_to_caller(state)
                }
                CallTarget::Unknown => self.lose_path(at),
            },
            Flow::Call(target) => match self.resolve(target) {
                CallTarget::Address(address) => {
                    self.call(state, address, at);
                    true
                }
                CallTarget::Import(import) => self.call_import(state, import, at),
                CallTarget::Unknown => {
                    self.skip_call(state);
                    true
                }
            },
            Flow::Branch(condition, to, value) => {
                if let Some(value) = value {
                    state.comparison =
                        crate::gil_analysis::state::Comparison::Difference(value, Value::Known(0));
                }
                match state.holds(condition) {
                    Some(true) => state.ip = to,
                    Some(false) => {}
                    None => {
                        // A copy of all that is known is made, and looked at as a whole.
                        self.charge(16 + state.memory.len() / 4);
                        let mut taken = state.clone();
                        taken.ip = to;
                        taken.assume(condition, true);
                        state.assume(condition, false);
                        if self.is_new_state(&taken) {
                            if pending.len() < MAX_PENDING {
                                pending.push(taken);
                            } else {
                                self.stop_path(&taken);
                            }
                        }
                        return self.is_new_state(state);
                    }
                }
                true
            }
        }
    }

    /// A direct target that is a stub is the import behind it.
    fn resolve(&self, target: CallTarget) -> CallTarget {
        match target {
            CallTarget::Address(address) => match self.image.stubs.get(&address) {
                Some(&index) => {
                    u32::try_from(index).map_or(CallTarget::Unknown, CallTarget::Import)
                }
                None => target,
            },
            _ => target,
        }
    }

    fn lose_path(&mut self, at: u64) -> bool {
        self.execution.lost_at.get_or_insert(at);
        false
    }

    /// Whether a way goes on from a fork: not where another went on that knew the same.
    fn is_new_state(&mut self, state: &ExecState) -> bool {
        self.seen.insert(state.digest())
    }

    /// A call of a function of the image.
    fn call(&mut self, state: &mut ExecState, address: u64, at: u64) {
        let handed = |index| self.machine.argument(state, index).known();
        let handed: [Option<u64>; 4] = std::array::from_fn(handed);
        let matters = self.call_graph.reaches_gil_call(address)
            || handed
                .into_iter()
                .flatten()
                .any(|code| !is_stack(code) && self.call_graph.pointer_reaches_gil_call(code));
        let follows = if matters { MAX_CALL_DEPTH } else { MAX_CALL_DEPTH / 3 };
        if state.frames.len() < follows && (matters || self.call_graph.is_small(address)) {
            self.machine.enter_call(self.image, state, state.ip);
            let stack = state.registers.get(self.machine.stack).and_then(|value| value.known());
            let registers = Rc::new(state.registers);
            state.frames.push(CallFrame {
                return_address: state.ip,
                stack: stack.unwrap_or(0),
                registers,
            });
            state.ip = address;
            return;
        }
        state.stale = true;
        if matters || self.call_graph.is_truncated() {
            state.skipped_call.get_or_insert(at);
        }
        self.skip_call(state);
    }

    /// Leaves a call out: what it was given the address of, and what it may change, is not known
    /// afterwards.
    fn skip_call(&mut self, state: &mut ExecState) {
        self.invalidate_arguments(state);
        let result = state.fresh_symbol();
        self.machine.finish_call(state, result);
    }

    fn invalidate_arguments(&mut self, state: &mut ExecState) {
        self.charge(state.memory.len() / 16);
        // What the caller has saved lies at the end of its frame, and no call is given its address.
        let end = state.frames.last().map_or(0, |frame| frame.stack.saturating_sub(56));
        for index in 0..4 {
            if let Value::Known(address) = self.machine.argument(state, index) {
                state.memory.invalidate(address, end);
            }
        }
    }

    /// A call of an import. Whether it comes back.
    fn call_import(&mut self, state: &mut ExecState, import: u32, at: u64) -> bool {
        let role = self.roles.get(import as usize).copied().unwrap_or(ImportRole::Other);
        let first = self.machine.argument(state, 0);
        let result = match role {
            ImportRole::NoReturn => return false,
            ImportRole::DefInit => {
                let reading = slots::read_definition(self.image, &state.memory, first);
                self.record(PathOutcome::Definition(reading, at));
                return false;
            }
            ImportRole::SetGil => {
                state.modules.set_gil(first, (self.machine.argument(state, 1), at));
                Value::Known(0)
            }
            ImportRole::Create | ImportRole::CreateByName => {
                let module = state.fresh_address();
                state.modules.add(module, at, role == ImportRole::Create);
                module
            }
            ImportRole::CxaGuard => Value::Known(1),
            ImportRole::FindModule => state.added_module.unwrap_or(Value::Known(0)),
            ImportRole::AddModule | ImportRole::RemoveModule => {
                state.added_module = (role == ImportRole::AddModule).then_some(first);
                Value::Known(0)
            }
            ImportRole::Calloc => match (first, self.machine.argument(state, 1)) {
                (Value::Known(count), Value::Known(size)) => {
                    let given = count.checked_mul(size).and_then(|len| state.memory.allocate(len));
                    given.map_or_else(|| state.fresh_symbol(), Value::Known)
                }
                _ => state.fresh_symbol(),
            },
            ImportRole::Memset | ImportRole::Memcpy => {
                let (second, length) =
                    (self.machine.argument(state, 1), self.machine.argument(state, 2));
                if !import_roles::memset_or_memcpy(self.image, state, role, first, second, length) {
                    self.invalidate_arguments(state);
                }
                first
            }
            ImportRole::SetError | ImportRole::ClearError => {
                state.error_set = role == ImportRole::SetError;
                state.fresh_symbol()
            }
            ImportRole::Other => {
                self.invalidate_arguments(state);
                state.fresh_symbol()
            }
        };
        self.machine.finish_call(state, result);
        true
    }

    /// The end of a function. Whether the way goes on, in its caller.
    fn return_to_caller(&mut self, state: &mut ExecState) -> bool {
        let Some(frame) = state.frames.pop() else { return false };
        if !self.machine.return_from(state, frame.stack) {
            // A call that does not come back, and the code that happens to lie behind it: no way
            // that a program goes.
            self.execution.unbalanced_stack = true;
            return false;
        }
        if frame.return_address != 0 {
            state.ip = frame.return_address;
            self.charge(state.memory.len() / 16);
            self.machine.discard_callee(state, &frame);
            return true;
        }
        let given = state.registers.get(self.machine.result).copied().unwrap_or(Value::Symbol(0));
        let given = state.narrow(given, 8);
        if given != Value::Known(0) && !state.error_set {
            let outcome = if self.is_mod_export {
                PathOutcome::Slots(slots::read_slots(self.image, &state.memory, given))
            } else {
                module_outcome(state, given)
            };
            self.record(outcome);
        }
        false
    }

    fn record(&mut self, outcome: PathOutcome) {
        if !self.execution.outcomes.contains(&outcome) {
            if self.execution.outcomes.len() < MAX_OUTCOMES {
                self.execution.outcomes.push(outcome);
            } else {
                self.execution.truncated = true;
            }
        }
    }
}

/// What a way comes to that hands over this module.
fn module_outcome(state: &ExecState, given: Value) -> PathOutcome {
    let (gil, created_at) = state.modules.result_of(given);
    PathOutcome::Module { gil, created_at, skipped_call: state.skipped_call }
}
