//! Counting and gathering from many threads: an integer that is one word ([`Int`]), a sum that is a
//! word per thread ([`Adder`]), and the same for any function that may be applied in any order
//! ([`Gather`]).

mod adder;
mod gather;
mod int;

pub use adder::{Adder, Sum};
pub use gather::Gather;
pub use int::Int;
