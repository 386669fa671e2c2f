//! Finds every interpreter of this machine, best first.
//!
//! Each candidate is identified by running it. A few run at a time, so that one that hangs does not
//! delay the others. Candidates that cannot be used are returned with the reason.

use crate::candidates::{Candidate, candidates};
use crate::probe::probe;
use crate::{Interpreter, Search};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Probes that run at the same time. More would compete for cores while their time limits run.
const MAX_PROBES: usize = 4;

/// A file that looked like an interpreter and cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    pub path: PathBuf,
    /// The reason.
    pub why: String,
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Survey {
    /// Usable interpreters, best first.
    pub interpreters: Vec<Interpreter>,
    /// Files that cannot be used.
    pub rejected: Vec<Rejected>,
    /// Rejected files that did not answer within the time limit. On a busy machine they may be the
    /// interpreter that is wanted.
    #[serde(skip)]
    pub(crate) silent: Vec<Candidate>,
}

/// Returns every distinct interpreter, best first: CPython before others, releases before
/// pre-releases, newer before older.
pub fn find(search: &Search) -> Vec<Interpreter> {
    survey(search).interpreters
}

/// Returns every distinct interpreter, and the files that were rejected.
pub fn survey(search: &Search) -> Survey {
    let (candidates, mut rejected) = candidates(search);
    let mut interpreters = Vec::new();
    let mut known = HashSet::new();
    let mut silent = Vec::new();
    for (candidate, answer) in probe_all(&candidates, search) {
        match answer {
            // Of duplicates the first candidate is kept, which has the better origin.
            Ok(found) if known.insert((found.real.clone(), found.venv.clone())) => {
                interpreters.push(found)
            }
            Ok(_) => {}
            Err(error) => {
                rejected.push(Rejected { path: candidate.path.clone(), why: error.why() });
                if let crate::Error::TimedOut { .. } = error {
                    silent.push(candidate);
                }
            }
        }
    }
    interpreters.sort_by_key(rank);
    rejected.sort_by(|a, b| a.path.cmp(&b.path));
    Survey { interpreters, rejected, silent }
}

type ProbeResult = Result<Interpreter, crate::Error>;

/// Probes all candidates; returns the answers in the candidates' order.
fn probe_all(candidates: &[Candidate], search: &Search) -> Vec<(Candidate, ProbeResult)> {
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..MAX_PROBES.min(candidates.len()) {
            scope.spawn(|| {
                while let Some((at, candidate)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    candidates.get(at).map(|candidate| (at, candidate))
                } {
                    let answer = probe(&candidate.path, candidate.origin, search.time_limit);
                    let mut answers =
                        answers.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                    answers.push((at, candidate.clone(), answer));
                }
            });
        }
    });
    let mut answers = answers.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    answers.sort_by_key(|(at, ..)| *at);
    answers.into_iter().map(|(_, candidate, answer)| (candidate, answer)).collect()
}

/// Returns the sort key of an interpreter, the best first. Among several that match a request, the
/// first is chosen.
fn rank(i: &Interpreter) -> impl Ord + use<> {
    (
        i.implementation,
        !i.version.is_final(),
        Reverse(i.version.clone()),
        i.free_threaded,
        i.build.debug == Some(true),
        i.venv.is_some(),
        i.origin,
        i.executable.clone(),
    )
}
