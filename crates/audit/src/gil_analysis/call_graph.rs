//! Which functions of an image lead to a call that says something of the GIL.
//!
//! A walk follows those, and short ones; an extension module's init function calls far more than
//! could be followed. ExtensionFile by going over the code without knowing any value: what a function
//! calls, and which functions it hands to others.

use crate::gil_analysis::flow::CallTarget;
use crate::gil_analysis::import_roles::ImportRole;
use crate::gil_analysis::machine::Machine;
use crate::image::Image;
use rustc_hash::{FxHashMap, FxHashSet};

/// The most instructions that are looked at for one init function.
const MAX_DECODED: u32 = 60_000;
/// The most of one function.
const MAX_FUNCTION_LEN: u32 = 8_000;
/// What is short enough to be followed whatever it does.
const SMALL_FUNCTION_LEN: u32 = 96;

/// The most methods of one vtable that are looked at: the traits of closures have three.
const MAX_VTABLE_METHODS: u64 = 8;

/// A function as far as others go.
#[derive(Debug, Default)]
struct FunctionSummary {
    reaches_gil_call: bool,
    instructions: u32,
    callees: Vec<u64>,
}

/// What is known of an image's functions.
pub(crate) struct CallGraph<'w, 'i> {
    image: &'w Image<'i>,
    roles: &'w [ImportRole],
    machine: Machine,
    functions: FxHashMap<u64, FunctionSummary>,
    reaches_gil_call: FxHashMap<u64, bool>,
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
            reaches_gil_call: FxHashMap::default(),
            budget: MAX_DECODED,
            truncated: false,
        }
    }

    /// Whether an answer was given without having looked at everything it depends on.
    pub(crate) fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Whether the function at an address is short.
    pub(crate) fn is_small(&mut self, address: u64) -> bool {
        self.function(address).instructions <= SMALL_FUNCTION_LEN
    }

    /// Whether an address that is handed over is a function that reaches_gil_call there, or a table with one.
    pub(crate) fn pointer_reaches_gil_call(&mut self, address: u64) -> bool {
        let functions: Vec<u64> = functions_behind(self.image, address).collect();
        functions.into_iter().any(|function| self.reaches_gil_call(function))
    }

    /// Whether the function at an address reaches_gil_call to a call that says something of the GIL.
    pub(crate) fn reaches_gil_call(&mut self, address: u64) -> bool {
        if let Some(&reaches_gil_call) = self.reaches_gil_call.get(&address) {
            return reaches_gil_call;
        }
        let mut seen = FxHashSet::from_iter([address]);
        let mut pending = vec![address];
        while let Some(next) = pending.pop() {
            if self.reaches_gil_call.get(&next) == Some(&false) {
                continue;
            }
            let known = self.reaches_gil_call.get(&next) == Some(&true);
            let function = self.function(next);
            if known || function.reaches_gil_call {
                self.reaches_gil_call.insert(address, true);
                return true;
            }
            pending.extend(function.callees.iter().filter(|callee| seen.insert(**callee)));
        }
        // None of them does, or this one would.
        self.reaches_gil_call.extend(seen.into_iter().map(|address| (address, false)));
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
                            function.reaches_gil_call = true
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

    /// What a target means, if it is an import.
    fn role(&self, target: CallTarget) -> Option<ImportRole> {
        let index = match target {
            CallTarget::Import(index) => index as usize,
            CallTarget::Address(address) => *self.image.stubs.get(&address)?,
            CallTarget::Unknown => return Some(ImportRole::Other),
        };
        Some(self.roles.get(index).copied().unwrap_or(ImportRole::Other))
    }
}

/// The functions that an address stands for when it is handed over: the one it is of, or the
/// methods of a vtable.
fn functions_behind<'v>(image: &'v Image, address: u64) -> impl Iterator<Item = u64> + 'v {
    let code = image.code(address).is_some();
    code.then_some(address)
        .into_iter()
        .chain((!code).then(|| vtable(image, address)).into_iter().flatten())
}

/// The methods of what may be a vtable of Rust's: what drops the value, unless that is nothing; its
/// size and its alignment; and then them. What is of another kind seldom looks the same, and is
/// then only followed in vain.
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
