//! What one look at locks reads with: the target, and what was learnt of its types and code.

use super::types::{Tag, Types};
use crate::code::Code;
use crate::frames::{Frame, TAGS};
use crate::memory::Memory;
use crate::objects::Objects;
use crate::python::Python;
use crate::with_blocks::WithBlockCache;
use cpython_layout::structures::{BOUND_SELF, FUNCTION_CODE, GENERATOR_FRAME};
use cpython_layout::{DebugOffsets, LockKind};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// What is kept from look to look.
#[derive(Debug, Default)]
pub struct Store {
    pub(super) withs: WithBlockCache,
    pub(super) types: Types,
    /// Where the code at an address has its local variable of a name, and whether that is in a
    /// cell.
    locals: FxHashMap<(u64, &'static str), Option<(u32, bool)>>,
    /// Names of attributes by the address of the string: a type's instances share them.
    keys: FxHashMap<u64, Box<str>>,
}

impl Store {
    /// Forgets what may not be the same in the next look.
    pub fn next_look(&mut self) {
        self.types.clear();
        self.locals.clear();
        self.keys.clear();
    }
}

/// Reads what locks are made of.
pub struct Reader<'a> {
    /// The target.
    pub python: &'a Python,
    pub(super) objects: Objects<'a>,
    pub(super) store: &'a mut Store,
}

/// An `RLock` as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recursive {
    /// `threading.get_ident()` of its owner, 0 for none.
    pub owner: u64,
    /// How often the owner has acquired it.
    pub depth: u32,
}

