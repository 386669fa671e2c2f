//! Objects of the target: types, attributes, and names of local variables.

use crate::dicts::{self, DictEntry};
use crate::frames::{Frame, TAGS};
use crate::memory::{Memory, ReadError, word};
use crate::unicode::{read_str, str_equals};
use cpython_layout::DebugOffsets;
use cpython_layout::structures::CACHED_KEYS;
use cpython_layout::structures::type_flags::{HEAP_TYPE, INLINE_VALUES, MANAGED_DICT, READY};

/// Maximum length of a type name in bytes.
const MAX_NAME_LENGTH: usize = 512;
/// `CO_FAST_CELL | CO_FAST_FREE` (pycore_code.h): the slot holds a cell that holds the variable.
const IN_CELL: u8 = 0x40 | 0x80;
/// Maximum number of locals of a code object.
const MAX_LOCALS: u64 = 1 << 12;

/// Fields of `PyTypeObject` after `tp_name`, in words from it. Their order is part of the stable
/// layout of static types.
mod words_from_name {
    pub(super) const BASICSIZE: u64 = 1;
    pub(super) const ITEMSIZE: u64 = 2;
    pub(super) const DICT: u64 = 30;
    pub(super) const DICTOFFSET: u64 = 33;
}

/// Reads objects of one target.
#[derive(Clone, Copy)]
pub struct ObjectReader<'a> {
    /// Memory of the target.
    pub memory: &'a dyn Memory,
    /// Offsets of the target.
    pub offsets: &'a DebugOffsets,
}

/// A type of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeInfo {
    /// Address of the type.
    pub address: u64,
    /// `tp_basicsize`, bytes.
    pub basic_size: u64,
    /// `tp_itemsize`, bytes.
    pub item_size: u64,
    /// `tp_flags`.
    pub flags: u64,
    /// `tp_dictoffset`; negative if the dictionary is managed or follows the items.
    pub dict_offset: i64,
    /// `tp_dict`; 0 for a static type of the runtime.
    pub dict: u64,
    name: u64,
}

impl TypeInfo {
    /// Returns whether the type was created by a class statement or from a spec, not compiled in.
    #[must_use]
    pub fn is_heap_type(&self) -> bool {
        self.flags & HEAP_TYPE != 0
    }

    /// Returns whether instances have attributes of their own.
    #[must_use]
    pub fn has_attributes(&self) -> bool {
        self.flags & MANAGED_DICT != 0 || self.dict_offset > 0
    }
}

