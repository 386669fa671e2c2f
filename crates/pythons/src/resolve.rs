//! Resolves a specification to one interpreter.
//!
//! A specification is never silently widened: `3.14` never resolves to the free-threaded build, nor
//! `3.14.2` to 3.14.3.

use crate::find::{Survey, survey};
use crate::inspect::inspect;
use crate::{Error, Implementation, Interpreter, Origin, Search, Spec, assemble};
use std::cell::OnceCell;
use std::path::{Path, PathBuf};

/// Returns the interpreter for a version (`3.14`, `3.14t`, `3.14.2t`, `pypy3.11`, `graalpy`), a
/// command on the search path (`python3.14t`), an executable, a virtual environment or a prefix.
///
/// # Errors
/// [`Error::NotFound`] with the interpreters there are, or the reason why the given file is not an
/// interpreter.
pub fn resolve(spec: &str, search: &Search) -> Result<Interpreter, Error> {
    resolve_one(spec, search, &OnceCell::new())
}

/// Resolves several specifications like [`resolve`], with at most one search of the machine.
///
/// # Errors
/// The error of the first specification that fails, as in [`resolve`].
pub fn resolve_all(specs: &[&str], search: &Search) -> Result<Vec<Interpreter>, Error> {
    let found = OnceCell::new();
    specs.iter().map(|spec| resolve_one(spec, search, &found)).collect()
}

/// The result of the search, which runs when it is first needed.
type LazySurvey = OnceCell<Survey>;

fn resolve_one(spec: &str, search: &Search, found: &LazySurvey) -> Result<Interpreter, Error> {
    match Spec::parse(spec) {
        Spec::Path(path) => inspect(&expand_home(path), Origin::Path),
        Spec::Command(name) => {
            if let Some(file) = search.command(&name) {
                return inspect(&file, Origin::SearchPath);
            }
            match Spec::of_command(&name) {
                Some(version) => find_best(&version, spec, search, found),
                None if Path::new(&name).exists() => inspect(Path::new(&name), Origin::Path),
                None => {
                    let found = found.get_or_init(|| survey(search));
                    Err(not_found(spec, None, search, &found.interpreters, Vec::new()))
                }
            }
        }
        version => find_best(&version, spec, search, found),
    }
}

fn find_best(
    wanted: &Spec,
    spec: &str,
    search: &Search,
    found: &LazySurvey,
) -> Result<Interpreter, Error> {
    let found = found.get_or_init(|| survey(search));
    if let Some(interpreter) = found.interpreters.iter().find(|i| wanted.matches(i)) {
        return Ok(interpreter.clone());
    }
    // Retry candidates that timed out, with the longer limit of an explicitly given path.
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

/// Returns the error for a specification without a match. `silent` are the candidates that did not
/// answer in time.
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

/// Returns an interpreter's name with its full version, so that it can be told from another micro
/// version.
fn label(interpreter: &Interpreter) -> String {
    let prefix =
        interpreter.name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == 't');
    let t = if interpreter.free_threaded { "t" } else { "" };
    format!("{prefix}{}{t}", interpreter.version)
}

/// Returns the names of all interpreters without duplicates, in the order they were found.
pub(crate) fn names(found: &[Interpreter]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for label in found.iter().map(label) {
        if !names.contains(&label) {
            names.push(label);
        }
    }
    names
}

/// Returns how different an interpreter is from the requested one: by implementation, then series,
/// GIL and micro version.
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

/// Expands `~` in a path that no shell has expanded, for example after a comma.
fn expand_home(path: PathBuf) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    }
}

impl Interpreter {
    /// Describes the interpreter in one line: `CPython 3.14.2 free-threaded, GCC 14.2.0, PGO+LTO`.
    /// What is unknown is left out.
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
