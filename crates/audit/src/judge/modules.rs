//! The modules that one way through an init function makes, and what each is told of the GIL.
//!
//! An init function may make more than the one it hands over: a package's submodules, told
//! otherwise. What counts is what was said of the one that is handed over.

use crate::judge::value::Value;
use std::hash::{Hash, Hasher};

/// The most modules of one way that are told apart.
const MOST: usize = 32;

/// What `PyUnstable_Module_SetGIL` was told, and where.
pub(crate) type Told = (Value, u64);

#[derive(Debug, Clone)]
struct Made {
    module: Value,
    at: u64,
    /// It has a definition: those that an init function keeps things in, as Cython's does, have
    /// none.
    defined: bool,
    told: Option<Told>,
}

/// Those of one way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Modules {
    made: Vec<Made>,
    /// What was told of a module that is none of them, as far as is known.
    stray: Option<Told>,
}

impl Modules {
    /// Keeps that a module was made, and where, and whether of a definition.
    pub(crate) fn make(&mut self, module: Value, at: u64, defined: bool) {
        // Of what is beyond, all is said astray.
        if self.made.len() < MOST {
            self.made.push(Made { module, at, defined, told: None });
        }
    }

    /// Keeps what was told of a module; the last counts.
    pub(crate) fn tell(&mut self, module: Value, told: Told) {
        match self.made.iter_mut().find(|made| made.module == module) {
            Some(made) => made.told = Some(told),
            None => self.stray = one([self.stray, Some(told)].into_iter().flatten()),
        }
    }

    /// Which of them a value is.
    pub(crate) fn index(&self, value: Value) -> Option<usize> {
        self.made.iter().position(|made| made.module == value)
    }

    /// Whether something was told of a module.
    pub(crate) fn is_told(&self) -> bool {
        !self.made.is_empty() && self.told().next().is_some()
    }

    /// All that was told.
    pub(crate) fn told(&self) -> impl Iterator<Item = Told> + '_ {
        self.made.iter().filter_map(|made| made.told).chain(self.stray)
    }

    /// Hashes what tells ways apart; `of` makes of a value what is known of it.
    pub(crate) fn hash(&self, of: impl Fn(Value) -> (i32, u64), hasher: &mut impl Hasher) {
        for made in &self.made {
            made.told.map(|(value, _)| of(value)).hash(hasher);
        }
        (self.made.len(), self.stray.map(|(value, _)| of(value))).hash(hasher);
    }

    /// What was told of the module that is handed over, and where it was made.
    pub(crate) fn of(&self, given: Value) -> (Option<Told>, Option<u64>) {
        if let Some(made) = self.made.iter().find(|made| made.module == given) {
            // What is said astray may be said of this one.
            return (one(made.told.into_iter().chain(self.stray)), Some(made.at));
        }
        // Which one is not known: one that has a definition, if any has.
        let any = self.made.iter().any(|made| made.defined);
        let mut candidates = self.made.iter().filter(|made| made.defined || !any);
        let at = candidates.clone().next_back().map(|made| made.at);
        let told = one(candidates.clone().filter_map(|made| made.told).chain(self.stray));
        match told {
            Some((_, place))
                if self.stray.is_none() && candidates.any(|made| made.told.is_none()) =>
            {
                (Some((Value::Symbol(0), place)), at)
            }
            _ => (told, at),
        }
    }
}

/// What all of them say; what is not known, if they differ.
fn one(told: impl Iterator<Item = Told>) -> Option<Told> {
    told.reduce(
        |(one, at), (other, place)| {
            if one == other { (one, at) } else { (Value::Symbol(0), place) }
        },
    )
}
