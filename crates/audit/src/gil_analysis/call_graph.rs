//! Determines which functions of an image can reach a call that sets the GIL mode
//! (`PyModuleDef_Init`, `PyUnstable_Module_SetGIL`).
//!
//! Symbolic execution enters those functions and short ones only, because an init function calls
//! far more than can be executed. The graph is built by decoding instructions without values:
//! direct calls, and functions whose address is passed on.

use crate::gil_analysis::flow::CallTarget;
use crate::gil_analysis::import_roles::ImportRole;
use crate::gil_analysis::machine::Machine;
use crate::image::Image;
use rustc_hash::{FxHashMap, FxHashSet};

/// Maximum number of instructions decoded for one init function.
const MAX_DECODED: u32 = 60_000;
/// Maximum number of instructions decoded in one function.
const MAX_FUNCTION_LEN: u32 = 8_000;
/// Functions up to this many instructions are always entered.
const SMALL_FUNCTION_LEN: u32 = 96;

/// Maximum number of methods read from one vtable; those of closure traits have three.
const MAX_VTABLE_METHODS: u64 = 8;

/// What the graph stores about a function.
#[derive(Debug, Default)]
struct FunctionSummary {
    calls_gil_api: bool,
    instructions: u32,
    callees: Vec<u64>,
}

/// Call graph of an image, built on demand.
pub(crate) struct CallGraph<'w, 'i> {
    image: &'w Image<'i>,
    roles: &'w [ImportRole],
    machine: Machine,
    functions: FxHashMap<u64, FunctionSummary>,
    answers: FxHashMap<u64, bool>,
    budget: u32,
    truncated: bool,
}

impl<'w, 'i> CallGraph<'w, 'i> {
    pub(crate) fn new(image: &'w Image<'i>, roles: &'w [ImportRole]) -> CallGraph<'w, 'i> {
        CallGraph {
            image,
            roles,
            machine: Machine::of(image),
            functions: FxHashMap::default(),
            answers: FxHashMap::default(),
            budget: MAX_DECODED,
            truncated: false,
        }
    }

    /// Returns whether an answer was given without decoding everything it depends on.
    pub(crate) fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Returns whether the function at an address is short.
    pub(crate) fn is_small(&mut self, address: u64) -> bool {
        self.function(address).instructions <= SMALL_FUNCTION_LEN
    }

    /// Returns whether an address passed as an argument is a function that can set the GIL mode, or
    /// a vtable with such a function.
    pub(crate) fn pointer_reaches_gil_call(&mut self, address: u64) -> bool {
        let functions: Vec<u64> = functions_behind(self.image, address).collect();
        functions.into_iter().any(|function| self.reaches_gil_call(function))
    }

    /// Returns whether the function at an address can reach a call that sets the GIL mode.
    pub(crate) fn reaches_gil_call(&mut self, address: u64) -> bool {
        if let Some(&answer) = self.answers.get(&address) {
            return answer;
        }
        let mut seen = FxHashSet::from_iter([address]);
        let mut pending = vec![address];
        while let Some(next) = pending.pop() {
            if self.answers.get(&next) == Some(&false) {
                continue;
            }
            let known = self.answers.get(&next) == Some(&true);
            let function = self.function(next);
            if known || function.calls_gil_api {
                self.answers.insert(address, true);
                return true;
            }
            pending.extend(function.callees.iter().filter(|callee| seen.insert(**callee)));
        }
        // None of the visited functions does, or this one would.
        self.answers.extend(seen.into_iter().map(|address| (address, false)));
        false
    }

    fn function(&mut self, address: u64) -> &FunctionSummary {
        if !self.functions.contains_key(&address) {
            let function = self.summarize(address);
            self.functions.insert(address, function);
        }
        self.functions.entry(address).or_default()
    }

    fn summarize(&mut self, address: u64) -> FunctionSummary {
        let mut function = FunctionSummary::default();
        let mut seen = FxHashSet::default();
        let mut pending = vec![address];
        while let Some(mut at) = pending.pop() {
            while seen.insert(at) {
                if self.budget == 0 || function.instructions >= MAX_FUNCTION_LEN {
                    self.truncated = true;
                    function.instructions = u32::MAX;
                    return function;
                }
                self.budget -= 1;
                function.instructions += 1;
                let Some(flow) = self.machine.static_flow(self.image, at) else { break };
                let mut falls_through = flow.falls_through;
                for target in flow.call.into_iter().chain(flow.jump.map(CallTarget::Address)) {
                    match self.role(target) {
                        Some(ImportRole::DefInit | ImportRole::SetGil) => {
                            function.calls_gil_api = true
                        }
                        Some(ImportRole::NoReturn) => falls_through = false,
                        Some(_) => {}
                        None => match target {
                            CallTarget::Address(to) if flow.jump == Some(to) => pending.push(to),
                            CallTarget::Address(to) => {
                                let to = self.image.jumps.get(&to).copied().unwrap_or(to);
                                function.callees.push(to);
                            }
                            _ => {}
                        },
                    }
                }
                if let Some(named) = flow.data_ref {
                    function.callees.extend(functions_behind(self.image, named));
                }
                if !falls_through {
                    break;
                }
                at = flow.next;
            }
        }
        function
    }

    /// Returns the role of a target that is an import.
    fn role(&self, target: CallTarget) -> Option<ImportRole> {
        let index = match target {
            CallTarget::Import(index) => index as usize,
            CallTarget::Address(address) => *self.image.stubs.get(&address)?,
            CallTarget::Unknown => return Some(ImportRole::Other),
        };
        Some(self.roles.get(index).copied().unwrap_or(ImportRole::Other))
    }
}

/// Returns the functions that a passed address stands for: the function itself, or the methods of a
/// vtable.
fn functions_behind<'v>(image: &'v Image, address: u64) -> impl Iterator<Item = u64> + 'v {
    let code = image.code(address).is_some();
    code.then_some(address)
        .into_iter()
        .chain((!code).then(|| vtable(image, address)).into_iter().flatten())
}

/// Returns the methods of what may be a Rust vtable: a drop function or null, size, alignment, then
/// the methods. Other data rarely has this shape; if it does, it only costs decoding time.
fn vtable<'v>(image: &'v Image, address: u64) -> impl Iterator<Item = u64> + 'v {
    let at = move |index: u64| address.checked_add(8 * index);
    let function = move |index: u64| {
        let function = *image.pointers.get(&at(index)?)?;
        image.code(function).map(|_| function)
    };
    let number = |index: u64| {
        let at = at(index)
            .filter(|at| !image.pointers.contains_key(at) && !image.cells.contains_key(at))?;
        image.word(at)
    };
    let drops = function(0).is_some() || number(0) == Some(0);
    let sized = number(1).zip(number(2)).is_some_and(|(size, align)| {
        align.is_power_of_two() && align <= 4_096 && size < 1 << 32 && size % align == 0
    });
    (3..3 + MAX_VTABLE_METHODS).map_while(function).filter(move |_| drops && sized)
}
