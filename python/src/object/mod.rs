//! Objects as CPython lays them out, and what may be done to their counts. The only room of this crate, with the bindings'
//! own slots, that needs `unsafe`: what it offers the others is safe to call as long as they hold what they name.

pub(crate) mod block;
pub(crate) mod compact;
pub(crate) mod count;
pub(crate) mod header;
pub(crate) mod lean;
pub(crate) mod word;

pub(crate) use word::{Object, Word, decode, encode};
