//! Runs `assemble.py`, which makes an interpreter out of PyPI and Debian packages.
//!
//! The recipe is a Python script because most of it is Python's own business (unpacking wheels,
//! rewriting `_sysconfigdata`), and a machine with pip has a Python. This side finds that Python,
//! passes on what the script says, and holds its standard input open: when this process is gone,
//! however it went, the script reads the end of it, stops its tools and clears away what it made.

use crate::child::last_line;
use crate::find::find;
use crate::install::Job;
use crate::{Error, Implementation, Spec};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

const SCRIPT: &str = include_str!("assemble.py");

/// What there is a recipe for: PyPI has no core for 3.13t.
pub(crate) const RECIPES: [&str; 5] = ["3.13", "3.14", "3.14t", "3.15", "3.15t"];

/// The minor version of the newest recipe.
const NEWEST: u8 = 15;

/// Whether there is a recipe for this name.
pub(crate) fn knows(name: &str) -> bool {
    RECIPES.contains(&name)
}

/// Returns what `ungil pythons install` is to be given to get what was asked for, and whether that
/// needs uv. `None` where it is not known to work: a version newer than the recipes may not exist.
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
    if knows(&name) {
        return Some((name, false));
    }
    // Free-threaded builds begin with 3.13.
    let oldest = if *free_threaded { 13 } else { 8 };
    (*major == Some(3) && (oldest..=NEWEST).contains(&minor)).then_some((name, true))
}

/// Runs the recipe in the staging folder and says where the interpreter is there.
pub(crate) fn install(job: &Job, say: &mut dyn FnMut(&str)) -> Result<PathBuf, Error> {
    let failed = |why: String, help: &str| Error::Assemble {
        spec: job.name.to_owned(),
        why,
        help: help.to_owned(),
    };
    let python = python(job).ok_or_else(|| {
        failed(
            "it takes a Python 3.9 or newer, and there is none".to_owned(),
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
        failed(error.to_string(), "take the directory with a colon off the search path")
    })?;
    let mut child = Command::new(&python)
        .args(["-B", "-E"])
        .arg(&script)
        .arg(job.name)
        .args([&made, &job.target, job.staging.path()])
        .env("PATH", path) // what the search finds is what the script finds
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
    // `child` still holds the other end of its standard input, and `wait` would close it: only now,
    // when it is done.
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
        "" => format!("the recipe ended with {status}: {}", last_line(&errors)),
        why => why.to_owned(),
    };
    let help = if help.is_empty() { "try again, or install uv" } else { help };
    Err(failed(why, help))
}

/// A Python to run the recipe with: the one on the search path, or any other that is new enough.
fn python(job: &Job) -> Option<PathBuf> {
    let suits = |path: &PathBuf| {
        crate::inspect(path, crate::Origin::Path).is_ok_and(|found| {
            found.implementation == Implementation::CPython && found.version.series() >= (3, 9)
        })
    };
    let first =
        ["python3", "python"].iter().filter_map(|name| job.search.command(name)).find(suits);
    first.or_else(|| find(job.search).into_iter().map(|found| found.executable).find(suits))
}
