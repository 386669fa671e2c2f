//! Saved schedules: a finding that can be shown again.

use crate::event::Pattern;
use crate::finding::{Finding, findings};
use crate::search::{Program, Runner, SearchOptions, StressError, merge};
use crate::source::Sources;
use serde::{Deserialize, Serialize};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

const SCHEMA: &str = "ungil.schedule/1";
/// Runs made at most until the finding shows again.
const MAX_TRIES: u32 = 40;
/// Chances of a pause in 65536, used in turn.
const PAUSE_CHANCES: [u32; 4] = [20_000, 60_000, 3_000, 0];

/// What is needed to show a finding again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Schedule {
    schema: String,
    python: PathBuf,
    arguments: Vec<String>,
    folder: PathBuf,
    seed: u64,
    threads: u32,
    pattern: Pattern,
    places: Vec<(String, i64)>,
}

impl Schedule {
    pub(crate) fn of(program: &Program, threads: u32, finding: &Finding) -> Schedule {
        let (pattern, places) = finding.key();
        let text = |argument: &std::ffi::OsString| argument.to_string_lossy().into_owned();
        Schedule {
            schema: SCHEMA.to_owned(),
            python: program.python.clone(),
            arguments: program.arguments.iter().map(text).collect(),
            folder: std::env::current_dir().unwrap_or_default(),
            seed: finding.seed,
            threads,
            pattern,
            places,
        }
    }

    /// Saves the schedule and returns its token.
    pub(crate) fn save(&self, folder: &Path) -> std::io::Result<String> {
        let text = serde_json::to_string_pretty(self)?;
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let token = format!("{:010x}", hasher.finish() >> 24);
        fs::create_dir_all(folder)?;
        fs::write(folder.join(format!("{token}.json")), text)?;
        Ok(token)
    }

    /// Reads a saved schedule.
    ///
    /// # Errors
    /// The token or file is unknown, or the file is not a schedule.
    pub fn load(token: &str, folder: &Path) -> Result<Schedule, StressError> {
        let path = match Path::new(token) {
            path if path.is_file() => path.to_owned(),
            _ => folder.join(format!("{token}.json")),
        };
        let failed = |why: String| StressError::Schedule(path.clone(), why);
        let text = fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
        let schedule: Schedule =
            serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
        if schedule.schema != SCHEMA {
            return Err(failed(format!("its schema is {}, not {SCHEMA}", schedule.schema)));
        }
        Ok(schedule)
    }

    /// Returns the program that it is for.
    #[must_use]
    pub fn program(&self) -> Program {
        Program {
            python: self.python.clone(),
            arguments: self.arguments.iter().map(Into::into).collect(),
        }
    }
}

/// What a replay showed.
#[derive(Debug)]
pub struct Replay {
    /// The finding, if it showed again.
    pub finding: Option<Finding>,
    /// Runs made.
    pub tries: u32,
}

/// Runs a program until a saved finding shows again.
///
/// # Errors
/// As [`crate::search::search`].
pub fn replay(
    schedule: &Schedule,
    options: &SearchOptions,
    stop: &AtomicBool,
) -> Result<Replay, StressError> {
    std::env::set_current_dir(&schedule.folder)?;
    let program = schedule.program();
    let options = SearchOptions { threads: schedule.threads, ..options.clone() };
    let runner = Runner::new(&program, &options)?;
    let mut sources = Sources::default();
    let chances = PAUSE_CHANCES.into_iter().cycle();
    let mut tries = 0;
    for pause in chances.take(MAX_TRIES as usize) {
        let seed = schedule.seed + u64::from(tries);
        let run = runner.run(seed, pause, tries == 0, stop)?;
        tries += 1;
        let mut found = Vec::new();
        merge(&mut found, findings(&run.events, seed, &mut sources));
        if schedule.pattern == Pattern::Failure {
            let failed = !run.status.is_some_and(|status| status.success());
            found = if failed {
                vec![crate::finding::failure(run.output, "failed again".to_owned(), seed)]
            } else {
                Vec::new()
            };
        }
        let wanted = (schedule.pattern, schedule.places.clone());
        if let Some(finding) = found.into_iter().find(|finding| finding.key() == wanted) {
            return Ok(Replay { finding: Some(finding), tries });
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(Replay { finding: None, tries })
}
