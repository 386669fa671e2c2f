//! Which functions of an image lead to a call that says something of the GIL.
//!
//! A walk follows those, and short ones; an extension module's init function calls far more than
//! could be followed. Found by going over the code without knowing any value: what a function
//! calls, and which functions it hands to others.

use crate::image::Image;
use crate::judge::flow::Target;
use crate::judge::imports::Role;
use crate::judge::machine::Machine;
use rustc_hash::{FxHashMap, FxHashSet};

/// The most instructions that are looked at for one init function.
const LOOKED_AT: u32 = 60_000;
/// The most of one function.
const OF_ONE: u32 = 8_000;
/// What is short enough to be followed whatever it does.
const SMALL: u32 = 96;

/// The most methods of one vtable that are looked at: the traits of closures have three.
const METHODS: u64 = 8;

/// A function as far as others go.
#[derive(Debug, Default)]
struct Function {
    leads: bool,
    instructions: u32,
    callees: Vec<u64>,
}

/// What is known of an image's functions.
pub(crate) struct Reach<'w, 'i> {
    image: &'w Image<'i>,
    roles: &'w [Role],
    machine: Machine,
    functions: FxHashMap<u64, Function>,
    leads: FxHashMap<u64, bool>,
    left: u32,
    cut_off: bool,
}

impl<'w, 'i> Reach<'w, 'i> {
    pub(crate) fn new(image: &'w Image<'i>, roles: &'w [Role]) -> Reach<'w, 'i> {
        Reach {
            image,
            roles,
            machine: Machine::of(image),
            functions: FxHashMap::default(),
            leads: FxHashMap::default(),
            left: LOOKED_AT,
            cut_off: false,
        }
    }

    /// Whether an answer was given without having looked at everything it depends on.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.cut_off
    }

    /// Whether the function at an address is short.
    pub(crate) fn is_small(&mut self, address: u64) -> bool {
        self.function(address).instructions <= SMALL
    }

    /// Whether an address that is handed over is a function that leads there, or a table with one.
    pub(crate) fn leads_from_handed(&mut self, address: u64) -> bool {
        let functions: Vec<u64> = handed(self.image, address).collect();
        functions.into_iter().any(|function| self.leads(function))
    }

    /// Whether the function at an address leads to a call that says something of the GIL.
    pub(crate) fn leads(&mut self, address: u64) -> bool {
        if let Some(&leads) = self.leads.get(&address) {
            return leads;
        }
        let mut seen = FxHashSet::from_iter([address]);
        let mut waiting = vec![address];
        while let Some(next) = waiting.pop() {
            if self.leads.get(&next) == Some(&false) {
                continue;
            }
            let known = self.leads.get(&next) == Some(&true);
            let function = self.function(next);
            if known || function.leads {
                self.leads.insert(address, true);
                return true;
            }
            waiting.extend(function.callees.iter().filter(|callee| seen.insert(**callee)));
        }
        // None of them does, or this one would.
        self.leads.extend(seen.into_iter().map(|address| (address, false)));
        false
    }

    fn function(&mut self, address: u64) -> &Function {
        if !self.functions.contains_key(&address) {
            let function = self.look(address);
            self.functions.insert(address, function);
        }
        self.functions.entry(address).or_default()
    }

    fn look(&mut self, address: u64) -> Function {
        let mut function = Function::default();
        let mut seen = FxHashSet::default();
        let mut waiting = vec![address];
        while let Some(mut at) = waiting.pop() {
            while seen.insert(at) {
                if self.left == 0 || function.instructions >= OF_ONE {
                    self.cut_off = true;
                    function.instructions = u32::MAX;
                    return function;
                }
                self.left -= 1;
                function.instructions += 1;
                let Some(outline) = self.machine.outline(self.image, at) else { break };
                let mut falls = outline.falls;
                for target in outline.calls.into_iter().chain(outline.jumps.map(Target::Address)) {
                    match self.role(target) {
                        Some(Role::DefInit | Role::SetGil) => function.leads = true,
                        Some(Role::NoReturn) => falls = false,
                        Some(_) => {}
                        None => match target {
                            Target::Address(to) if outline.jumps == Some(to) => waiting.push(to),
                            Target::Address(to) => {
                                let to = self.image.jumps.get(&to).copied().unwrap_or(to);
                                function.callees.push(to);
                            }
                            _ => {}
                        },
                    }
                }
                if let Some(named) = outline.names {
                    function.callees.extend(handed(self.image, named));
                }
                if !falls {
                    break;
                }
                at = outline.next;
            }
        }
        function
    }

    /// What a target means, if it is an import.
    fn role(&self, target: Target) -> Option<Role> {
        let index = match target {
            Target::Import(index) => index as usize,
            Target::Address(address) => *self.image.stubs.get(&address)?,
            Target::Unknown => return Some(Role::Other),
        };
        Some(self.roles.get(index).copied().unwrap_or(Role::Other))
    }
}

/// The functions that an address stands for when it is handed over: the one it is of, or the
/// methods of a vtable.
fn handed<'v>(image: &'v Image, address: u64) -> impl Iterator<Item = u64> + 'v {
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
    (3..3 + METHODS).map_while(function).filter(move |_| drops && sized)
}
