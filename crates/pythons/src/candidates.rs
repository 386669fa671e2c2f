//! Which files may be interpreters: from folders to paths, nothing run yet.
//!
//! The same interpreter is reachable by many names (`python`, `python3`, `python3.14`, `/bin` and
//! `/usr/bin`, a link in `~/.local/bin`), and starting one costs tens of milliseconds, so names are
//! folded together before anything runs. Places that know their origin come before `$PATH`, on
//! which the same files are often found again.

use crate::find::Rejected;
use crate::inspect::is_executable;
use crate::probe::venv_of;
use crate::{Origin, Search};
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A file worth running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) path: PathBuf,
    pub(crate) origin: Origin,
}

/// Every file worth running, once each, best origin first; and what was named or looks like one and
/// cannot be.
pub(crate) fn candidates(search: &Search) -> (Vec<Candidate>, Vec<Rejected>) {
    let mut found = Collector::default();
    for entry in &search.environment {
        found.entry(entry);
    }
    found.prefixes_in(&search.own, Origin::Ungil);
    for dir in &search.uv {
        found.prefixes_in(dir, Origin::Uv);
    }
    let mut pyenv = search.pyenv.clone();
    pyenv.extend(search.path.iter().filter_map(|dir| root_of_shims(dir)));
    for root in &pyenv {
        found.prefixes_in(&root.join("versions"), Origin::Pyenv);
    }
    for prefix in &search.conda {
        found.bin(&prefix.join("bin"), Origin::Conda);
        found.prefixes_in(&prefix.join("envs"), Origin::Conda);
    }
    if let Some(bin) = &search.debian {
        found.bin(bin, Origin::Debian);
    }
    for dir in search.path.iter().filter(|dir| root_of_shims(dir).is_none()) {
        found.bin(dir, Origin::SearchPath);
    }
    (found.candidates, found.rejected)
}

#[derive(Default)]
struct Collector {
    candidates: Vec<Candidate>,
    rejected: Vec<Rejected>,
    /// By the file behind the links and the venv, the place in `candidates`.
    known: HashMap<(PathBuf, Option<PathBuf>), usize>,
}

impl Collector {
    /// An entry of `$UNGIL_PYTHONS`. Somebody wrote it down, so it is said if there is nothing.
    fn entry(&mut self, entry: &Path) {
        let Ok(entry) = std::path::absolute(entry) else { return };
        if entry.is_dir() {
            self.bin(&entry.join("bin"), Origin::Environment);
            self.bin(&entry, Origin::Environment);
            self.prefixes_in(&entry, Origin::Environment);
        } else if entry.exists() {
            self.add(&entry, Origin::Environment);
        } else {
            self.reject(&entry, "no such file or directory");
        }
    }

    /// A folder of installations: `DIR/NAME/bin/python*`. A name with a dot before it is an
    /// installation under way.
    fn prefixes_in(&mut self, dir: &Path, origin: Origin) {
        for prefix in sorted_entries(dir) {
            let hidden =
                prefix.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden && prefix.is_dir() {
                self.bin(&prefix.join("bin"), origin);
            }
        }
    }

    fn bin(&mut self, dir: &Path, origin: Origin) {
        for file in sorted_entries(dir) {
            if file.file_name().and_then(|name| name.to_str()).is_some_and(is_python_name) {
                self.add(&file, origin);
            }
        }
    }

    fn add(&mut self, file: &Path, origin: Origin) {
        let Ok(real) = file.canonicalize() else {
            return self.reject(file, "a link that leads nowhere");
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
                // python3.14 still means the same after an upgrade of python3; so the fuller name
                // stands for both.
                let fuller = before.path.parent() == file.parent()
                    && name_length(file) > name_length(&before.path);
                if fuller {
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

/// In order of name, so that two looks at the same folders give the same answer.
fn sorted_entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

/// `python`, `python3`, `python3.14t`, `pypy3.11`, `graalpy`: not `python3-config`, `pythonw` or
/// `python-argcomplete`.
fn is_python_name(name: &str) -> bool {
    ["python", "pypy", "graalpy"].iter().filter_map(|stem| name.strip_prefix(stem)).any(|rest| {
        let version = rest.trim_end_matches(['t', 'd']);
        version.chars().all(|c| c.is_ascii_digit() || c == '.')
            && rest.len() - version.len() <= 2
            && (rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_digit()))
    })
}

/// The pyenv root whose shims this directory of `$PATH` holds. A shim is a script that looks up, at
/// every start, which version the working directory wants: no interpreter, and it fails for all but
/// one of its names.
pub(crate) fn root_of_shims(dir: &Path) -> Option<PathBuf> {
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
    fn names() {
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
