//! The primitives every structure is written in: std's, or loom's when its model checker runs them.

#![allow(unused_imports, reason = "each structure takes what it needs, and loom has less than std")]

#[cfg(loom)]
pub(crate) use loom::{hint, sync::atomic, thread};
#[cfg(not(loom))]
pub(crate) use std::{hint, sync::atomic, thread};
