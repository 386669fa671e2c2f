//! Symbolic execution of an init function along all its paths, up to a limit.
//!
//! Nothing is run: instructions are decoded and their effect on known values is tracked. If a
//! condition depends on an unknown value, both branches are followed. States with the same digest
//! are followed only once, so loops end and forks do not multiply. A path that returns null failed
//! and has no outcome.

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

/// Maximum number of instructions, or equivalent work, for one init function. Most take some
/// hundreds; those that fill large tables take a hundred thousand.
const MAX_STEPS: u32 = 400_000;
/// Maximum number of pending paths.
const MAX_PENDING: usize = 512;
/// Maximum depth of calls that are entered.
const MAX_CALL_DEPTH: usize = 12;
/// Maximum number of distinct outcomes.
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

/// Executes the function at `entry`, which returns slots if `is_mod_export`. Subtracts the steps
/// taken from `steps`.
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

    /// Ends a path at a limit. Its outcome is the GIL setting applied so far, if any.
    fn stop_path(&mut self, state: &ExecState) {
        self.execution.truncated = true;
        if state.modules.has_set_gil() && !state.error_set {
            self.record(module_outcome(state, Value::Symbol(0)));
        }
    }

    /// Executes one instruction. Returns whether the path continues.
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
                        // Forking copies and hashes the whole state.
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

    /// Resolves a stub to the import behind it.
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

    /// Returns whether no equal state was followed before.
    fn is_new_state(&mut self, state: &ExecState) -> bool {
        self.seen.insert(state.digest())
    }

    /// Enters or skips a call of a function of the image.
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

    /// Skips a call: memory behind its arguments and the registers it may change become unknown.
    fn skip_call(&mut self, state: &mut ExecState) {
        self.invalidate_arguments(state);
        let result = state.fresh_symbol();
        self.machine.finish_call(state, result);
    }

    fn invalidate_arguments(&mut self, state: &mut ExecState) {
        self.charge(state.memory.len() / 16);
        // Saved registers are at the end of the caller's frame, and no call receives their address.
        let end = state.frames.last().map_or(0, |frame| frame.stack.saturating_sub(56));
        for index in 0..4 {
            if let Value::Known(address) = self.machine.argument(state, index) {
                state.memory.invalidate(address, end);
            }
        }
    }

    /// Applies the effect of calling an import. Returns whether it returns.
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
                    let allocated =
                        count.checked_mul(size).and_then(|len| state.memory.allocate(len));
                    allocated.map_or_else(|| state.fresh_symbol(), Value::Known)
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

    /// Ends a function. Returns whether the path continues in its caller.
    fn return_to_caller(&mut self, state: &mut ExecState) -> bool {
        let Some(frame) = state.frames.pop() else { return false };
        if !self.machine.return_from(state, frame.stack) {
            // The path went past a call that does not return, into code that happens to follow it.
            self.execution.unbalanced_stack = true;
            return false;
        }
        if frame.return_address != 0 {
            state.ip = frame.return_address;
            self.charge(state.memory.len() / 16);
            self.machine.discard_callee(state, &frame);
            return true;
        }
        let returned =
            state.registers.get(self.machine.result).copied().unwrap_or(Value::Symbol(0));
        let returned = state.narrow(returned, 8);
        if returned != Value::Known(0) && !state.error_set {
            let outcome = if self.is_mod_export {
                PathOutcome::Slots(slots::read_slots(self.image, &state.memory, returned))
            } else {
                module_outcome(state, returned)
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

/// Returns the outcome of a path that returns this module.
fn module_outcome(state: &ExecState, returned: Value) -> PathOutcome {
    let (gil, created_at) = state.modules.result_of(returned);
    PathOutcome::Module { gil, created_at, skipped_call: state.skipped_call }
}
