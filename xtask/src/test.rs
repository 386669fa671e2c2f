//! `cargo xtask test`: installs what the tests need and runs them.

use crate::ci::stage;
use crate::environment::{cargo, root, run};
use crate::setup::{self, Part};
use crate::{Done, loom};
use std::process::Command;

/// Runs the tests. Without arguments, first installs everything they need and runs the models of
/// the lock-free structures, then runs all tests. With arguments, runs the tests that nextest
/// selects and installs only what those need (see `.config/nextest.toml`).
pub(crate) fn test(arguments: &[String]) -> Done {
    let nextest = Command::new(cargo())
        .args(["nextest", "--version"])
        .output()
        .is_ok_and(|out| out.status.success());
    let selected = nextest && !arguments.is_empty();
    let mut variables = Vec::new();
    if !selected {
        variables = setup::install(&Part::ALL)?;
        variables.push((setup::READY, "all".into()));
        stage("models", loom::loom)?;
    }
    let mut runner = Command::new(cargo());
    runner.current_dir(root()).envs(variables);
    if nextest {
        // nextest prints one summary for all test binaries.
        runner.args(["nextest", "run", "--workspace"]);
        if !arguments.iter().any(|argument| argument.starts_with("--profile")) {
            runner.args(["--profile", "ci"]);
        }
    } else {
        runner.args(["test", "--workspace", "--lib", "--bins", "--tests"]);
    }
    run(runner.args(arguments))
}
