//! Installs an interpreter with uv.
//!
//! uv's builds are the best pairs available (one builder, PGO and LTO, GIL and free-threaded), so
//! uv is tried first. uv writes its installation folder into the build variables; that is the
//! staging folder here, so the files are rewritten before the rename.

use crate::child::last_line;
use crate::install::InstallJob;
use crate::lock::InstallLock;
use crate::{Error, Origin, Spec, inspect};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Maximum size of a text file that is searched for the prefix. No text file is larger, and this
/// avoids reading large libraries.
const MAX_TEXT_SIZE: u64 = 4 * 1024 * 1024;

/// Runs `uv python install` in the staging folder and returns the interpreter's prefix in it.
pub(crate) fn install(
    uv: &Path,
    job: &InstallJob,
    lock: &InstallLock,
    say: &mut dyn FnMut(&str),
) -> Result<PathBuf, Error> {
    let failed = |why: String| Error::Uv { spec: job.name.to_owned(), why };
    let dir = job.staging.path().join("uv");
    say(&format!("{}: downloading with uv", job.name));
    // uv gets the lock as its standard input: if this process is killed, uv continues, and until it
    // ends no other installation may remove the folder it writes to.
    let lock = lock.for_child().map_err(|error| failed(error.to_string()))?;
    let output = Command::new(uv)
        .args(["--no-progress", "python", "install", "--install-dir"])
        .arg(&dir)
        .arg(job.name)
        .env("UV_PYTHON_INSTALL_BIN", "0") // no link in ~/.local/bin
        .stdin(Stdio::from(lock))
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let message = last_line(&output.stderr);
        let message = message.trim_start_matches("error: ").trim_start_matches("cause: ");
        return Err(failed(match message {
            "" => output.status.to_string(),
            message => message.to_owned(),
        }));
    }
    let wanted = Spec::parse(job.name);
    let made = prefixes(&dir)
        .into_iter()
        .find(|prefix| inspect(prefix, Origin::Ungil).is_ok_and(|found| wanted.matches(&found)))
        .ok_or_else(|| failed("uv succeeded without installing the interpreter".to_owned()))?;
    relocate(&made, &made, &job.target).map_err(|error| failed(error.to_string()))?;
    Ok(made)
}

/// Returns uv's installations, without the links that uv creates to them.
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
        let metadata = entry.metadata()?; // does not follow links
        if metadata.is_dir() {
            relocate(&entry.path(), from, to)?;
        } else if metadata.is_file() && metadata.len() <= MAX_TEXT_SIZE {
            // Binary files are skipped: their length must not change.
            let Ok(text) = String::from_utf8(fs::read(entry.path())?) else { continue };
            if text.contains(old) && !text.contains('\0') {
                fs::write(entry.path(), text.replace(old, new))?;
            }
        }
    }
    Ok(())
}
