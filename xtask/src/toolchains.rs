//! What extension modules are made with, so that `ungil audit` is tested on modules of each:
//! Cython, pybind11 and nanobind as their packages, PyO3 as a library for each build, since it
//! takes longest.

use crate::python::interpreter;
use crate::setup::debian;
use crate::{cargo, root, run, target, tools};
use std::path::PathBuf;
use std::process::Command;

/// A library of PyO3's: its name, the folder of its manifest, the interpreter it is for, and more
/// for cargo.
const PYO3: [(&str, &str, &str, &[&str]); 4] = [
    ("3.14t", "current", "3.14t", &[]),
    ("3.15t", "current", "3.15t", &[]),
    ("abi3t", "current", "3.15t", &["--features", "abi3t"]),
    ("earlier", "earlier", "3.14t", &[]),
];

/// Gets them, and gives the folder where they are.
pub(crate) fn install() -> Result<PathBuf, String> {
    debian("c++", "g++")?;
    let folder = target().join("toolchains");
    tools::cython(folder.join("cython"))?;
    tools::pybind11(folder.join("pybind11"))?;
    tools::nanobind(folder.join("nanobind"))?;
    for (name, manifest, version, more) in PYO3 {
        let manifest = root().join("crates/audit/tests/fixtures/pyo3").join(manifest);
        // Each its own target folder: in one, the interpreter of the last would undo what was built
        // for the one before. Optimised, as wheels are.
        let mut build = Command::new(cargo());
        build.current_dir(manifest).env("PYO3_PYTHON", interpreter(version)?);
        build.args(["build", "--quiet", "--locked", "--release"]).args(more);
        run(build.arg("--target-dir").arg(folder.join("pyo3").join(name)))?;
    }
    Ok(folder)
}
