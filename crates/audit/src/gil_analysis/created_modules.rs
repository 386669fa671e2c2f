//! Modules created on one path through an init function, and the GIL setting of each.
//!
//! An init function may create more modules than the one it returns, such as a package's
//! submodules with another setting. Only the setting of the returned module counts.

use crate::gil_analysis::value::Value;
use std::hash::{Hash, Hasher};

/// Maximum number of modules tracked on one path.
const MAX_MODULES: usize = 32;

/// A call of `PyUnstable_Module_SetGIL`: its second argument and its address.
pub(crate) type SetGilCall = (Value, u64);

#[derive(Debug, Clone)]
struct CreatedModule {
    module: Value,
    /// Address of the call that created it.
    at: u64,
    /// Created from a definition. Helper modules, such as those in which Cython stores its own
    /// objects, have none.
    has_definition: bool,
    set_gil: Option<SetGilCall>,
}

/// The modules created on one path.
#[derive(Debug, Clone, Default)]
pub(crate) struct CreatedModules {
    modules: Vec<CreatedModule>,
    /// Last setting applied to a module that is not in `modules`.
    unattributed: Option<SetGilCall>,
}

impl CreatedModules {
    /// Adds a module created by the call at `at`. Beyond [`MAX_MODULES`] it is not tracked, and its
    /// settings are unattributed.
    pub(crate) fn add(&mut self, module: Value, at: u64, has_definition: bool) {
        if self.modules.len() < MAX_MODULES {
            self.modules.push(CreatedModule { module, at, has_definition, set_gil: None });
        }
    }

    /// Records the setting of a module; the last one counts.
    pub(crate) fn set_gil(&mut self, module: Value, call: SetGilCall) {
        match self.modules.iter_mut().find(|one| one.module == module) {
            Some(one) => one.set_gil = Some(call),
            None => {
                self.unattributed = common([self.unattributed, Some(call)].into_iter().flatten());
            }
        }
    }

    /// Returns the index of the module that a value is.
    pub(crate) fn index(&self, value: Value) -> Option<usize> {
        self.modules.iter().position(|one| one.module == value)
    }

    /// Returns whether a module was created and a setting was applied.
    pub(crate) fn has_set_gil(&self) -> bool {
        !self.modules.is_empty() && self.set_gil_calls().next().is_some()
    }

    fn set_gil_calls(&self) -> impl Iterator<Item = SetGilCall> + '_ {
        self.modules.iter().filter_map(|one| one.set_gil).chain(self.unattributed)
    }

    /// Hashes what distinguishes paths. `of` maps a value to what is known about it.
    pub(crate) fn hash(&self, of: impl Fn(Value) -> (i32, u64), hasher: &mut impl Hasher) {
        for one in &self.modules {
            one.set_gil.map(|(value, _)| of(value)).hash(hasher);
        }
        (self.modules.len(), self.unattributed.map(|(value, _)| of(value))).hash(hasher);
    }

    /// Returns the setting of the returned module, and the address at which it was created.
    pub(crate) fn result_of(&self, returned: Value) -> (Option<SetGilCall>, Option<u64>) {
        if let Some(one) = self.modules.iter().find(|one| one.module == returned) {
            // An unattributed setting may be this module's.
            return (common(one.set_gil.into_iter().chain(self.unattributed)), Some(one.at));
        }
        // Which module is returned is unknown: assume one with a definition, if there is any.
        let any = self.modules.iter().any(|one| one.has_definition);
        let mut candidates = self.modules.iter().filter(|one| one.has_definition || !any);
        let at = candidates.clone().next_back().map(|one| one.at);
        let setting =
            common(candidates.clone().filter_map(|one| one.set_gil).chain(self.unattributed));
        match setting {
            Some((_, call_at))
                if self.unattributed.is_none() && candidates.any(|one| one.set_gil.is_none()) =>
            {
                (Some((Value::Symbol(0), call_at)), at)
            }
            _ => (setting, at),
        }
    }
}

/// Returns the setting on which all calls agree, or an unknown value if they differ.
fn common(calls: impl Iterator<Item = SetGilCall>) -> Option<SetGilCall> {
    calls.reduce(
        |(one, at), (other, other_at)| {
            if one == other { (one, at) } else { (Value::Symbol(0), other_at) }
        },
    )
}
