//! `cargo xtask ci`: every required check, with the duration of each stage.

use crate::environment::{cargo, root, run};
use crate::{Done, checks, loom, test};
use std::process::Command;
use std::time::Instant;

/// Runs all stages; the test runner's summary is the last thing printed.
pub(crate) fn ci() -> Done {
    stage("format", || cargo_run(&["fmt", "--all", "--check"]))?;
    let lints = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
    let variables = test::install(|| stage("lints", || cargo_run(&lints)))?;
    // After the wheels were built, which are checked, too.
    stage("checks", checks::checks)?;
    stage("models", loom::loom)?;
    test::run_tests(variables, &[])
}

/// Runs a stage and prints how long it took.
pub(crate) fn stage<T>(name: &str, work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let start = Instant::now();
    let result = work();
    let how = if result.is_ok() { "" } else { " (failed)" };
    eprintln!("xtask: stage {name}: {:.0} s{how}", start.elapsed().as_secs_f64());
    result
}

fn cargo_run(arguments: &[&str]) -> Done {
    run(Command::new(cargo()).current_dir(root()).args(arguments))
}
