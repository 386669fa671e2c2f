//! CPython's object layout and reference counts. Elsewhere in this crate, `unsafe` code only calls
//! CPython or passes a structure's contents to the collector: [`Word`] is safe to use.

pub(crate) mod block;
pub(crate) mod compact;
pub(crate) mod count;
pub(crate) mod fastcall;
pub(crate) mod header;
pub(crate) mod word;

pub(crate) use word::{Object, Word, decode, encode};
