//! Objects as CPython lays them out, and what may be done to their counts. Elsewhere in this crate
//! `unsafe` only calls CPython, or shows the collector what a structure holds: [`Word`] is safe to
//! use.

pub(crate) mod block;
pub(crate) mod compact;
pub(crate) mod count;
pub(crate) mod header;
pub(crate) mod lean;
pub(crate) mod word;

pub(crate) use word::{Object, Word, decode, encode};
