//! Reads a record. The file is untrusted: it may be something else, truncated, or written by a
//! later ungil.

use super::{Comparison, Header, Idle, Line, Outcome, Run, SCHEMA, Startup};
use crate::error::{Error, Failure};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// A record in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The first line.
    pub header: Header,
    /// The machine's idle power, if it was measured.
    pub idle: Option<Idle>,
    /// Start-up times of the interpreters.
    pub startups: Vec<Startup>,
    /// The runs, in order.
    pub runs: Vec<Run>,
    /// The last comparison, if there is one.
    pub comparison: Option<Comparison>,
    /// The reason why the experiment stopped early, if it did and was not resumed.
    pub stopped: Option<String>,
    /// Whether the experiment is complete: the last line is a comparison, and no unresumed stop
    /// precedes it.
    pub complete: bool,
    /// Bytes of complete lines.
    pub complete_bytes: u64,
    /// The last line, if it is truncated.
    pub torn: Option<TornLine>,
}

/// A truncated last line: a line that was being written when ungil was killed or the power failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TornLine {
    /// Number of the line, from 1.
    pub line: usize,
}

/// Maximum length of a line. The line of a run on a machine with very many cores has a few KiB.
const MAX_LINE: u64 = 16 << 20;

impl Record {
    /// Reads a record. A truncated last line is ignored and reported in [`Record::torn`].
    ///
    /// # Errors
    /// [`Error::Record`] if the file cannot be read, is not a record, has an unknown schema, or is
    /// damaged anywhere but in its last line.
    pub fn read(path: &Path) -> Result<Record, Error> {
        let file = File::open(path)
            .map_err(|e| bad(path)("cannot read the record", e.to_string(), "check the path"))?;
        Record::read_from(file, path)
    }

    /// Reads a record from an open file; `path` is used in error messages.
    ///
    /// # Errors
    /// See [`Record::read`].
    pub fn read_from(file: impl io::Read, path: &Path) -> Result<Record, Error> {
        let bad = bad(path);
        let cannot = |e: io::Error| bad("cannot read the record", e.to_string(), "check the path");
        let mut file = BufReader::new(file);
        let mut record: Option<Record> = None;
        let (mut text, mut complete_bytes) = (Vec::new(), 0u64);
        for number in 1.. {
            text.clear();
            let n = io::Read::take(&mut file, MAX_LINE)
                .read_until(b'\n', &mut text)
                .map_err(cannot)? as u64;
            if n == 0 {
                break;
            }
            let ended = text.ends_with(b"\n");
            let line = match (serde_json::from_slice(&text), &mut record) {
                (Ok(line), _) if ended => line,
                (_, Some(record)) if !ended && n < MAX_LINE => {
                    record.torn = Some(TornLine { line: number });
                    break;
                }
                (result, _) => {
                    let result: Result<Line, serde_json::Error> = result;
                    if number == 1 {
                        return Err(not_ours(&text, &bad));
                    }
                    let why = result
                        .err()
                        .map_or_else(|| "the line is too long".into(), |e| e.to_string());
                    let why = format!("line {number}: {why}");
                    return Err(bad(
                        "damaged record",
                        why,
                        "truncate the file before that line, and continue with --resume",
                    ));
                }
            };
            complete_bytes += n;
            match (&mut record, line) {
                (None, Line::Experiment(header)) if header.schema == SCHEMA => {
                    record = Some(Record::new(header));
                }
                (None, Line::Experiment(header)) => return Err(wrong_schema(&header.schema, &bad)),
                (None, _) => return Err(not_ours(&text, &bad)),
                (Some(record), line) => record.add(line),
            }
        }
        let mut record = record.ok_or_else(|| {
            bad("empty record", "the file has no complete line".into(), "run the experiment again")
        })?;
        record.complete_bytes = complete_bytes;
        Ok(record)
    }

    /// Creates a record that has only a header.
    pub fn new(header: Header) -> Record {
        Record {
            header,
            idle: None,
            startups: Vec::new(),
            runs: Vec::new(),
            comparison: None,
            stopped: None,
            complete: false,
            complete_bytes: 0,
            torn: None,
        }
    }

    /// Returns the last run of an arm. An arm that failed may have been run again after the
    /// experiment was resumed.
    pub fn last_run(&self, arm: &str) -> Option<&Run> {
        self.runs.iter().rfind(|r| r.arm == arm)
    }

    /// Returns whether the last run of an arm failed.
    pub fn has_failed(&self, arm: &str) -> bool {
        self.last_run(arm).is_some_and(|r| r.outcome != Outcome::Ok)
    }

    /// Returns the start-up times of interpreter `head`, if they were measured.
    pub fn startup(&self, head: &str) -> Option<&Startup> {
        self.startups.iter().find(|s| s.python == head)
    }

    /// Returns the median start-up time, in seconds, of the interpreter of `arm`. The time of a run
    /// that marks no phase includes it.
    pub fn bare_startup_s(&self, arm: &str) -> Option<f64> {
        let head = self.header.arms.iter().find(|a| a.id == arm)?.head();
        crate::stats::median(&self.startup(head)?.seconds)
    }

    /// Adds a line.
    pub fn add(&mut self, line: Line) {
        self.complete = matches!(line, Line::Comparison(_)) && self.stopped.is_none();
        match line {
            Line::Experiment(_) => {}
            Line::Idle(idle) => self.idle = Some(idle),
            Line::Startup(startup) => self.startups.push(startup),
            Line::Run(run) => self.runs.push(run),
            Line::Stopped(stopped) => self.stopped = Some(stopped.why),
            Line::Resumed(_) => self.stopped = None,
            Line::Comparison(comparison) => self.comparison = Some(comparison),
        }
    }
}

/// Returns a function that makes an error about a file from what happened, why and what to do.
fn bad(path: &Path) -> impl Fn(&str, String, &str) -> Error {
    move |what, why, help| Error::Record {
        path: path.into(),
        failure: Failure::new(format!("{what} {}", path.display()), why, help),
    }
}

fn not_ours(text: &[u8], bad: &dyn Fn(&str, String, &str) -> Error) -> Error {
    let value: Option<serde_json::Value> = serde_json::from_slice(text).ok();
    match value.as_ref().and_then(|v| v.get("schema")).and_then(|s| s.as_str()) {
        Some(schema) if schema != SCHEMA => wrong_schema(schema, bad),
        _ => bad(
            "not a record:",
            "its first line does not describe an experiment".into(),
            "pass a file written by ungil compare",
        ),
    }
}

fn wrong_schema(schema: &str, bad: &dyn Fn(&str, String, &str) -> Error) -> Error {
    bad(
        "cannot read the record",
        format!(
            "its schema is '{}', this version of ungil reads '{SCHEMA}'",
            schema.chars().take(60).collect::<String>()
        ),
        "read it with the version of ungil that wrote it, or a newer one",
    )
}