impl ObjectReader<'_> {
    /// Returns the address of the type of the object at `object`.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn type_address(&self, object: u64) -> Result<u64, ReadError> {
        self.memory.u64(object.saturating_add(self.offsets.pyobject.ob_type))
    }

    /// Reads the type at `address`.
    ///
    /// # Errors
    /// As [`Memory::read`]; [`ReadError::Unexpected`] if there is no type that is ready for use.
    pub fn type_at(&self, address: u64) -> Result<TypeInfo, ReadError> {
        let at = &self.offsets.type_object;
        let bytes = self.memory.vec(address, at.size, 1024)?;
        let after_name = |words: u64| word(&bytes, (at.tp_name + 8 * words) as usize);
        let flags = word(&bytes, at.tp_flags as usize);
        let basic_size = after_name(words_from_name::BASICSIZE);
        if flags & READY == 0 || basic_size > 1 << 24 {
            return Err(ReadError::Unexpected(address));
        }
        Ok(TypeInfo {
            address,
            basic_size,
            item_size: after_name(words_from_name::ITEMSIZE),
            flags,
            dict_offset: after_name(words_from_name::DICTOFFSET).cast_signed(),
            dict: after_name(words_from_name::DICT),
            name: word(&bytes, at.tp_name as usize),
        })
    }

    /// Reads the type of the object at `object`.
    ///
    /// # Errors
    /// As [`ObjectReader::type_at`], also if there is no object.
    pub fn type_of(&self, object: u64) -> Result<TypeInfo, ReadError> {
        self.type_at(self.type_address(object)?)
    }

    /// Returns `tp_name`: a bare name for a class statement, a name with its module for a compiled
    /// type.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn name(&self, of: &TypeInfo) -> Result<String, ReadError> {
        let bytes = self.memory.c_string(of.name, MAX_NAME_LENGTH)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Returns the name of the type of the object at `object`; `None` if there is no object.
    #[must_use]
    pub fn type_name(&self, object: u64) -> Option<String> {
        self.name(&self.type_of(object).ok()?).ok()
    }

    /// Reads a `str` object.
    ///
    /// # Errors
    /// As [`read_str`].
    pub fn text(&self, address: u64) -> Result<String, ReadError> {
        read_str(self.memory, self.offsets, address)
    }

    /// Returns the value of an `int` of at most 60 bits.
    #[must_use]
    pub fn int(&self, address: u64) -> Option<i64> {
        dicts::int(self.memory, self.offsets, address)
    }

    /// Returns the entries of a dictionary.
    ///
    /// # Errors
    /// As [`dicts::entries`].
    pub fn entries(&self, dict: u64) -> Result<Vec<DictEntry>, ReadError> {
        dicts::entries(self.memory, self.offsets, dict)
    }

    /// Returns the instance attributes of the object at `object`: addresses of name and value.
    /// Empty if it has none.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn attributes(&self, object: u64) -> Result<Vec<DictEntry>, ReadError> {
        let kind = self.type_of(object)?;
        if kind.flags & MANAGED_DICT != 0 {
            // pycore_object.h: MANAGED_DICT_OFFSET, before the object and, with a GIL, before the
            // collector's header.
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
            return dicts::inline_attributes(
                self.memory,
                keys,
                object.saturating_add(kind.basic_size),
            );
        }
        match u64::try_from(kind.dict_offset) {
            Ok(0) | Err(_) => Ok(Vec::new()),
            Ok(offset) => match self.memory.u64(object.saturating_add(offset))? {
                0 => Ok(Vec::new()),
                dict => self.entries(dict),
            },
        }
    }

    /// Returns the instance attribute `name` of the object at `object`.
    #[must_use]
    pub fn attribute(&self, object: u64, name: &str) -> Option<u64> {
        self.find(&self.attributes(object).ok()?, name)
    }

    /// Returns the value for the string `key` in the dictionary at `dict`.
    #[must_use]
    pub fn item(&self, dict: u64, key: &str) -> Option<u64> {
        self.find(&self.entries(dict).ok()?, key)
    }

    fn find(&self, entries: &[DictEntry], name: &str) -> Option<u64> {
        entries
            .iter()
            .find(|&&(key, _)| str_equals(self.memory, self.offsets, key, name))
            .map(|&(_, value)| value)
    }

    /// Returns the addresses in a tuple.
    ///
    /// # Errors
    /// As [`Memory::read`]; [`ReadError::Unexpected`] if it has more than `bound` items.
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

    /// Returns the first `most` addresses in a list.
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

    /// Returns the names of the local variables of a frame's code in slot order, and whether each
    /// is in a cell.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn local_names(&self, frame: &Frame) -> Result<Vec<(String, bool)>, ReadError> {
        let at = &self.offsets.code_object;
        let code = frame.code.address;
        let names =
            self.tuple(self.memory.u64(code.saturating_add(at.localsplusnames))?, MAX_LOCALS)?;
        let kinds = self.memory.u64(code.saturating_add(at.localspluskinds))?;
        let kinds = self.memory.vec(
            kinds.saturating_add(self.offsets.bytes_object.ob_sval),
            names.len() as u64,
            MAX_LOCALS as usize,
        )?;
        names
            .iter()
            .zip(kinds)
            .map(|(&name, kind)| Ok((self.text(name)?, kind & IN_CELL != 0)))
            .collect()
    }

    /// Returns the local variables of a frame that have a value.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn locals(&self, frame: &Frame) -> Result<Vec<(String, u64)>, ReadError> {
        self.locals_with_names(frame, &self.local_names(frame)?)
    }

    /// The same, for callers that cached the names of the code ([`ObjectReader::local_names`]).
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn locals_with_names(
        &self,
        frame: &Frame,
        names: &[(String, bool)],
    ) -> Result<Vec<(String, u64)>, ReadError> {
        let slots =
            self.memory.vec(frame.local(0), 8 * names.len() as u64, MAX_LOCALS as usize * 8)?;
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

    /// Returns the local variable `name` of a frame.
    #[must_use]
    pub fn local(&self, frame: &Frame, name: &str) -> Option<u64> {
        let names = self.local_names(frame).ok()?;
        let index = names.iter().position(|(known, _)| known == name)?;
        let value = self.memory.u64(frame.local(u32::try_from(index).ok()?)).ok()? & !TAGS;
        if names[index].1 { self.in_cell(value) } else { Some(value) }.filter(|&value| value != 0)
    }

    /// Returns the value of a captured variable's slot: the content of its cell, or the slot itself
    /// if the function has not created the cell yet.
    fn in_cell(&self, slot: u64) -> Option<u64> {
        if slot != 0 && self.type_name(slot).as_deref() == Some("cell") {
            self.memory.u64(slot.saturating_add(self.offsets.pyobject.size)).ok()
        } else {
            Some(slot)
        }
    }

    /// Returns the `threading.Thread.name` of the thread with these frames: its outermost frame is
    /// a method of the `Thread` object. `None` for the main thread and for threads not started by
    /// `threading`.
    #[must_use]
    pub fn thread_name(&self, frames: &[Frame]) -> Option<String> {
        let first =
            frames.iter().rev().take(2).find(|frame| frame.code.qualname == "Thread._bootstrap")?;
        let name = self.attribute(self.local(first, "self")?, "_name")?;
        self.text(name).ok()
    }
}
