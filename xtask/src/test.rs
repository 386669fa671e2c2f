//! `cargo xtask test`: installs what the tests need and runs them.

use crate::ci::stage;
use crate::environment::{cargo, root, run};
use crate::setup::{self, Part, Variable};
use crate::{Done, loom};
use std::num::NonZero;
use std::process::Command;
use std::thread;

/// Runs the tests. Without arguments, first installs everything they need and runs the models of
/// the lock-free structures, then runs all tests. With arguments, runs the tests that nextest
/// selects and installs only what those need (see `.config/nextest.toml`).
pub(crate) fn test(arguments: &[String]) -> Done {
    if has_nextest() && !arguments.is_empty() {
        return run_tests(Vec::new(), arguments);
    }
    let variables = install(|| Ok(()))?;
    stage("models", loom::loom)?;
    run_tests(variables, arguments)
}

/// Installs everything that the tests need and returns the variables by which they find it. Does
/// `other_work` while it waits for the network.
pub(crate) fn install(other_work: impl FnOnce() -> Done) -> Result<Vec<Variable>, String> {
    let mut variables = setup::install(&Part::ALL, other_work)?;
    variables.push((setup::READY, "all".into()));
    Ok(variables)
}

/// Runs the tests that `arguments` select; without arguments, all.
pub(crate) fn run_tests(variables: Vec<Variable>, arguments: &[String]) -> Done {
    let mut runner = Command::new(cargo());
    runner.current_dir(root()).envs(variables);
    if has_nextest() {
        // nextest prints one summary for all test binaries.
        runner.args(["nextest", "run", "--workspace"]);
        if !arguments.iter().any(|argument| argument.starts_with("--profile")) {
            let slots = 3 * thread::available_parallelism().map_or(1, NonZero::get);
            runner.args(["--profile", "ci", "--test-threads", &slots.to_string()]);
        }
    } else {
        runner.args(["test", "--workspace", "--lib", "--bins", "--tests"]);
    }
    run(runner.args(arguments))
}

fn has_nextest() -> bool {
    let version = Command::new(cargo()).args(["nextest", "--version"]).output();
    version.is_ok_and(|out| out.status.success())
}
