//! Runs a program again and again under the detector, each time with other pauses.

use crate::event::{self, Event};
use crate::finding::{self, Finding, Level};
use crate::replay::Schedule;
use crate::source::Sources;
use std::ffi::OsString;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

const LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ungil_race.so"));
const RUNNER: &str = include_str!("../py/ungil_stress.py");
const TOGETHER: &str = include_str!("../py/ungil_together.py");

/// Chances of a pause in 65536, used in turn. The first run has none, to see the program as it is.
const PAUSE_CHANCES: [u32; 5] = [0, 3_000, 20_000, 1_000, 8_000];
/// Output of a failed run that is kept, in bytes.
const MAX_OUTPUT: u64 = 4096;
/// Time between two looks at a running program.
const POLL: Duration = Duration::from_millis(2);

/// Why the search could not be made.
#[derive(Debug, thiserror::Error)]
pub enum StressError {
    /// Files for the detector cannot be written.
    #[error("cannot write the detector's files: {0}")]
    Files(#[from] std::io::Error),
    /// The interpreter does not start.
    #[error("cannot start {0}: {1}")]
    Start(PathBuf, std::io::Error),
    /// The detector does not run in this interpreter, or with this program.
    #[error("{0}")]
    Refused(String),
    /// There is no such saved schedule.
    #[error("cannot read the schedule {0}: {1}")]
    Schedule(PathBuf, String),
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Program {
    /// A free-threaded interpreter.
    pub python: PathBuf,
    /// The script and its arguments, or `-m`, a module and its arguments.
    pub arguments: Vec<OsString>,
}

/// How to search.
#[derive(Debug, Clone)]
pub struct SearchOptions {
    /// Largest number of runs.
    pub rounds: u32,
    /// Stop after the first run that shows an error or warning.
    pub stops_at_first: bool,
    /// Time after which no further run is started.
    pub budget: Duration,
    /// Time after which a run is ended.
    pub timeout: Duration,
    /// Seed of the first run's pauses; each further run has the next number.
    pub seed: u64,
    /// Threads in which each test of pytest is called at once.
    pub threads: u32,
    /// Paths whose code is looked at although it is the interpreter's own.
    pub include: Vec<String>,
    /// Path prefixes whose code is not looked at.
    pub exclude: Vec<String>,
    /// The program's standard output goes to standard error.
    pub moves_output: bool,
    /// Where schedules are saved.
    pub schedules: PathBuf,
}

/// What a search found.
#[derive(Debug)]
pub struct SearchReport {
    /// Worst first.
    pub findings: Vec<Finding>,
    /// Runs made.
    pub rounds: u32,
    /// Runs that ended with another exit code than 0.
    pub failed: u32,
    /// How the first run ended.
    pub first_status: Option<ExitStatus>,
    pub elapsed: Duration,
    pub interrupted: bool,
}

impl SearchReport {
    /// Returns the number of findings of a level.
    #[must_use]
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }
}

/// One run.
pub(crate) struct Run {
    pub(crate) events: Vec<Event>,
    pub(crate) status: Option<ExitStatus>,
    pub(crate) output: String,
    pub(crate) timed_out: bool,
}

/// The detector's files, and what they are used with.
pub(crate) struct Runner<'a> {
    program: &'a Program,
    options: &'a SearchOptions,
    folder: tempfile::TempDir,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(
        program: &'a Program,
        options: &'a SearchOptions,
    ) -> Result<Self, StressError> {
        let folder = tempfile::Builder::new().prefix("ungil-stress-").tempdir()?;
        fs::write(folder.path().join("ungil_race.so"), LIBRARY)?;
        fs::write(folder.path().join("ungil_stress.py"), RUNNER)?;
        fs::write(folder.path().join("ungil_together.py"), TOGETHER)?;
        Ok(Runner { program, options, folder })
    }

