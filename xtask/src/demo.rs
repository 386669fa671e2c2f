//! `cargo xtask demo`: from a clone to two comparisons.

use crate::Done;
use crate::environment::{cargo, root, run, target};
use std::process::Command;

/// The examples, and what each shows.
const EXAMPLES: [(&str, &str); 2] = [
    ("primes.py", "Independent work: counting primes in ranges."),
    ("shared_list.py", "Shared work: upper-casing the strings of one list."),
];

/// Builds ungil, installs a pair of interpreters if there is none, and compares two examples.
pub(crate) fn demo() -> Done {
    // Builds only what `compare` and `pythons` need, barely optimised: compiling takes most of the
    // time.
    run(Command::new(cargo()).current_dir(root()).args([
        "build",
        "--package=ungil",
        "--profile=demo",
        "--no-default-features",
    ]))?;
    let ungil = target().join("demo/ungil");
    let found =
        Command::new(&ungil).arg("pythons").output().map_err(|e| format!("ungil pythons: {e}"))?;
    if !String::from_utf8_lossy(&found.stdout).contains(" are a pair") {
        run(Command::new(&ungil).args(["pythons", "install", "3.14", "3.14t"]))?;
    }
    for (script, description) in EXAMPLES {
        println!("\n{description}\n$ ungil compare examples/{script} -- --workers {{workers}}\n");
        let mut compare = Command::new(&ungil);
        compare.current_dir(root()).arg("compare").arg(format!("examples/{script}"));
        run(compare.args(["--time-limit", "20s", "--", "--workers", "{workers}"]))?;
    }
    Ok(())
}
