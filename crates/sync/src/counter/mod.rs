//! Counters for many threads: a single-word integer ([`Int`]), a sum with one word per thread
//! ([`Adder`]), and one slot per thread for any associative and commutative function ([`Striped`]).

mod adder;
mod int;
mod striped;

pub use adder::{Adder, Sum};
pub use int::Int;
pub use striped::Striped;