impl<'a> Reader<'a> {
    /// A reader for one look.
    #[must_use]
    pub fn new(python: &'a Python, store: &'a mut Store) -> Reader<'a> {
        Reader { python, objects: python.objects(), store }
    }

    pub(super) fn memory(&self) -> &'a dyn Memory {
        self.objects.memory
    }

    pub(super) fn offsets(&self) -> &'a DebugOffsets {
        self.objects.offsets
    }

    /// The size of an object's head: where what a type adds begins.
    pub(super) fn head(&self) -> u64 {
        self.offsets().pyobject.size
    }

    /// What an object is.
    pub fn tag(&mut self, object: u64) -> Tag {
        self.store.types.tag(&self.objects, object)
    }

    /// The name of an object's type.
    pub fn type_name(&mut self, object: u64) -> Option<Arc<str>> {
        self.store.types.of(&self.objects, object).map(|seen| Arc::clone(&seen.name))
    }

    /// Size of an object without its variable part, bytes.
    pub(super) fn basic_size(&mut self, object: u64) -> Option<u64> {
        self.store.types.of(&self.objects, object).map(|seen| seen.is.basic_size)
    }

    /// An attribute of an object.
    pub(crate) fn attribute(&mut self, object: u64, name: &str) -> Option<u64> {
        let attributes = self.objects.attributes(object).ok()?;
        attributes.into_iter().find(|&(key, _)| self.is_key(key, name)).map(|(_, value)| value)
    }

    fn is_key(&mut self, key: u64, name: &str) -> bool {
        if let Some(known) = self.store.keys.get(&key) {
            return known.as_ref() == name;
        }
        let Ok(text) = self.objects.text(key) else { return false };
        let is_it = text == name;
        self.store.keys.insert(key, text.into());
        is_it
    }

    /// An attribute that is an `int`.
    pub(super) fn int_attribute(&mut self, object: u64, name: &str) -> Option<i64> {
        let value = self.attribute(object, name)?;
        self.objects.int(value)
    }

    /// A local variable of a frame.
    pub(super) fn local(&mut self, frame: &Frame, name: &'static str) -> Option<u64> {
        let objects = self.objects;
        let find = || {
            let names = objects.local_names(frame).ok()?;
            let place = names.iter().position(|(known, _)| known == name)?;
            Some((u32::try_from(place).ok()?, names.get(place)?.1))
        };
        let (place, in_cell) =
            (*self.store.locals.entry((frame.code.address, name)).or_insert_with(find))?;
        let mut value = self.memory().u64(frame.local(place)).ok()? & !TAGS;
        // A variable that an inner function uses is in a cell, once the function has begun.
        if in_cell && self.type_name(value).as_deref() == Some("cell") {
            value = self.memory().u64(value.checked_add(self.head())?).ok()?;
        }
        (value != 0).then_some(value)
    }

    /// Whether a `threading.Lock` is locked.
    pub fn is_locked(&mut self, lock: u64) -> Option<bool> {
        let at = match self.made(lock)? {
            LockKind::Mutex { at } | LockKind::Semaphore { locked: at, .. } => at,
            LockKind::Recursive { .. } | LockKind::RecursiveSemaphore { .. } => return None,
        };
        Some(self.memory().u8(lock.checked_add(at)?).ok()? & 1 != 0)
    }

    /// An `RLock`'s owner and depth; `None` for what is no `RLock`.
    pub fn recursive(&mut self, lock: u64) -> Option<Recursive> {
        let made = self.made(lock)?;
        let field = |at: u64| self.memory().u64(lock.checked_add(at)?).ok();
        match made {
            LockKind::Recursive { at, owner, level } => {
                let held = self.memory().u8(lock.checked_add(at)?).ok()? & 1 != 0;
                let depth = u32::try_from(field(level)?).ok()?.saturating_add(1);
                Some(Recursive { owner: if held { field(owner)? } else { 0 }, depth })
            }
            LockKind::RecursiveSemaphore { owner, count, .. } => {
                Some(Recursive { owner: field(owner)?, depth: u32::try_from(field(count)?).ok()? })
            }
            LockKind::Mutex { .. } | LockKind::Semaphore { .. } => None,
        }
    }

    /// The semaphore in which threads wait for a lock that is made of one.
    pub(super) fn semaphore_of(&mut self, lock: u64) -> Option<u64> {
        match self.made(lock)? {
            LockKind::Semaphore { semaphore, .. }
            | LockKind::RecursiveSemaphore { semaphore, .. } => {
                self.memory().u64(lock.checked_add(semaphore)?).ok()
            }
            LockKind::Mutex { .. } | LockKind::Recursive { .. } => None,
        }
    }

    /// What a bound function or method is bound to.
    pub(super) fn bound_to(&self, method: u64) -> Option<u64> {
        self.memory().u64(method.checked_add(self.head() + BOUND_SELF)?).ok()
    }

    /// The code of a Python function, or of the one a method is bound to; `None` for C's.
    pub(super) fn code_of(&mut self, function: u64) -> Option<Arc<Code>> {
        let function = match self.tag(function) {
            Tag::Function => function,
            Tag::Bound => {
                let inner = self.memory().u64(function.checked_add(self.head())?).ok()?;
                (self.tag(inner) == Tag::Function).then_some(inner)?
            }
            _ => return None,
        };
        let code = self.memory().u64(function.checked_add(self.head() + FUNCTION_CODE)?).ok()?;
        let walker = self.python.walker();
        walker.codes.get(walker.memory, walker.offsets, code & !TAGS, walker.look).ok()
    }

    /// The frame kept inside a generator object, while it is not running.
    pub(super) fn generator_frame(&mut self, generator: u64) -> Option<Frame> {
        if self.tag(generator) != Tag::Generator {
            return None;
        }
        let offset = match &self.offsets().gen_object {
            Some(object) => object.gi_iframe,
            None => self.head() + GENERATOR_FRAME,
        };
        let mut frames = self.python.walker().walk(generator.checked_add(offset)?).ok()?.frames;
        (!frames.is_empty()).then(|| frames.swap_remove(0))
    }

    /// The managers of the `with` statements a frame is inside, innermost first: what `__exit__`
    /// is, and of what.
    pub(super) fn managers(&mut self, frame: &Frame) -> Vec<(u64, u64)> {
        let Ok(withs) =
            self.store.withs.get(self.objects.memory, self.objects.offsets, &frame.code)
        else {
            return Vec::new();
        };
        if withs.is_empty() {
            return Vec::new();
        }
        let slot = |depth: u32, below: u32| -> Option<u64> {
            let slot = depth.checked_sub(below).filter(|&slot| slot < frame.code.stack_size)?;
            self.memory()
                .u64(frame.stack.0.checked_add(8 * u64::from(slot))?)
                .ok()
                .map(|value| value & !TAGS)
        };
        let at = self.offsets().build.frame;
        let found: Vec<Option<(u64, Option<u64>)>> = withs
            .around(frame.unit)
            .into_iter()
            .map(|depth| {
                let object = at.exit_self_slot.and_then(|below| slot(depth, below));
                Some((slot(depth, at.exit_slot)?, object.filter(|&object| object != 0)))
            })
            .collect();
        found
            .into_iter()
            .flatten()
            .filter_map(|(exit, object)| Some((exit, object.or_else(|| self.bound_to(exit))?)))
            .collect()
    }

    /// Whether code is the standard library's: `file` as the last part of its path, in the
    /// library's folder of this version or in its archive.
    pub(super) fn is_standard(&self, code: &Code, file: &str) -> bool {
        let Some(folder) = code.file.strip_suffix(file).and_then(|rest| rest.strip_suffix('/'))
        else {
            return false;
        };
        let last = folder.rsplit('/').next().unwrap_or_default();
        let minor = self.offsets().version.minor;
        last.strip_prefix(&format!("python3.{minor}"))
            .is_some_and(|rest| rest.is_empty() || rest == "t")
            || last == format!("python3{minor}.zip")
    }

    /// Whether a frame is in this function of the standard library.
    pub(super) fn is_in(&self, frame: &Frame, file: &str, function: &str) -> bool {
        frame.code.qualname == function && self.is_standard(&frame.code, file)
    }
}
