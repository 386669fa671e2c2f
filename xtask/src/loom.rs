//! `cargo xtask loom`: checks every interleaving of the loom models of the lock-free structures.

use crate::Done;
use crate::environment::{cargo, root, run, target};
use std::process::Command;

/// Runs the models in their own target folder, because `--cfg loom` rebuilds everything.
pub(crate) fn loom() -> Done {
    let mut models = Command::new(cargo());
    models.current_dir(root()).env("CARGO_TARGET_DIR", target().join("loom"));
    models.env("RUSTFLAGS", "--cfg loom").env("LOOM_MAX_PREEMPTIONS", "3");
    models.args(["test", "--quiet", "--release", "--package", "ungil-sync"]);
    run(models.args(["--lib", "--test", "queue_model"]))
}
