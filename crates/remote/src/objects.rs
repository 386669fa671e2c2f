//! Objects of the target: what type they are, which attributes they have, what a frame's locals are
//! called.

use crate::dicts::{self, Entry};
use crate::frames::{Frame, TAGS};
use crate::memory::{Memory, ReadError, word};
use crate::unicode::{is_text, text};
use cpython_layout::DebugOffsets;
use cpython_layout::structures::CACHED_KEYS;
use cpython_layout::structures::type_flags::{HEAP_TYPE, INLINE_VALUES, MANAGED_DICT, READY};

/// A name or module name of more bytes is not believed.
const LONGEST_NAME: usize = 512;
/// `CO_FAST_CELL | CO_FAST_FREE` (pycore_code.h): the slot holds a cell, and the cell the variable.
const IN_CELL: u8 = 0x40 | 0x80;
/// Locals a code object has at most.
const MOST_LOCALS: u64 = 1 << 12;

/// Fields of `PyTypeObject` after `tp_name`, in words from it; the order is part of the stable
/// layout of static types.
mod words_from_name {
    pub(super) const BASICSIZE: u64 = 1;
    pub(super) const ITEMSIZE: u64 = 2;
    pub(super) const DICT: u64 = 30;
    pub(super) const DICTOFFSET: u64 = 33;
}

/// Reads objects of one target.
#[derive(Clone, Copy)]
pub struct Objects<'a> {
    /// Its memory.
    pub memory: &'a dyn Memory,
    /// Its offsets.
    pub offsets: &'a DebugOffsets,
}

/// A type of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Type {
    /// Where it is.
    pub address: u64,
    /// `tp_basicsize`, bytes.
    pub basic_size: u64,
    /// `tp_itemsize`, bytes.
    pub item_size: u64,
    /// `tp_flags`.
    pub flags: u64,
    /// `tp_dictoffset`; negative where the dictionary is managed or after the items.
    pub dict_offset: i64,
    /// `tp_dict`, 0 for a static type of the runtime.
    pub dict: u64,
    name: u64,
}

impl Type {
    /// Made by a class statement or from a spec, not compiled in.
    #[must_use]
    pub fn is_heap_type(&self) -> bool {
        self.flags & HEAP_TYPE != 0
    }

    /// Its instances have attributes of their own.
    #[must_use]
    pub fn has_attributes(&self) -> bool {
        self.flags & MANAGED_DICT != 0 || self.dict_offset > 0
    }
}

