//! Lock-free and low-contention data structures under the Python package. Pure Rust: nothing here
//! knows Python.
//!
//! Three rules hold for every structure:
//!
//! - Each thread works on a cache line of its own where the algorithm allows it.
//! - A claim is one fetch-and-add where that suffices, because it succeeds at the first attempt.
//! - No callback runs under an internal lock. Counted values go in and out as [`owned::Owned`].
//!
//! Loom models check the lock-free parts: `RUSTFLAGS="--cfg loom" cargo test -p ungil-sync
//! --release --lib --test queue_model`.

mod primitive;

pub mod counter;
pub mod list;
pub mod lock;
pub mod owned;
pub mod park;
pub mod pool;
pub mod queue;
pub mod slot;
pub mod stripe;
pub mod table;
pub mod zeroed;
