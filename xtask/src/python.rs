//! Development builds of the Python package: built for one interpreter, laid out under
//! `target/python`, and tested there.

use crate::{Done, cargo, home, root, run, target, tools};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `cargo xtask python VERSION [--release] [PYTEST'S ARGUMENTS]`: builds for that interpreter and
/// runs pytest there; `-c`, `-m` or a script instead of pytest's arguments run Python itself.
pub(crate) fn python(arguments: &[String]) -> Done {
    let (version, rest) = arguments
        .split_first()
        .ok_or("usage: cargo xtask python VERSION [--release] [ARGUMENTS]")?;
    let release = rest.first().is_some_and(|a| a == "--release");
    let rest = &rest[usize::from(release)..];
    let interpreter = interpreter(version)?;
    let package = lay_out(version, &interpreter, release)?;
    let site = tools::pytest()?;
    let mut python = Command::new(&interpreter);
    // A folder other than `python/`, whose `ungil` contains no library.
    python.current_dir(root().join("python/tests"));
    python.env("PYTHONPATH", std::env::join_paths([&package, &site]).map_err(|e| e.to_string())?);
    if !rest
        .first()
        .is_some_and(|a| a == "-c" || a == "-m" || a.ends_with(".py") && !a.contains("test_"))
    {
        python.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]);
        python.env("UNGIL_MYPY", tools::mypy(version)?).env("UNGIL_PYRIGHT", tools::pyright()?);
    }
    run(python.args(rest))
}

/// Returns the path of the tests' interpreter of that version.
pub(crate) fn interpreter(version: &str) -> Result<PathBuf, String> {
    let roots = [
        std::env::var_os("UNGIL_PYTHONS").map(PathBuf::from),
        Some(home()?.join("pythons")),
        Some("/opt/pythons".into()),
    ];
    roots
        .into_iter()
        .flatten()
        .map(|root| root.join(version).join("bin").join(format!("python{version}")))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            format!("no Python {version}: cargo run -- pythons install --with assemble {version}")
        })
}

/// Builds the library and copies it beside the package's own files.
fn lay_out(version: &str, interpreter: &Path, release: bool) -> Result<PathBuf, String> {
    let mut build = Command::new(cargo());
    build.current_dir(root()).env("PYO3_PYTHON", interpreter).args([
        "build",
        "--package",
        "ungil-python",
    ]);
    if version.starts_with("3.15") {
        build.args(["--features", "abi3t"]);
    }
    if release {
        build.arg("--release");
    }
    run(&mut build)?;
    let library = target().join(if release { "release" } else { "debug" }).join("lib_ungil.so");
    let package = target().join("python").join(version);
    let inside = package.join("ungil");
    let failed = |e: std::io::Error| format!("{}: {e}", inside.display());
    fs::create_dir_all(&inside).map_err(failed)?;
    for file in fs::read_dir(root().join("python/ungil")).map_err(failed)?.flatten() {
        if file.path().is_file() {
            fs::copy(file.path(), inside.join(file.file_name())).map_err(failed)?;
        }
    }
    // Replaces the file instead of rewriting it: an interpreter may have the old one mapped.
    fs::copy(&library, inside.join("_ungil.new")).map_err(failed)?;
    fs::rename(inside.join("_ungil.new"), inside.join("_ungil.so")).map_err(failed)?;
    Ok(package)
}
