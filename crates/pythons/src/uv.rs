//! Has uv download an interpreter.
//!
//! uv's builds are the best there are to compare (one builder, PGO and LTO, GIL and free-threaded),
//! so uv goes first. It writes the folder it installs into into the build's variables; here that is
//! the staging folder, so those are rewritten before the rename.

use crate::child::last_line;
use crate::install::Job;
use crate::lock::Held;
use crate::{Error, Origin, Spec, inspect};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Nothing that names its prefix is larger; a library of 50 MiB need not be read to know that it
/// does not.
const LARGEST_TEXT: u64 = 4 * 1024 * 1024;

/// Runs `uv python install` into the staging folder and says where the interpreter is there.
pub(crate) fn install(
    uv: &Path,
    job: &Job,
    held: &Held,
    say: &mut dyn FnMut(&str),
) -> Result<PathBuf, Error> {
    let failed = |why: String| Error::Uv { spec: job.name.to_owned(), why };
    let dir = job.staging.path().join("uv");
    say(&format!("{}: uv is downloading it", job.name));
    // The lock as standard input: should this process be killed, uv goes on, and until it ends no
    // other install may clear away the folder it writes to.
    let lock = held.for_child().map_err(|error| failed(error.to_string()))?;
    let output = Command::new(uv)
        .args(["--no-progress", "python", "install", "--install-dir"])
        .arg(&dir)
        .arg(job.name)
        .env("UV_PYTHON_INSTALL_BIN", "0") // or it would link it into ~/.local/bin
        .stdin(Stdio::from(lock))
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let said = last_line(&output.stderr);
        let said = said.trim_start_matches("error: ").trim_start_matches("cause: ");
        return Err(failed(if said.is_empty() {
            output.status.to_string()
        } else {
            said.to_owned()
        }));
    }
    let wanted = Spec::parse(job.name);
    let made = prefixes(&dir)
        .into_iter()
        .find(|prefix| inspect(prefix, Origin::Ungil).is_ok_and(|found| wanted.matches(&found)))
        .ok_or_else(|| failed("it ended well and left no such interpreter".to_owned()))?;
    relocate(&made, &made, &job.target).map_err(|error| failed(error.to_string()))?;
    Ok(made)
}

/// uv's installations, without the links by which it names them a second time.
fn prefixes(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let real = |path: &PathBuf| path.symlink_metadata().is_ok_and(|m| m.is_dir());
    entries.flatten().map(|entry| entry.path()).filter(real).collect()
}

/// Replaces one prefix by another in every text file below `dir`.
fn relocate(dir: &Path, from: &Path, to: &Path) -> io::Result<()> {
    let (Some(old), Some(new)) = (from.to_str(), to.to_str()) else {
        return Err(io::Error::other("the folder's name is not UTF-8"));
    };
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?; // of the link itself, where it is one
        if metadata.is_dir() {
            relocate(&entry.path(), from, to)?;
        } else if metadata.is_file() && metadata.len() <= LARGEST_TEXT {
            // What is not UTF-8 is no text, and its lengths may not change.
            let Ok(text) = String::from_utf8(fs::read(entry.path())?) else { continue };
            if text.contains(old) && !text.contains('\0') {
                fs::write(entry.path(), text.replace(old, new))?;
            }
        }
    }
    Ok(())
}
