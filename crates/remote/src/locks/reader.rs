//! Reader for locks and the objects around them, with caches for types and code.

use super::types::{ObjectKind, TypeCache};
use crate::code::Code;
use crate::frames::{Frame, TAGS};
use crate::memory::Memory;
use crate::objects::ObjectReader;
use crate::python::Python;
use crate::with_blocks::WithBlockCache;
use cpython_layout::structures::{BOUND_SELF, FUNCTION_CODE, GENERATOR_FRAME};
use cpython_layout::{DebugOffsets, LockKind};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Caches kept between looks.
#[derive(Debug, Default)]
pub struct LockCache {
    pub(super) with_blocks: WithBlockCache,
    pub(super) types: TypeCache,
    /// Local variables by code address and name: the slot, and whether the variable is in a cell.
    locals: FxHashMap<(u64, &'static str), Option<(u32, bool)>>,
    /// Attribute names by the address of the string, which a type's instances share.
    keys: FxHashMap<u64, Box<str>>,
}

impl LockCache {
    /// Clears what may have changed by the next look.
    pub fn next_look(&mut self) {
        self.types.clear();
        self.locals.clear();
        self.keys.clear();
    }
}

/// Reads lock objects of one target.
pub struct LockReader<'a> {
    /// The target.
    pub python: &'a Python,
    pub(super) objects: ObjectReader<'a>,
    pub(super) cache: &'a mut LockCache,
}

/// State of an `RLock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RLockState {
    /// `threading.get_ident()` of the owner; 0 if there is none.
    pub owner: u64,
    /// Number of acquisitions by the owner.
    pub depth: u32,
}

