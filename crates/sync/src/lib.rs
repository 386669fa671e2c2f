//! The algorithms under the Python package: pure Rust, no Python, built so that threads do not
//! contend.
//!
//! Three rules hold for every structure here. Each thread that can work on a cache line of its own
//! does. A claim is one fetch-and-add where that is enough, so that it succeeds the first time. No
//! callback ever runs under an internal lock. What is counted goes in and out as [`owned::Owned`].
//!
//! What is lock-free is model-checked:
//! `RUSTFLAGS="--cfg loom" cargo test -p ungil-sync --release --lib --test queue_model`.

mod prim;

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
