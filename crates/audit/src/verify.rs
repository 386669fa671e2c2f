//! What really happens: each module is imported in an interpreter of its own, one by one, and the
//! GIL is looked at before and after.
//!
//! The only part of the room that runs anything of what is audited, and only when asked to. A child
//! has a time limit and gets no input; what it prints is thrown away. It says what it saw in a
//! file: a pipe would stay open in whatever a module starts.

use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const CHILD: &str = include_str!("verify/child.py");
/// Bytes of a report that are read.
const MAX_REPORT_BYTES: u64 = 1 << 16;
/// How often a child is looked after.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A module to import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleToImport {
    /// Its dotted name.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
}

/// What importing a module did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportOutcome {
    /// Whether the module itself switched the GIL on; `None` where it could not be seen.
    pub switched_on: Option<bool>,
    /// Modules that its import brought along and that switched it on first.
    pub others: Vec<String>,
    /// Why it could not be imported, or could not be seen.
    pub error: Option<String>,
}

/// What a child says.
#[derive(Debug, Deserialize)]
struct ChildReport {
    supported: bool,
    own: Option<bool>,
    others: Vec<String>,
    error: Option<String>,
}

/// Imports modules.
#[derive(Debug, Clone)]
pub struct Verifier<'a> {
    /// The interpreter: a free-threaded one, or there is nothing to see.
    pub python: &'a Path,
    /// Folders to import from, before its own.
    pub folders: &'a [PathBuf],
    /// The longest a module may take.
    pub limit: Duration,
    /// Children at the same time.
    pub jobs: usize,
}

impl Verifier<'_> {
    /// Imports each of the modules; the outcomes are in their order. `is_cancelled` ends it early: what
    /// has not been imported by then has no outcome. `progress` is given the number that is done.
    pub fn run(
        &self,
        modules: &[ModuleToImport],
        is_cancelled: &(dyn Fn() -> bool + Sync),
        progress: &(dyn Fn(usize) + Sync),
    ) -> Vec<Option<ImportOutcome>> {
        let outcomes = Mutex::new(vec![None; modules.len()]);
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        // Compiled sources go from one child to the next and away with the last: nothing is written
        // to what is audited.
        let cache = tempfile::tempdir().ok();
        let cache = cache.as_ref().map(tempfile::TempDir::path);
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.clamp(1, modules.len().max(1)) {
                scope.spawn(|| {
                    while let Some(module) = modules.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let Some(outcome) = self.one(module, cache, is_cancelled) else { break };
                        let at = modules.iter().position(|other| std::ptr::eq(other, module));
                        if let (Ok(mut outcomes), Some(at)) = (outcomes.lock(), at) {
                            outcomes[at] = Some(outcome);
                        }
                        progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                    }
                });
            }
        });
        outcomes.into_inner().unwrap_or_default()
    }

    /// One module: with all that its import brings along and, where that hides what it does itself,
    /// alone.
    fn one(
        &self,
        module: &ModuleToImport,
        cache: Option<&Path>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Option<ImportOutcome> {
        let whole = self.import(module, false, cache, is_cancelled)?;
        if whole.switched_on.is_some() {
            return Some(whole);
        }
        let alone = self.import(module, true, cache, is_cancelled)?;
        Some(ImportOutcome {
            switched_on: alone.switched_on,
            others: whole.others,
            error: if alone.switched_on.is_some() { None } else { whole.error.or(alone.error) },
        })
    }

    fn import(
        &self,
        module: &ModuleToImport,
        alone: bool,
        cache: Option<&Path>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Option<ImportOutcome> {
        let failed = |error: String| ImportOutcome {
            switched_on: None,
            others: Vec::new(),
            error: Some(error),
        };
        let report = match tempfile::NamedTempFile::new() {
            Ok(file) => file,
            Err(error) => {
                return Some(failed(format!("there is no place for its report: {error}")));
            }
        };
        let mut command = Command::new(self.python);
        command.args(["-P", "-c", CHILD]).arg(report.path()).arg(&module.name).arg(&module.file);
        command.arg(if alone { "alone" } else { "whole" }).args(self.folders);
        command.env_remove("PYTHON_GIL");
        match cache {
            Some(cache) => {
                command.env("PYTHONPYCACHEPREFIX", cache).env_remove("PYTHONDONTWRITEBYTECODE");
            }
            None => {
                command.env("PYTHONDONTWRITEBYTECODE", "1");
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                return Some(failed(format!("{} cannot be run: {error}", self.python.display())));
            }
        };
        let Some(status) = self.wait(&mut child, is_cancelled) else {
            let _ = child.kill();
            let _ = child.wait();
            return (!is_cancelled()).then(|| {
                failed(format!("its import took longer than {:.0} s", self.limit.as_secs_f64()))
            });
        };
        let mut text = String::new();
        let read = File::open(report.path())
            .and_then(|file| file.take(MAX_REPORT_BYTES).read_to_string(&mut text));
        let said = read.ok().and_then(|_| serde_json::from_str::<ChildReport>(&text).ok());
        Some(match said {
            None => failed(format!("the interpreter died while it imported it ({status})")),
            Some(said) if !said.supported => {
                failed("this interpreter has no way to run without the GIL".into())
            }
            Some(said) => {
                ImportOutcome { switched_on: said.own, others: said.others, error: said.error }
            }
        })
    }

    fn wait(
        &self,
        child: &mut Child,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Option<std::process::ExitStatus> {
        let begin = Instant::now();
        while begin.elapsed() < self.limit && !is_cancelled() {
            match child.try_wait() {
                Ok(None) => std::thread::sleep(POLL_INTERVAL),
                ended => return ended.ok().flatten(),
            }
        }
        None
    }
}
