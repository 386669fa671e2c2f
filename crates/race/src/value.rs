//! Values as numbers, so that what two threads have written can be compared later.
#![allow(unsafe_code)] // Reads objects of this thread.

use crate::python::{HEADER, Object, Python, is_thread_local, thread_word, type_of, word};

impl Python {
    /// Returns a number that is equal for equal values: numbers, texts, and containers of them that
    /// are not empty. Other objects are identified by their address.
    ///
    /// # Safety
    /// `object` is alive, and the thread attached.
    pub(crate) unsafe fn signature(&self, object: Object) -> Signature {
        let types = &self.types;
        // SAFETY: the caller's contract.
        let (number, class) = unsafe { (self.signature_of(object, MAX_NESTING), type_of(object)) };
        let kind = match number {
            None => SignatureKind::Identity,
            Some(_) if class == types.boolean => SignatureKind::Flag,
            Some(_) if class == types.integer || class == types.float => SignatureKind::Number,
            Some(_) => SignatureKind::Value,
        };
        Signature { number: number.unwrap_or(object as u64), kind }
    }

    unsafe fn signature_of(&self, object: Object, nesting: u32) -> Option<u64> {
        let mix = |sum: u64, number: u64| {
            (sum.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        };
        // SAFETY: the caller's contract. Hashing exact types of this kind runs no Python code, and
        // an item that is removed meanwhile is not read: only objects of this thread are entered.
        unsafe {
            let class = type_of(object);
            let types = &self.types;
            if [types.text, types.integer, types.float, types.bytes, types.boolean].contains(&class)
                || object as usize == types.none
            {
                return Some((self.hash)(object) as u64 ^ class as u64);
            }
            if nesting == 0 || !is_thread_local(object, thread_word()) {
                return None;
            }
            if class == types.mapping_proxy {
                return self.signature_of(word(object, HEADER) as Object, nesting - 1);
            }
            let mut sum = class as u64;
            let mut count = 0;
            if class == types.tuple || class == types.list {
                let is_tuple = class == types.tuple;
                let size =
                    if is_tuple { (self.tuple_size)(object) } else { (self.list_size)(object) };
                for index in 0..size.min(MAX_SIGNED) {
                    let item = if is_tuple {
                        (self.tuple_item)(object, index)
                    } else {
                        (self.list_item)(object, index)
                    };
                    sum = mix(sum, self.signature_of(item, nesting - 1)?);
                    count += 1;
                }
            } else if class == types.dict {
                let (mut at, mut key, mut value) = (0, std::ptr::null_mut(), std::ptr::null_mut());
                while count < MAX_SIGNED
                    && (self.next_item)(object, &mut at, &mut key, &mut value) != 0
                {
                    sum = mix(sum, self.signature_of(key, nesting - 1)?);
                    sum = mix(sum, self.signature_of(value, nesting - 1)?);
                    count += 1;
                }
            }
            // An empty container is stored to be filled: another one is not as good.
            (count > 0).then_some(sum)
        }
    }
}

/// Items of a container that its signature covers, and depth of containers in it.
const MAX_SIGNED: isize = 64;
const MAX_NESTING: u32 = 3;

/// What a [`Signature`] stands for.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum SignatureKind {
    /// An object, by its address.
    #[default]
    Identity,
    /// `True` or `False`.
    Flag,
    Number,
    /// A text, or a container of such values.
    Value,
}

/// A value as a number: equal for equal values, except for those identified by their address.
#[derive(Clone, Copy, Default)]
pub(crate) struct Signature {
    pub(crate) number: u64,
    pub(crate) kind: SignatureKind,
}