    /// Runs the program once. Its output is shown if `is_shown`, and otherwise kept for a failure.
    pub(crate) fn run(
        &self,
        seed: u64,
        pause: u32,
        is_shown: bool,
        stop: &AtomicBool,
    ) -> Result<Run, StressError> {
        let report = self.folder.path().join("report.jsonl");
        let refusal = self.folder.path().join("refused");
        fs::write(&report, "")?;
        let _ = fs::remove_file(&refusal);
        let mut output = tempfile::tempfile_in(self.folder.path())?;
        let settings = serde_json::json!({
            "library": self.folder.path().join("ungil_race.so"),
            "report": &report,
            "refusal": &refusal,
            "seed": seed,
            "pause": pause,
            "threads": self.options.threads,
            "include": self.options.include,
            "exclude": self.options.exclude,
        });
        let mut command = Command::new(&self.program.python);
        command.arg(self.folder.path().join("ungil_stress.py")).arg(settings.to_string());
        command.args(&self.program.arguments);
        if !is_shown {
            command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
        }
        if is_shown && self.options.moves_output {
            command.stdout(std::io::stderr());
        }
        let mut child = command
            .spawn()
            .map_err(|error| StressError::Start(self.program.python.clone(), error))?;
        let (status, timed_out) = wait(&mut child, self.options.timeout, stop)?;
        if let Ok(why) = fs::read_to_string(&refusal) {
            return Err(StressError::Refused(why));
        }
        let events = event::parse(&fs::read_to_string(&report)?);
        let length = output.seek(SeekFrom::End(0))?;
        output.seek(SeekFrom::Start(length.saturating_sub(MAX_OUTPUT)))?;
        let mut tail = Vec::new();
        output.read_to_end(&mut tail)?;
        Ok(Run { events, status, output: String::from_utf8_lossy(&tail).into_owned(), timed_out })
    }
}

/// Waits for the end of a run; ends it after `timeout`, or if `stop` is set.
fn wait(
    child: &mut Child,
    timeout: Duration,
    stop: &AtomicBool,
) -> Result<(Option<ExitStatus>, bool), StressError> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((Some(status), false));
        }
        let timed_out = began.elapsed() > timeout;
        if timed_out || stop.load(Ordering::Relaxed) {
            child.kill()?;
            child.wait()?;
            return Ok((None, timed_out));
        }
        sleep(POLL);
    }
}

/// Runs the program until the rounds or the time are used up, and returns all that was found.
///
/// # Errors
/// See [`StressError`]. What the program does is never an error.
pub fn search(
    program: &Program,
    options: &SearchOptions,
    stop: &AtomicBool,
) -> Result<SearchReport, StressError> {
    let began = Instant::now();
    let runner = Runner::new(program, options)?;
    let mut sources = Sources::default();
    let mut report = SearchReport {
        findings: Vec::new(),
        rounds: 0,
        failed: 0,
        first_status: None,
        elapsed: Duration::ZERO,
        interrupted: false,
    };
    let mut failure: Option<Finding> = None;
    for (round, pause) in (0..options.rounds).zip(PAUSE_CHANCES.into_iter().cycle()) {
        let is_enough =
            options.stops_at_first && report.findings.iter().any(|f| f.level != Level::Note);
        if is_enough || round != 0 && began.elapsed() >= options.budget {
            break;
        }
        let seed = options.seed + u64::from(round);
        let run = runner.run(seed, pause, round == 0, stop)?;
        if stop.load(Ordering::Relaxed) {
            report.interrupted = true;
        }
        merge(&mut report.findings, finding::findings(&run.events, seed, &mut sources));
        if report.interrupted {
            break;
        }
        report.rounds += 1;
        if round == 0 {
            report.first_status = run.status;
        }
        let succeeded = run.status.is_some_and(|status| status.success());
        if !succeeded {
            report.failed += 1;
            if failure.as_ref().is_none_or(|known| known.output.is_empty()) {
                let how = match run.status {
                    Some(status) => status.to_string(),
                    None if run.timed_out => {
                        format!("still running after {:.0} s", options.timeout.as_secs_f64())
                    }
                    None => "interrupted".to_owned(),
                };
                failure = Some(finding::failure(run.output, how, seed));
            }
        }
    }
    // A program that fails every time fails for another reason than its schedule.
    if report.failed < report.rounds {
        report.findings.extend(failure);
    }
    for finding in &mut report.findings {
        if finding.level != Level::Note {
            let schedule = Schedule::of(program, options.threads, finding);
            finding.token = schedule.save(&options.schedules).ok();
        }
    }
    report.findings.sort_by_key(|finding| std::cmp::Reverse((finding.level, finding.observed)));
    report.elapsed = began.elapsed();
    Ok(report)
}

/// Adds the findings of a run to those of the runs before.
pub(crate) fn merge(all: &mut Vec<Finding>, new: Vec<Finding>) {
    let before = all.len();
    for finding in new {
        let key = finding.key();
        match all.iter_mut().position(|known| known.key() == key) {
            Some(index) => {
                let Some(known) = all.get_mut(index) else { continue };
                known.runs += u32::from(index < before && known.seed != finding.seed);
                if finding.observed && !known.observed {
                    let (runs, seed) = (known.runs, known.seed);
                    *known = Finding { runs, seed, ..finding };
                }
            }
            None => all.push(finding),
        }
    }
}

/// Returns the folder that schedules are saved in.
#[must_use]
pub fn schedules(folder: &Path) -> PathBuf {
    folder.join(".ungil").join("stress")
}