impl Objects<'_> {
    /// The address of the type of the object at `object`.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn type_address(&self, object: u64) -> Result<u64, ReadError> {
        self.memory.u64(object.saturating_add(self.offsets.pyobject.ob_type))
    }

    /// The type at `address`.
    ///
    /// # Errors
    /// As [`Memory::read`]; [`ReadError::Unexpected`] where there is no type that is ready for use.
    pub fn type_at(&self, address: u64) -> Result<Type, ReadError> {
        let at = &self.offsets.type_object;
        let bytes = self.memory.vec(address, at.size, 1024)?;
        let after_name = |words: u64| word(&bytes, (at.tp_name + 8 * words) as usize);
        let flags = word(&bytes, at.tp_flags as usize);
        let basic_size = after_name(words_from_name::BASICSIZE);
        if flags & READY == 0 || basic_size > 1 << 24 {
            return Err(ReadError::Unexpected(address));
        }
        Ok(Type {
            address,
            basic_size,
            item_size: after_name(words_from_name::ITEMSIZE),
            flags,
            dict_offset: after_name(words_from_name::DICTOFFSET).cast_signed(),
            dict: after_name(words_from_name::DICT),
            name: word(&bytes, at.tp_name as usize),
        })
    }

    /// The type of the object at `object`.
    ///
    /// # Errors
    /// As [`Objects::type_at`]: also where there is no object.
    pub fn type_of(&self, object: u64) -> Result<Type, ReadError> {
        self.type_at(self.type_address(object)?)
    }

    /// `tp_name`: a bare name for a class statement's, with its module for a compiled one.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn name(&self, of: &Type) -> Result<String, ReadError> {
        let bytes = self.memory.c_string(of.name, LONGEST_NAME)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The name of the type of the object at `object`; `None` where there is no object.
    #[must_use]
    pub fn type_name(&self, object: u64) -> Option<String> {
        self.name(&self.type_of(object).ok()?).ok()
    }

    /// A string object's text.
    ///
    /// # Errors
    /// As [`text`].
    pub fn text(&self, address: u64) -> Result<String, ReadError> {
        text(self.memory, self.offsets, address)
    }

    /// An `int`'s value, where it fits into 60 bits.
    #[must_use]
    pub fn int(&self, address: u64) -> Option<i64> {
        dicts::int(self.memory, self.offsets, address)
    }

    /// A dictionary's entries.
    ///
    /// # Errors
    /// As [`dicts::entries`].
    pub fn entries(&self, dict: u64) -> Result<Vec<Entry>, ReadError> {
        dicts::entries(self.memory, self.offsets, dict)
    }

    /// The instance attributes of the object at `object`: name and value as addresses. Empty where
    /// it has none.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn attributes(&self, object: u64) -> Result<Vec<Entry>, ReadError> {
        let kind = self.type_of(object)?;
        if kind.flags & MANAGED_DICT != 0 {
            // pycore_object.h: MANAGED_DICT_OFFSET, before the object and, with a GIL, before the
            // collector's head.
            let before = if self.offsets.free_threaded { 8 } else { 24 };
            let dict = self.memory.u64(object.wrapping_sub(before))?;
            if dict != 0 {
                return self.entries(dict);
            }
            if kind.flags & INLINE_VALUES == 0 {
                return Ok(Vec::new());
            }
            let cached = match self.offsets.heap_type_object {
                Some(heap) => heap.ht_cached_keys,
                None => self.offsets.type_object.size + CACHED_KEYS,
            };
            let keys = self.memory.u64(kind.address.saturating_add(cached))?;
            return dicts::inline(self.memory, keys, object.saturating_add(kind.basic_size));
        }
        match u64::try_from(kind.dict_offset) {
            Ok(0) | Err(_) => Ok(Vec::new()),
            Ok(offset) => match self.memory.u64(object.saturating_add(offset))? {
                0 => Ok(Vec::new()),
                dict => self.entries(dict),
            },
        }
    }

    /// The instance attribute `name` of the object at `object`.
    #[must_use]
    pub fn attribute(&self, object: u64, name: &str) -> Option<u64> {
        self.find(&self.attributes(object).ok()?, name)
    }

    /// The value under the string `key` of the dictionary at `dict`.
    #[must_use]
    pub fn item(&self, dict: u64, key: &str) -> Option<u64> {
        self.find(&self.entries(dict).ok()?, key)
    }

    fn find(&self, entries: &[Entry], name: &str) -> Option<u64> {
        entries
            .iter()
            .find(|&&(key, _)| is_text(self.memory, self.offsets, key, name))
            .map(|&(_, value)| value)
    }

    /// The addresses in a tuple.
    ///
    /// # Errors
    /// As [`Memory::read`]; [`ReadError::Unexpected`] where it has more than `bound`.
    pub fn tuple(&self, address: u64, bound: u64) -> Result<Vec<u64>, ReadError> {
        let at = &self.offsets.tuple_object;
        let size = self.memory.u64(address.saturating_add(at.ob_size))?;
        if size > bound {
            return Err(ReadError::Unexpected(address));
        }
        let bytes =
            self.memory.vec(address.saturating_add(at.ob_item), size * 8, bound as usize * 8)?;
        Ok(bytes.chunks_exact(8).map(|item| word(item, 0)).collect())
    }

    /// The addresses in a list, the first `most` of them.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn list(&self, address: u64, most: usize) -> Result<Vec<u64>, ReadError> {
        let at = &self.offsets.list_object;
        let size = self.memory.u64(address.saturating_add(at.ob_size))?.min(most as u64);
        let items = self.memory.u64(address.saturating_add(at.ob_item))?;
        let bytes = self.memory.vec(items, size * 8, most * 8)?;
        Ok(bytes.chunks_exact(8).map(|item| word(item, 0)).collect())
    }

    /// What the local variables of a frame's code are called, in the order of their slots, and
    /// whether each is in a cell.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn local_names(&self, frame: &Frame) -> Result<Vec<(String, bool)>, ReadError> {
        let at = &self.offsets.code_object;
        let code = frame.code.address;
        let names =
            self.tuple(self.memory.u64(code.saturating_add(at.localsplusnames))?, MOST_LOCALS)?;
        let kinds = self.memory.u64(code.saturating_add(at.localspluskinds))?;
        let kinds = self.memory.vec(
            kinds.saturating_add(self.offsets.bytes_object.ob_sval),
            names.len() as u64,
            MOST_LOCALS as usize,
        )?;
        names
            .iter()
            .zip(kinds)
            .map(|(&name, kind)| Ok((self.text(name)?, kind & IN_CELL != 0)))
            .collect()
    }

    /// The local variables of a frame that have a value.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn locals(&self, frame: &Frame) -> Result<Vec<(String, u64)>, ReadError> {
        self.locals_called(frame, &self.local_names(frame)?)
    }

    /// The same, for a caller that has kept the names of that code ([`Objects::local_names`]).
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn locals_called(
        &self,
        frame: &Frame,
        names: &[(String, bool)],
    ) -> Result<Vec<(String, u64)>, ReadError> {
        let slots =
            self.memory.vec(frame.local(0), 8 * names.len() as u64, MOST_LOCALS as usize * 8)?;
        Ok(names
            .iter()
            .enumerate()
            .filter_map(|(index, (name, in_cell))| {
                let value = word(&slots, index * 8) & !TAGS;
                Some((name.clone(), if *in_cell { self.in_cell(value)? } else { value }))
            })
            .filter(|&(_, value)| value != 0)
            .collect())
    }

    /// The local variable `name` of a frame.
    #[must_use]
    pub fn local(&self, frame: &Frame, name: &str) -> Option<u64> {
        let names = self.local_names(frame).ok()?;
        let index = names.iter().position(|(known, _)| known == name)?;
        let value = self.memory.u64(frame.local(u32::try_from(index).ok()?)).ok()? & !TAGS;
        if names[index].1 { self.in_cell(value) } else { Some(value) }.filter(|&value| value != 0)
    }

    /// What the slot of a captured variable stands for: the content of its cell, or the value
    /// itself while the function has not yet made the cell.
    fn in_cell(&self, slot: u64) -> Option<u64> {
        if slot != 0 && self.type_name(slot).as_deref() == Some("cell") {
            self.memory.u64(slot.saturating_add(self.offsets.pyobject.size)).ok()
        } else {
            Some(slot)
        }
    }

    /// The name of the thread whose frames these are, as `threading.Thread` keeps it: its outermost
    /// frame is a method of that object. `None` for the main thread and for threads that
    /// `threading` did not start.
    #[must_use]
    pub fn thread_name(&self, frames: &[Frame]) -> Option<String> {
        let first =
            frames.iter().rev().take(2).find(|frame| frame.code.qualname == "Thread._bootstrap")?;
        let name = self.attribute(self.local(first, "self")?, "_name")?;
        self.text(name).ok()
    }
}
