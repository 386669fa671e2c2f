//! Compiles `crates/hook` into the library that a Python loads when its allocations are profiled.

fn main() {
    ungil_embed::library("hook", "ungil_hook");
}
