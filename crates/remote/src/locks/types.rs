//! Types relevant for locks, recognized by name once and by address afterwards.

use crate::objects::{ObjectReader, TypeInfo};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Maximum number of cached types.
const MAX_TYPES: usize = 1 << 14;

/// Kind of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// `threading.Lock`.
    Lock,
    /// `threading.RLock`.
    RLock,
    /// `queue.SimpleQueue`.
    SimpleQueue,
    /// A Python function.
    Function,
    /// A bound method, of Python or C. Both keep the object in their second field.
    Bound,
    /// A generator.
    Generator,
    /// `collections.deque`.
    Deque,
    /// Anything else.
    Other,
}

/// A cached type.
#[derive(Debug, Clone)]
pub struct CachedType {
    /// Kind of its instances.
    pub tag: ObjectKind,
    /// `tp_name`.
    pub name: Arc<str>,
    /// The type.
    pub type_info: TypeInfo,
}

/// Cache of the types seen in one look. A type created by a program can be freed and its memory
/// reused, so types are not cached for longer.
#[derive(Debug, Default)]
pub struct TypeCache {
    known: FxHashMap<u64, Option<CachedType>>,
}

impl TypeCache {
    /// Returns the type of the object at `object`; `None` if there is no object.
    pub fn of(&mut self, objects: &ObjectReader<'_>, object: u64) -> Option<&CachedType> {
        // Every object is aligned to at least 8 bytes, and none is in the first page.
        if object < 4096 || !object.is_multiple_of(8) {
            return None;
        }
        let address = objects.type_address(object).ok().filter(|&address| address >= 4096)?;
        if self.known.len() >= MAX_TYPES {
            self.known.clear();
        }
        self.known.entry(address).or_insert_with(|| read(objects, address)).as_ref()
    }

    /// Returns the kind of the object at `object`; [`ObjectKind::Other`] if there is none.
    pub fn tag(&mut self, objects: &ObjectReader<'_>, object: u64) -> ObjectKind {
        self.of(objects, object).map_or(ObjectKind::Other, |cached| cached.tag)
    }

    /// Clears the cache.
    pub fn clear(&mut self) {
        self.known.clear();
    }
}

fn read(objects: &ObjectReader<'_>, address: u64) -> Option<CachedType> {
    let type_info = objects.type_at(address).ok()?;
    let name = objects.name(&type_info).ok()?;
    let tag = match name.as_str() {
        "_thread.lock" => ObjectKind::Lock,
        "_thread.RLock" => ObjectKind::RLock,
        "_queue.SimpleQueue" => ObjectKind::SimpleQueue,
        "function" => ObjectKind::Function,
        "method" | "builtin_function_or_method" => ObjectKind::Bound,
        "generator" => ObjectKind::Generator,
        "collections.deque" => ObjectKind::Deque,
        _ => ObjectKind::Other,
    };
    Some(CachedType { tag, name: name.into(), type_info })
}
