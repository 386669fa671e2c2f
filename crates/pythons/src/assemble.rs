//! Runs `assemble.py`, which assembles an interpreter from PyPI and Debian packages.
//!
//! The recipe is a Python script because most of it uses Python's own formats (wheels,
//! `_sysconfigdata`). This module finds a Python to run it, forwards its progress, and holds its
//! standard input open: if this process dies for any reason, the script reads end of file, stops
//! its tools and removes its files.

use crate::child::last_line;
use crate::find::find;
use crate::install::InstallJob;
use crate::{Error, Implementation, Spec};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

const SCRIPT: &str = include_str!("assemble.py");

/// Versions with a recipe. PyPI has no core for 3.13t.
pub(crate) const RECIPES: [&str; 5] = ["3.13", "3.14", "3.14t", "3.15", "3.15t"];

/// The minor version of the newest recipe.
const NEWEST: u8 = 15;

/// Returns whether there is a recipe for a name.
pub(crate) fn has_recipe(name: &str) -> bool {
    RECIPES.contains(&name)
}

/// Returns the argument of `ungil pythons install` that installs the requested interpreter, and
/// whether that needs uv. `None` if it is not known to work: a version newer than the recipes may
/// not exist.
pub(crate) fn installable(wanted: &Spec) -> Option<(String, bool)> {
    let Spec::Version {
        implementation: Implementation::CPython, major, minor, free_threaded, ..
    } = wanted
    else {
        return None;
    };
    let Some(minor) = *minor else {
        return Some((if *free_threaded { "3.14t" } else { "3.14" }.to_owned(), false));
    };
    let name = wanted.to_string();
    if has_recipe(&name) {
        return Some((name, false));
    }
    // Free-threaded builds exist from 3.13 on.
    let oldest = if *free_threaded { 13 } else { 8 };
    (*major == Some(3) && (oldest..=NEWEST).contains(&minor)).then_some((name, true))
}

/// Runs the recipe in the staging folder and returns the interpreter's prefix in it.
pub(crate) fn install(job: &InstallJob, say: &mut dyn FnMut(&str)) -> Result<PathBuf, Error> {
    let failed = |why: String, help: &str| Error::Assemble {
        spec: job.name.to_owned(),
        why,
        help: help.to_owned(),
    };
    let python = python(job).ok_or_else(|| {
        failed(
            "assembling needs Python 3.9 or newer, and none was found".to_owned(),
            "apt-get install python3 python3-pip",
        )
    })?;
    let folder = |path: &PathBuf, source| Error::Folder { path: path.clone(), source };
    let script = job.staging.path().join("assemble.py");
    fs::write(&script, SCRIPT).map_err(|source| folder(&script, source))?;
    let made = job.staging.path().join("made");
    let unstarted = |error: std::io::Error| {
        failed(format!("{}: {error}", python.display()), "check that Python")
    };
    let path = std::env::join_paths(&job.search.path).map_err(|error| {
        failed(error.to_string(), "remove the directory with a colon from $PATH")
    })?;
    let mut child = Command::new(&python)
        .args(["-B", "-E"])
        .arg(&script)
        .arg(job.name)
        .args([&made, &job.target, job.staging.path()])
        .env("PATH", path) // the script finds the same tools as `Search::command`
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(unstarted)?;
    let stderr = child.stderr.take();
    let errors = thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = stderr.read_to_end(&mut bytes);
        }
        bytes
    });
    let mut failure = None;
    for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
        let Ok(line) = line else { break };
        match line.split_once(' ') {
            Some(("step", text)) => say(&format!("{}: {text}", job.name)),
            Some(("fail", text)) => failure = Some(text.to_owned()),
            _ => {}
        }
    }
    // `wait` closes the script's standard input, so it is called only once the script has closed
    // its output.
    let status = child.wait().map_err(unstarted)?;
    let errors = errors.join().unwrap_or_default();
    if status.success() {
        return Ok(made);
    }
    let (why, help) = match &failure {
        Some(text) => text.split_once('\t').unwrap_or((text, "")),
        None => ("", ""),
    };
    let why = match why {
        "" => format!("the script ended with {status}: {}", last_line(&errors)),
        why => why.to_owned(),
    };
    let help = if help.is_empty() { "try again, or install uv" } else { help };
    Err(failed(why, help))
}

/// Returns a Python to run the recipe with: the one on the search path, or any other that is new
/// enough.
fn python(job: &InstallJob) -> Option<PathBuf> {
    let suits = |path: &PathBuf| {
        crate::inspect(path, crate::Origin::Path).is_ok_and(|found| {
            found.implementation == Implementation::CPython && found.version.series() >= (3, 9)
        })
    };
    let first =
        ["python3", "python"].iter().filter_map(|name| job.search.command(name)).find(suits);
    first.or_else(|| find(job.search).into_iter().map(|found| found.executable).find(suits))
}
