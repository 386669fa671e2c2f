//! Atomics, threads and spin hints: std's, or loom's when the model checker runs.

#![allow(unused_imports, reason = "no structure uses all of them, and loom has fewer than std")]

#[cfg(loom)]
pub(crate) use loom::{hint, sync::atomic, thread};
#[cfg(not(loom))]
pub(crate) use std::{hint, sync::atomic, thread};
