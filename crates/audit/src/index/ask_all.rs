//! Looks up many projects in the index, a few at a time.

use super::{Available, Installer, WaitLimit, ask};
use crate::target::{Build, Platform};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Maximum number of parallel queries. An answer waits for the network, but the index must not be
/// overloaded, and pip computes for seconds.
const MAX_PARALLEL_QUERIES: usize = 4;

/// What to look up for one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexQuery {
    pub name: String,
    /// The installed or required version; `None` for any.
    pub version: Option<String>,
    /// Also look up the newest version, even if this version has a wheel, because the installed
    /// files are unsuitable.
    pub wants_newest: bool,
}

/// Answer of the index for one project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IndexAnswer {
    pub name: String,
    /// The installed or required version.
    pub version: Option<String>,
    /// Wheels of that version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub this: Option<Available>,
    /// Wheels of the newest version, which is looked up if that version is unsuitable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<Available>,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Installer {
    /// Finds an installer on the PATH: uv, or a Python with pip.
    #[must_use]
    pub fn find() -> Option<Installer> {
        let paths = std::env::var_os("PATH")?;
        let first = |name: &str| -> Option<PathBuf> {
            std::env::split_paths(&paths)
                .map(|folder| folder.join(name))
                .find(|path| path.is_file())
        };
        if let Some(uv) = first("uv") {
            return Some(Installer::Uv(uv));
        }
        let has_pip = |python: &Path| {
            let mut pip = Command::new(python);
            pip.args(["-m", "pip", "--version"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            pip.status().is_ok_and(|status| status.success())
        };
        ["python3", "python"]
            .into_iter()
            .filter_map(first)
            .find(|path| has_pip(path))
            .map(Installer::Pip)
    }
}

/// Runs all queries. The answers are in the same order; those not asked because of a cancellation
/// are `None`.
pub fn ask_all(
    installer: &Installer,
    queries: &[IndexQuery],
    (build, platform): (Build, Platform),
    wait: WaitLimit,
    progress: &(dyn Fn(usize) + Sync),
) -> Vec<Option<IndexAnswer>> {
    let answers: Vec<Mutex<Option<IndexAnswer>>> =
        queries.iter().map(|_| Mutex::new(None)).collect();
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..MAX_PARALLEL_QUERIES.min(queries.len()) {
            scope.spawn(|| {
                while !(wait.is_cancelled)() {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(query), Some(slot)) = (queries.get(at), answers.get(at)) else {
                        break;
                    };
                    let answer = one(installer, query, build, platform, wait);
                    if let Ok(mut slot) = slot.lock() {
                        *slot = Some(answer);
                    }
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                }
            });
        }
    });
    answers.into_iter().map(|slot| slot.into_inner().unwrap_or(None)).collect()
}

fn one(
    installer: &Installer,
    query: &IndexQuery,
    build: Build,
    platform: Platform,
    wait: WaitLimit,
) -> IndexAnswer {
    let ask = |version| ask(installer, &query.name, version, build, platform, wait);
    let (name, version) = (query.name.clone(), query.version.clone());
    let mut answer = IndexAnswer { name, version, this: None, newest: None, error: None };
    if let Some(version) = &query.version {
        match ask(Some(version)) {
            Ok(this) => answer.this = Some(this),
            Err(error) => answer.error = Some(error.to_string()),
        }
    }
    if query.wants_newest || answer.this.as_ref().is_none_or(|this| this.wheel.is_none()) {
        match ask(None) {
            Ok(newest) => answer.newest = Some(newest),
            Err(error) => answer.error = answer.error.or_else(|| Some(error.to_string())),
        }
    }
    answer
}
