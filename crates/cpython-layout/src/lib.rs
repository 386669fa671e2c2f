//! Version-dependent facts about CPython that a running process does not expose.
//!
//! Each release has one file (`v3_14.rs`) with the facts of its two builds, with and without the
//! GIL. To add a release, write its file and add its builds to [`BUILDS`]: every fact is a field of
//! [`Build`], so the compiler reports what is missing. Structures that are the same in all
//! supported releases are in [`structures`], [`LockKind`] and [`Mimalloc`]. If a later release
//! changes one of them, it becomes a field of [`Build`].
//!
//! Most offsets are exposed by the process itself in `_Py_DebugOffsets`. A release's file lists the
//! entries of that table in order; [`DebugOffsets::parse`] parses and checks them. Structures that
//! patch releases move have to be located by the process reader, which starts from the offsets
//! given here.
//!
//! Sources: `offsetof` over the headers of 3.13.0, 3.13.5, 3.14.10 and 3.15.2, with and without the
//! GIL, and tests against live interpreters (`ungil-remote`, `tests/layout`).

#[macro_use]
mod fields;

mod asyncio;
mod build;
mod check;
mod debug_offsets;
mod locks;
mod mimalloc;
mod mutexes;
pub mod structures;
mod v3_13;
mod v3_14;
mod v3_15;
mod version;

pub use asyncio::AsyncioOffsets;
pub use build::{
    Build, CollectorLayout, FrameLayout, FrameState, InterpreterLayout, Opcodes, RuntimeLayout,
    ThreadLayout,
};
pub use debug_offsets::{COOKIE, LayoutError, MAX_SIZE};
pub use fields::*;
pub use locks::LockKind;
pub use mimalloc::{HeapTag, Mimalloc};
pub use mutexes::{Anchor, MutexKind, RuntimeMutex};
pub use version::{Level, Version};

/// All supported builds.
#[rustfmt::skip]
pub const BUILDS: &[&Build] = &[
    // Oldest first.
    &v3_13::GIL,
    &v3_14::GIL, &v3_14::FREE_THREADED,
    &v3_15::GIL, &v3_15::FREE_THREADED,
];

/// Minor version of the oldest supported release: 13 for 3.13.
pub const OLDEST: u8 = BUILDS[0].minor;
/// Minor version of the newest supported release.
pub const NEWEST: u8 = BUILDS[BUILDS.len() - 1].minor;
