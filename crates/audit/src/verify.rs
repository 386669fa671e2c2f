//! Imports each module in an interpreter of its own and observes the GIL.
//!
//! The only part of this crate that runs audited code, and only on request. A child has a timeout
//! and no input, and its output is discarded. It reports through a file, because a pipe would stay
//! open in processes that a module starts.

use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const CHILD: &str = include_str!("verify/child.py");
/// Maximum number of report bytes that are read.
const MAX_REPORT_BYTES: u64 = 1 << 16;
/// Interval for polling a child.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A module to import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleToImport {
    /// Dotted name.
    pub name: String,
    pub file: PathBuf,
}

/// Effect of importing a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportOutcome {
    /// Whether the module itself enabled the GIL; `None` if that was not observed.
    pub switched_on: Option<bool>,
    /// Modules loaded by its import that enabled the GIL first.
    pub others: Vec<String>,
    /// Why it could not be imported or observed.
    pub error: Option<String>,
}

/// Report of a child.
#[derive(Debug, Deserialize)]
struct ChildReport {
    supported: bool,
    own: Option<bool>,
    others: Vec<String>,
    error: Option<String>,
}

/// Imports modules in child processes.
#[derive(Debug, Clone)]
pub struct Verifier<'a> {
    /// The interpreter; it must be free-threaded.
    pub python: &'a Path,
    /// Folders put before its own `sys.path`.
    pub folders: &'a [PathBuf],
    /// Timeout for one import.
    pub limit: Duration,
    /// Number of parallel children.
    pub jobs: usize,
}

impl Verifier<'_> {
    /// Imports each module. The outcomes are in the same order; a module has none if `is_cancelled`
    /// returned true first. `progress` receives the number of finished modules.
    pub fn run(
        &self,
        modules: &[ModuleToImport],
        is_cancelled: &(dyn Fn() -> bool + Sync),
        progress: &(dyn Fn(usize) + Sync),
    ) -> Vec<Option<ImportOutcome>> {
        let outcomes = Mutex::new(vec![None; modules.len()]);
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        // Compiled sources are shared by the children and deleted at the end, so nothing is written
        // to the audited folders.
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

    /// Imports a module normally and, if that hides its own effect, once more alone.
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
                return Some(failed(format!("cannot create a file for its report: {error}")));
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
                return Some(failed(format!("cannot run {}: {error}", self.python.display())));
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
        let child_report = read.ok().and_then(|_| serde_json::from_str::<ChildReport>(&text).ok());
        Some(match child_report {
            None => failed(format!("the interpreter died during the import ({status})")),
            Some(one) if !one.supported => {
                failed("this interpreter cannot run without the GIL".into())
            }
            Some(one) => {
                ImportOutcome { switched_on: one.own, others: one.others, error: one.error }
            }
        })
    }

    fn wait(
        &self,
        child: &mut Child,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Option<std::process::ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < self.limit && !is_cancelled() {
            match child.try_wait() {
                Ok(None) => std::thread::sleep(POLL_INTERVAL),
                ended => return ended.ok().flatten(),
            }
        }
        None
    }
}
