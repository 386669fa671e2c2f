//! Installs the toolchains that build the extension modules for the tests of `ungil audit`: Cython,
//! pybind11 and nanobind as packages, and PyO3 as one library per build, because it takes longest
//! to compile.

use crate::python::interpreter;
use crate::setup::debian;
use crate::{cargo, root, run, target, tools};
use std::path::PathBuf;
use std::process::Command;

/// PyO3 libraries: name, folder of the manifest, interpreter, and further arguments for cargo.
const PYO3: [(&str, &str, &str, &[&str]); 4] = [
    ("3.14t", "current", "3.14t", &[]),
    ("3.15t", "current", "3.15t", &[]),
    ("abi3t", "current", "3.15t", &["--features", "abi3t"]),
    ("earlier", "earlier", "3.14t", &[]),
];

/// Installs the toolchains and returns their folder.
pub(crate) fn install() -> Result<PathBuf, String> {
    debian("c++", "g++")?;
    let folder = target().join("toolchains");
    tools::cython()?;
    tools::pybind11()?;
    tools::nanobind()?;
    for (name, manifest, version, more) in PYO3 {
        let place = folder.join("pyo3").join(name);
        let first = folder.join("pyo3").join(PYO3[0].0);
        if manifest == PYO3[0].1 && !place.exists() && first.exists() {
            // The procedural macros and their dependencies are the same for each interpreter.
            run(Command::new("cp").arg("-a").args([&first, &place]))?;
        }
        let manifest = root().join("crates/audit/tests/fixtures/pyo3").join(manifest);
        // Each has its own target folder: in a shared one, building for one interpreter would
        // invalidate the build for another. Optimised, like wheels.
        let mut build = Command::new(cargo());
        build.current_dir(manifest).env("PYO3_PYTHON", interpreter(version)?);
        build.args(["build", "--quiet", "--locked", "--release"]).args(more);
        run(build.arg("--target-dir").arg(place))?;
    }
    Ok(folder)
}
