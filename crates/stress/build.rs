//! Compiles `crates/race` into the library that a Python loads when it is searched for races.

fn main() {
    ungil_embed::library("race", "ungil_race");
}
