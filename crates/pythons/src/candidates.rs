//! Collects files that may be interpreters, without running them.
//!
//! The same interpreter has many names (`python`, `python3`, `python3.14`, `/bin` and `/usr/bin`, a
//! link in `~/.local/bin`), and starting one takes tens of milliseconds, so duplicates are removed
//! before anything runs. Folders with a known origin come before `$PATH`, which often lists the
//! same files again.

use crate::find::Rejected;
use crate::inspect::is_executable;
use crate::probe::venv_of;
use crate::{Origin, Search};
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A file that may be an interpreter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) path: PathBuf,
    pub(crate) origin: Origin,
}

/// Returns every file to probe, without duplicates, best origin first; and files that look like
/// interpreters but cannot be run.
pub(crate) fn candidates(search: &Search) -> (Vec<Candidate>, Vec<Rejected>) {
    let mut found = Collector::default();
    for entry in &search.environment {
        found.add_entry(entry);
    }
    found.add_prefixes(&search.own, Origin::Ungil);
    for dir in &search.uv {
        found.add_prefixes(dir, Origin::Uv);
    }
    let mut pyenv = search.pyenv.clone();
    pyenv.extend(search.path.iter().filter_map(|dir| pyenv_root_of_shims(dir)));
    for root in &pyenv {
        found.add_prefixes(&root.join("versions"), Origin::Pyenv);
    }
    for prefix in &search.conda {
        found.add_bin(&prefix.join("bin"), Origin::Conda);
        found.add_prefixes(&prefix.join("envs"), Origin::Conda);
    }
    if let Some(bin) = &search.debian {
        found.add_bin(bin, Origin::Debian);
    }
    for dir in search.path.iter().filter(|dir| pyenv_root_of_shims(dir).is_none()) {
        found.add_bin(dir, Origin::SearchPath);
    }
    (found.candidates, found.rejected)
}

#[derive(Default)]
struct Collector {
    candidates: Vec<Candidate>,
    rejected: Vec<Rejected>,
    /// Index in `candidates` by the resolved file and the virtual environment.
    known: HashMap<(PathBuf, Option<PathBuf>), usize>,
}

impl Collector {
    /// Adds an entry of `$UNGIL_PYTHONS`. It was named explicitly, so a missing one is reported.
    fn add_entry(&mut self, entry: &Path) {
        let Ok(entry) = std::path::absolute(entry) else { return };
        if entry.is_dir() {
            self.add_bin(&entry.join("bin"), Origin::Environment);
            self.add_bin(&entry, Origin::Environment);
            self.add_prefixes(&entry, Origin::Environment);
        } else if entry.exists() {
            self.add(&entry, Origin::Environment);
        } else {
            self.reject(&entry, "no such file or directory");
        }
    }

    /// Adds a folder of installations: `DIR/NAME/bin/python*`. A name that begins with a dot is an
    /// unfinished installation.
    fn add_prefixes(&mut self, dir: &Path, origin: Origin) {
        for prefix in sorted_entries(dir) {
            let hidden =
                prefix.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden && prefix.is_dir() {
                self.add_bin(&prefix.join("bin"), origin);
            }
        }
    }

    fn add_bin(&mut self, dir: &Path, origin: Origin) {
        for file in sorted_entries(dir) {
            if file.file_name().and_then(|name| name.to_str()).is_some_and(is_python_name) {
                self.add(&file, origin);
            }
        }
    }

    fn add(&mut self, file: &Path, origin: Origin) {
        let Ok(real) = file.canonicalize() else {
            return self.reject(file, "broken link");
        };
        if real.is_dir() {
            return;
        }
        if !is_executable(&real) {
            return self.reject(file, "not executable");
        }
        let candidate = Candidate { path: file.to_owned(), origin };
        match self.known.get(&(real.clone(), venv_of(file))) {
            Some(&at) => {
                let before = &mut self.candidates[at];
                // The longer name is kept: python3.14 means the same after an upgrade of python3.
                let longer = before.path.parent() == file.parent()
                    && name_length(file) > name_length(&before.path);
                if longer {
                    before.path = candidate.path;
                }
            }
            None => {
                self.known.insert((real, venv_of(file)), self.candidates.len());
                self.candidates.push(candidate);
            }
        }
    }

    fn reject(&mut self, path: &Path, why: &str) {
        self.rejected.push(Rejected { path: path.to_owned(), why: why.to_owned() });
    }
}

fn name_length(path: &Path) -> usize {
    path.file_name().map_or(0, |name| name.len())
}

/// Returns a folder's entries sorted by name, so that results are reproducible.
fn sorted_entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

/// Returns whether a file name is that of an interpreter: `python`, `python3.14t`, `pypy3.11` or
/// `graalpy`, but not `python3-config`, `pythonw` or `python-argcomplete`.
fn is_python_name(name: &str) -> bool {
    ["python", "pypy", "graalpy"].iter().filter_map(|stem| name.strip_prefix(stem)).any(|rest| {
        let version = rest.trim_end_matches(['t', 'd']);
        version.chars().all(|c| c.is_ascii_digit() || c == '.')
            && rest.len() - version.len() <= 2
            && (rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_digit()))
    })
}

/// Returns the pyenv root if this directory of `$PATH` holds pyenv's shims. A shim is a script that
/// looks up, at every start, which version the working directory selects; it fails for all others.
pub(crate) fn pyenv_root_of_shims(dir: &Path) -> Option<PathBuf> {
    if dir.file_name()? != "shims" {
        return None;
    }
    let root = dir.parent()?;
    if root.join("versions").is_dir() {
        return Some(root.to_owned());
    }
    let mut head = String::new();
    let shim = sorted_entries(dir)
        .into_iter()
        .find(|file| file.file_name().is_some_and(|n| n == "python"))?;
    std::fs::File::open(shim).ok()?.take(4096).read_to_string(&mut head).ok()?;
    let line = head.lines().find_map(|line| line.trim().strip_prefix("export PYENV_ROOT="))?;
    Some(PathBuf::from(line.trim_matches('"')))
}

#[cfg(test)]
mod tests {
    use super::is_python_name;

    #[test]
    fn recognizes_interpreter_names() {
        for yes in [
            "python",
            "python3",
            "python3.14",
            "python3.14t",
            "python3.14td",
            "pypy3.11",
            "graalpy",
            "python2.7",
        ] {
            assert!(is_python_name(yes), "{yes}");
        }
        for no in [
            "python3-config",
            "pythonw",
            "python3.14-gdb.py",
            "pypy3clean",
            "pytho",
            "ipython",
            "pythont",
            "python3.14ttt",
        ] {
            assert!(!is_python_name(no), "{no}");
        }
    }
}
