//! Paths of the project, and running commands.

use crate::Done;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Returns cargo's target folder.
pub(crate) fn target() -> PathBuf {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    if target.is_absolute() { target } else { root().join(target) }
}

/// Returns the folder where ungil installs things: `$UNGIL_HOME`, or `ungil` in the user's data
/// folder.
pub(crate) fn home() -> Result<PathBuf, String> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(home) = set("UNGIL_HOME") {
        return Ok(home);
    }
    let data = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
    Ok(data.ok_or("HOME is not set, and neither is UNGIL_HOME")?.join("ungil"))
}

/// Returns the cargo that runs this program.
pub(crate) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Returns whether a program is on the search path.
pub(crate) fn on_path(program: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

/// Runs a command and waits for it; an error names the command.
pub(crate) fn run(command: &mut Command) -> Done {
    let status = command.status();
    let shown = || {
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        format!("{} {}", command.get_program().display(), words.join(" "))
    };
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{}: {status}", shown())),
        Err(error) => Err(format!("{}: {error}", shown())),
    }
}