impl<'a> LockReader<'a> {
    /// Creates a reader for one look.
    #[must_use]
    pub fn new(python: &'a Python, cache: &'a mut LockCache) -> LockReader<'a> {
        LockReader { python, objects: python.objects(), cache }
    }

    pub(super) fn memory(&self) -> &'a dyn Memory {
        self.objects.memory
    }

    pub(super) fn offsets(&self) -> &'a DebugOffsets {
        self.objects.offsets
    }

    /// Returns the size of an object header.
    pub(super) fn header_size(&self) -> u64 {
        self.offsets().pyobject.size
    }

    /// Returns the kind of an object.
    pub fn tag(&mut self, object: u64) -> ObjectKind {
        self.cache.types.tag(&self.objects, object)
    }

    /// Returns the name of an object's type.
    pub fn type_name(&mut self, object: u64) -> Option<Arc<str>> {
        self.cache.types.of(&self.objects, object).map(|cached| Arc::clone(&cached.name))
    }

    /// Returns the size of an object without its variable part, in bytes.
    pub(super) fn basic_size(&mut self, object: u64) -> Option<u64> {
        self.cache.types.of(&self.objects, object).map(|cached| cached.type_info.basic_size)
    }

    /// Returns an attribute of an object.
    pub(crate) fn attribute(&mut self, object: u64, name: &str) -> Option<u64> {
        let attributes = self.objects.attributes(object).ok()?;
        attributes.into_iter().find(|&(key, _)| self.is_key(key, name)).map(|(_, value)| value)
    }

    fn is_key(&mut self, key: u64, name: &str) -> bool {
        if let Some(known) = self.cache.keys.get(&key) {
            return known.as_ref() == name;
        }
        let Ok(text) = self.objects.text(key) else { return false };
        let is_equal = text == name;
        self.cache.keys.insert(key, text.into());
        is_equal
    }

    /// Returns the value of an attribute that is an `int`.
    pub(super) fn int_attribute(&mut self, object: u64, name: &str) -> Option<i64> {
        let value = self.attribute(object, name)?;
        self.objects.int(value)
    }

    /// Returns a local variable of a frame.
    pub(super) fn local(&mut self, frame: &Frame, name: &'static str) -> Option<u64> {
        let objects = self.objects;
        let find = || {
            let names = objects.local_names(frame).ok()?;
            let index = names.iter().position(|(known, _)| known == name)?;
            Some((u32::try_from(index).ok()?, names.get(index)?.1))
        };
        let (slot, in_cell) =
            (*self.cache.locals.entry((frame.code.address, name)).or_insert_with(find))?;
        let mut value = self.memory().u64(frame.local(slot)).ok()? & !TAGS;
        // A variable that is used by an inner function is in a cell, once the function has begun.
        if in_cell && self.type_name(value).as_deref() == Some("cell") {
            value = self.memory().u64(value.checked_add(self.header_size())?).ok()?;
        }
        (value != 0).then_some(value)
    }

    /// Returns whether a `threading.Lock` is locked.
    pub fn is_locked(&mut self, lock: u64) -> Option<bool> {
        let at = match self.lock_kind(lock)? {
            LockKind::Mutex { at } | LockKind::Semaphore { locked: at, .. } => at,
            LockKind::Recursive { .. } | LockKind::RecursiveSemaphore { .. } => return None,
        };
        Some(self.memory().u8(lock.checked_add(at)?).ok()? & 1 != 0)
    }

    /// Returns an `RLock`'s owner and depth; `None` if the object is not an `RLock`.
    pub fn recursive(&mut self, lock: u64) -> Option<RLockState> {
        let kind = self.lock_kind(lock)?;
        let field = |at: u64| self.memory().u64(lock.checked_add(at)?).ok();
        match kind {
            LockKind::Recursive { at, owner, level } => {
                let held = self.memory().u8(lock.checked_add(at)?).ok()? & 1 != 0;
                let depth = u32::try_from(field(level)?).ok()?.saturating_add(1);
                Some(RLockState { owner: if held { field(owner)? } else { 0 }, depth })
            }
            LockKind::RecursiveSemaphore { owner, count, .. } => {
                Some(RLockState { owner: field(owner)?, depth: u32::try_from(field(count)?).ok()? })
            }
            LockKind::Mutex { .. } | LockKind::Semaphore { .. } => None,
        }
    }

    /// Returns the address of the semaphore on which threads wait for a semaphore-based lock.
    pub(super) fn semaphore_of(&mut self, lock: u64) -> Option<u64> {
        match self.lock_kind(lock)? {
            LockKind::Semaphore { semaphore, .. }
            | LockKind::RecursiveSemaphore { semaphore, .. } => {
                self.memory().u64(lock.checked_add(semaphore)?).ok()
            }
            LockKind::Mutex { .. } | LockKind::Recursive { .. } => None,
        }
    }

    /// Returns the object that a bound function or method is bound to.
    pub(super) fn bound_to(&self, method: u64) -> Option<u64> {
        self.memory().u64(method.checked_add(self.header_size() + BOUND_SELF)?).ok()
    }

    /// Returns the code of a Python function or bound method; `None` for functions in C.
    pub(super) fn code_of(&mut self, function: u64) -> Option<Arc<Code>> {
        let function = match self.tag(function) {
            ObjectKind::Function => function,
            ObjectKind::Bound => {
                let inner = self.memory().u64(function.checked_add(self.header_size())?).ok()?;
                (self.tag(inner) == ObjectKind::Function).then_some(inner)?
            }
            _ => return None,
        };
        let code =
            self.memory().u64(function.checked_add(self.header_size() + FUNCTION_CODE)?).ok()?;
        let walker = self.python.walker();
        walker.codes.get(walker.memory, walker.offsets, code & !TAGS, walker.look).ok()
    }

    /// Returns the frame of a generator that is not running.
    pub(super) fn generator_frame(&mut self, generator: u64) -> Option<Frame> {
        if self.tag(generator) != ObjectKind::Generator {
            return None;
        }
        let offset = match &self.offsets().gen_object {
            Some(object) => object.gi_iframe,
            None => self.header_size() + GENERATOR_FRAME,
        };
        let mut frames = self.python.walker().walk(generator.checked_add(offset)?).ok()?.frames;
        (!frames.is_empty()).then(|| frames.swap_remove(0))
    }

    /// Returns the context managers of the `with` statements that a frame is inside, innermost
    /// first, as pairs of `__exit__` and manager.
    pub(super) fn managers(&mut self, frame: &Frame) -> Vec<(u64, u64)> {
        let Ok(with_blocks) =
            self.cache.with_blocks.get(self.objects.memory, self.objects.offsets, &frame.code)
        else {
            return Vec::new();
        };
        if with_blocks.is_empty() {
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
        let found: Vec<Option<(u64, Option<u64>)>> = with_blocks
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

    /// Returns whether code is from `file` in the standard library: the directory is the library's
    /// for this version, or its archive.
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

    /// Returns whether a frame is in this function of the standard library.
    pub(super) fn is_in(&self, frame: &Frame, file: &str, function: &str) -> bool {
        frame.code.qualname == function && self.is_standard(&frame.code, file)
    }
}
