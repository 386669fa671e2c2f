//! The project's development tasks: `cargo xtask demo`, `cargo xtask test` and their parts.
//!
//! They need Rust, python3, pip, cc and Debian's apt, and install everything else by package name
//! with those clients. The crate has no dependencies, so that it builds in a second.

mod checks;
mod ci;
mod demo;
mod docs;
mod environment;
mod loom;
mod python;
mod setup;
mod shared_pythons;
mod test;
mod toolchains;
mod tools;
mod wheels;

use environment::{cargo, home, root, run, target};
use std::env;
use std::process::ExitCode;

/// Result of a task; the error is one line for the user.
type Done = Result<(), String>;

const USAGE: &str = "usage: cargo xtask COMMAND
  demo                  build, get two interpreters, compare two examples
  test [ARGUMENTS]      run every test; arguments go to the test runner (a test's name, --profile nightly)
  setup [PART...]       get what the tests need: all of it, or the parts named
  wheels                build the Python package's wheels and install them for the tests
  loom                  model-check the lock-free structures
  checks                check Python code, workflows, metadata and licenses
  docs [FOLDER]         build the documentation site
  python VERSION [...]  build the package for that interpreter and run its tests, a script, or -c CODE
  ci                    everything that must pass: format, lints, checks, every test";

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let command = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let result = match command.as_deref() {
        Some("demo") => demo::demo(),
        Some("test") => test::test(&rest),
        Some("setup") => setup::setup(&rest),
        Some("wheels") => setup::setup(&["wheels".into()]),
        Some("loom") => loom::loom(),
        Some("docs") => docs::docs(&rest),
        Some("checks") => checks::checks(),
        Some("python") => python::python(&rest),
        Some("ci") => ci::ci(),
        _ => Err(USAGE.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
