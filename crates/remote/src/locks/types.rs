//! Types that mean something to a reader of locks, told by name once and by address from then on.

use crate::objects::{Objects, Type};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Types kept before the store is emptied.
const MOST: usize = 1 << 14;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// `threading.Lock`.
    Lock,
    /// `threading.RLock`.
    RLock,
    /// `queue.SimpleQueue`.
    SimpleQueue,
    /// A Python function.
    Function,
    /// A function bound to an object, Python's or C's: both keep the object as their second field.
    Bound,
    /// A generator.
    Generator,
    /// `collections.deque`.
    Deque,
    /// Anything else.
    Other,
}

/// A type that was seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What it means.
    pub tag: Tag,
    /// `tp_name`.
    pub name: Arc<str>,
    /// The type.
    pub is: Type,
}

/// The types seen in one look. A type that a program makes can be freed and its place used again,
/// so they are not kept longer.
#[derive(Debug, Default)]
pub struct Types {
    known: FxHashMap<u64, Option<Seen>>,
}

impl Types {
    /// The type of the object at `object`; `None` where there is no object.
    pub fn of(&mut self, objects: &Objects<'_>, object: u64) -> Option<&Seen> {
        // Every object is aligned to 8 bytes at least, and nothing is in the first page.
        if object < 4096 || !object.is_multiple_of(8) {
            return None;
        }
        let address = objects.type_address(object).ok().filter(|&address| address >= 4096)?;
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.entry(address).or_insert_with(|| read(objects, address)).as_ref()
    }

    /// What the object at `object` is; [`Tag::Other`] where there is none.
    pub fn tag(&mut self, objects: &Objects<'_>, object: u64) -> Tag {
        self.of(objects, object).map_or(Tag::Other, |seen| seen.tag)
    }

    /// Forgets what was seen.
    pub fn clear(&mut self) {
        self.known.clear();
    }
}

fn read(objects: &Objects<'_>, address: u64) -> Option<Seen> {
    let is = objects.type_at(address).ok()?;
    let name = objects.name(&is).ok()?;
    let tag = match name.as_str() {
        "_thread.lock" => Tag::Lock,
        "_thread.RLock" => Tag::RLock,
        "_queue.SimpleQueue" => Tag::SimpleQueue,
        "function" => Tag::Function,
        "method" | "builtin_function_or_method" => Tag::Bound,
        "generator" => Tag::Generator,
        "collections.deque" => Tag::Deque,
        _ => Tag::Other,
    };
    Some(Seen { tag, name: name.into(), is })
}
