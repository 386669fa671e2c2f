//! From what was typed to one interpreter.
//!
//! A specification means one interpreter or it is an error. It is never quietly widened: `3.14` is
//! never the free-threaded build, and `3.14.2` never 3.14.3.

use crate::find::{Survey, survey};
use crate::inspect::inspect;
use crate::{Error, Implementation, Interpreter, Origin, Search, Spec, assemble};
use std::cell::OnceCell;
use std::path::{Path, PathBuf};

/// The interpreter meant by a version (`3.14`, `3.14t`, `3.14.2t`, `pypy3.11`, `graalpy`), a
/// command on the search path (`python3.14t`), an executable, a venv or a prefix.
///
/// # Errors
/// [`Error::NotFound`] naming what there is, or why the file that was named is no interpreter.
pub fn resolve(spec: &str, search: &Search) -> Result<Interpreter, Error> {
    resolve_one(spec, search, &OnceCell::new())
}

/// As [`resolve`], for several at once: the machine is searched at most one time, however many
/// names there are.
///
/// # Errors
/// As [`resolve`], for the first that fails.
pub fn resolve_all(specs: &[&str], search: &Search) -> Result<Vec<Interpreter>, Error> {
    let found = OnceCell::new();
    specs.iter().map(|spec| resolve_one(spec, search, &found)).collect()
}

/// What the search found, once it was needed.
type Found = OnceCell<Survey>;

fn resolve_one(spec: &str, search: &Search, found: &Found) -> Result<Interpreter, Error> {
    match Spec::parse(spec) {
        Spec::Path(path) => inspect(&at_home(path), Origin::Path),
        Spec::Command(name) => {
            if let Some(file) = search.command(&name) {
                return inspect(&file, Origin::SearchPath);
            }
            match Spec::of_command(&name) {
                Some(version) => best(&version, spec, search, found),
                None if Path::new(&name).exists() => inspect(Path::new(&name), Origin::Path),
                None => {
                    let found = found.get_or_init(|| survey(search));
                    Err(not_found(spec, None, search, &found.interpreters, Vec::new()))
                }
            }
        }
        version => best(&version, spec, search, found),
    }
}

fn best(wanted: &Spec, spec: &str, search: &Search, found: &Found) -> Result<Interpreter, Error> {
    let found = found.get_or_init(|| survey(search));
    if let Some(interpreter) = found.interpreters.iter().find(|i| wanted.matches(i)) {
        return Ok(interpreter.clone());
    }
    // Those that did not answer in the time that a search gives each file are given the time of a
    // file that somebody named.
    let mut silent = Vec::new();
    for one in &found.silent {
        match inspect(&one.path, one.origin) {
            Ok(interpreter) if wanted.matches(&interpreter) => return Ok(interpreter),
            Ok(_) => {}
            Err(_) => silent.push(one.path.clone()),
        }
    }
    Err(not_found(spec, Some(wanted), search, &found.interpreters, silent))
}

/// `silent` are the files that may be what is wanted and did not say what they are.
fn not_found(
    spec: &str,
    wanted: Option<&Spec>,
    search: &Search,
    found: &[Interpreter],
    silent: Vec<PathBuf>,
) -> Error {
    let nearest = wanted.and_then(|wanted| found.iter().min_by_key(|i| distance(wanted, i)));
    let has_uv = search.command("uv").is_some();
    let (install, takes_uv) = wanted
        .and_then(assemble::installable)
        .map_or((None, false), |(name, takes_uv)| (Some(name), takes_uv));
    Error::NotFound {
        spec: spec.to_owned(),
        have: names(found),
        silent: silent.into(),
        nearest: nearest.map(label),
        install,
        needs_uv: takes_uv && !has_uv,
    }
}

/// The version in full: to somebody who asked for 3.14.2, "there is 3.14" would be a riddle.
fn label(interpreter: &Interpreter) -> String {
    let prefix =
        interpreter.name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == 't');
    let t = if interpreter.free_threaded { "t" } else { "" };
    format!("{prefix}{}{t}", interpreter.version)
}

/// What there is, in a few words: each name once, in the order they were found.
pub(crate) fn names(found: &[Interpreter]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for label in found.iter().map(label) {
        if !names.contains(&label) {
            names.push(label);
        }
    }
    names
}

/// How far from what was asked for: the implementation counts most, then the series, the GIL, the
/// rest.
fn distance(wanted: &Spec, i: &Interpreter) -> (bool, u32, bool, u32) {
    let Spec::Version { implementation, major, minor, micro, free_threaded, .. } = wanted else {
        return (true, u32::MAX, true, u32::MAX);
    };
    let apart = |asked: &Option<u8>, is: u8| asked.map_or(0, |asked| u32::from(asked.abs_diff(is)));
    (
        i.implementation != *implementation,
        apart(major, i.version.major) * 1000 + apart(minor, i.version.minor),
        i.free_threaded != *free_threaded,
        apart(micro, i.version.micro),
    )
}

/// `~/venv`, as it arrives where no shell has seen it: in a configuration file, or after a comma.
fn at_home(path: PathBuf) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    }
}

impl Interpreter {
    /// One line that says what this is: `CPython 3.14.2 free-threaded, GCC 14.2.0, PGO+LTO`. What
    /// is not known is not said.
    pub fn describe(&self) -> String {
        let mut line = match self.implementation {
            Implementation::CPython => "CPython".to_owned(),
            Implementation::PyPy => "PyPy".to_owned(),
            Implementation::GraalPy => "GraalPy".to_owned(),
            Implementation::Other => self
                .name
                .trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == 't')
                .to_owned(),
        };
        line.push_str(&format!(" {}", self.version));
        if self.free_threaded {
            line.push_str(" free-threaded");
        }
        let build = &self.build;
        if let Some(compiler) = &build.compiler {
            line.push_str(&format!(", {compiler}"));
        }
        let optimised = match (build.pgo, build.lto) {
            (Some(true), Some(true)) => ", PGO+LTO",
            (Some(true), _) => ", PGO",
            (_, Some(true)) => ", LTO",
            (Some(false), Some(false)) => ", no PGO, no LTO",
            _ => "",
        };
        line.push_str(optimised);
        for (set, word) in [(build.debug, ", debug build"), (build.jit, ", JIT")] {
            if set == Some(true) {
                line.push_str(word);
            }
        }
        line
    }
}
