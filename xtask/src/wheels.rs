//! Builds wheels of the Python package with pip, one for each kind of interpreter, and installs
//! them. The tests use these.

use crate::python::interpreter;
use crate::{Done, root, run, target, tools};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The interpreter that builds each wheel, and the interpreters that install it.
const WHEELS: [(&str, &[&str]); 3] =
    [("3.14", &["3.14"]), ("3.14t", &["3.14t"]), ("3.15t", &["3.15", "3.15t"])];

/// Builds the wheels and installs each under `target/python/installed/VERSION`, with what the
/// package's tests need. Returns the folder of all of it. `program` is the `ungil` to include in
/// the wheels; it is already built, and compiling an optimised one would take longer than all other
/// steps.
pub(crate) fn install(program: &Path) -> Result<PathBuf, String> {
    let installed = target().join("python/installed");
    let pip = tools::pip()?;
    for (builder, versions) in WHEELS {
        let wheels = target().join("python/wheels").join(builder);
        clear(&wheels)?;
        run(with(&pip, builder)?
            .arg("wheel")
            .arg("--no-deps")
            .arg("--config-settings")
            .arg(format!("program={}", program.display()))
            .arg("-w")
            .arg(&wheels)
            .arg(root().join("python")))?;
        let wheel = fs::read_dir(&wheels)
            .map_err(|e| format!("{}: {e}", wheels.display()))?
            .flatten()
            .map(|file| file.path())
            .find(|path| path.extension().is_some_and(|e| e == "whl"))
            .ok_or("pip made no wheel")?;
        for version in versions {
            let place = installed.join(version);
            clear(&place)?;
            run(with(&pip, version)?
                .args(["install", "--no-deps", "--target"])
                .arg(&place)
                .arg(&wheel))?;
        }
    }
    Ok(target().join("python"))
}

/// Returns a command that runs pip for an interpreter without a pip of its own.
fn with(pip: &Path, version: &str) -> Result<Command, String> {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", pip).args([
        "-m",
        "pip",
        "--quiet",
        "--disable-pip-version-check",
        "--python",
    ]);
    command.arg(interpreter(version)?);
    Ok(command)
}

fn clear(folder: &Path) -> Done {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))
}
