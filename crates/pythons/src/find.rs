//! Every interpreter of this machine, best first.
//!
//! Each candidate is asked by running it, a few at a time: one that hangs costs its time limit
//! once, beside the others and not before them. What could not be used is named with the reason,
//! never dropped in silence.

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

/// More would make the probes fight for the cores they are timed on; one that hangs takes up one of
/// them.
const AT_ONCE: usize = 4;

/// A file that looked like an interpreter and is of no use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Survey {
    /// What runs, best first.
    pub interpreters: Vec<Interpreter>,
    /// What does not, with the reason.
    pub rejected: Vec<Rejected>,
    /// Those of them that did not answer within the time limit: on a busy machine they may be what
    /// is asked for.
    #[serde(skip)]
    pub(crate) silent: Vec<Candidate>,
}

/// Every distinct interpreter, best first: CPython before others, releases before pre-releases,
/// newer before older.
pub fn find(search: &Search) -> Vec<Interpreter> {
    survey(search).interpreters
}

/// Every distinct interpreter, and what was passed over.
pub fn survey(search: &Search) -> Survey {
    let (candidates, mut rejected) = candidates(search);
    let mut interpreters = Vec::new();
    let mut known = HashSet::new();
    let mut silent = Vec::new();
    for (candidate, answer) in ask_all(&candidates, search) {
        match answer {
            // In the candidates' order: of a wrapper and what it starts, the better origin stays.
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

type Answer = Result<Interpreter, crate::Error>;

fn ask_all(candidates: &[Candidate], search: &Search) -> Vec<(Candidate, Answer)> {
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(candidates.len()) {
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

/// Smallest first: the order in which interpreters are listed, and in which one is chosen where
/// several would do.
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
