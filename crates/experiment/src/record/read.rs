//! Reading a record back. A file is untrusted: it may be another's, cut off in the middle, or
//! written by a later ungil.

use super::{Comparison, Header, Idle, Line, Outcome, Run, SCHEMA, Startup};
use crate::error::{Error, Failure};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// A record in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its first line.
    pub header: Header,
    /// The machine's idle power, if it was measured.
    pub idle: Option<Idle>,
    /// How long each interpreter takes to start.
    pub startups: Vec<Startup>,
    /// Every run, in order.
    pub runs: Vec<Run>,
    /// The last comparison, if the experiment came that far.
    pub comparison: Option<Comparison>,
    /// Why the experiment was cut short, if it was and did not go on.
    pub stopped: Option<String>,
    /// Whether nothing is left to measure: a comparison is the last word, and nothing stopped the
    /// experiment before it.
    pub complete: bool,
    /// Bytes of complete lines.
    pub whole: u64,
    /// A last line that was cut off.
    pub torn: Option<Torn>,
}

/// The cut-off last line of a record: a run that was being written when the power went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Torn {
    /// Its number, from 1.
    pub line: usize,
}

/// Longest line taken: a run of a machine with very many cores is a few KiB.
const LONGEST: u64 = 16 << 20;

impl Record {
    /// Reads a record. A cut-off last line is left out and told in [`Record::torn`].
    ///
    /// # Errors
    /// [`Error::Record`] when the file cannot be read, is no record, has a schema this ungil does
    /// not know, or is damaged anywhere but in its last line.
    pub fn read(path: &Path) -> Result<Record, Error> {
        let file = File::open(path)
            .map_err(|e| bad(path)("cannot read the record", e.to_string(), "check the path"))?;
        Record::read_from(file, path)
    }

    /// Reads a record from an open file; `path` is what errors call it.
    ///
    /// # Errors
    /// As [`Record::read`].
    pub fn read_from(file: impl io::Read, path: &Path) -> Result<Record, Error> {
        let bad = bad(path);
        let cannot = |e: io::Error| bad("cannot read the record", e.to_string(), "check the path");
        let mut file = BufReader::new(file);
        let mut record: Option<Record> = None;
        let (mut text, mut whole) = (Vec::new(), 0u64);
        for number in 1.. {
            text.clear();
            let n = io::Read::take(&mut file, LONGEST)
                .read_until(b'\n', &mut text)
                .map_err(cannot)? as u64;
            if n == 0 {
                break;
            }
            let ended = text.ends_with(b"\n");
            let line = match (serde_json::from_slice(&text), &mut record) {
                (Ok(line), _) if ended => line,
                (_, Some(record)) if !ended && n < LONGEST => {
                    record.torn = Some(Torn { line: number });
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
                        "cut the file off before that line, and go on with --resume",
                    ));
                }
            };
            whole += n;
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
        record.whole = whole;
        Ok(record)
    }

    /// A record with nothing but its header.
    pub fn new(header: Header) -> Record {
        Record {
            header,
            idle: None,
            startups: Vec::new(),
            runs: Vec::new(),
            comparison: None,
            stopped: None,
            complete: false,
            whole: 0,
            torn: None,
        }
    }

    /// The last run of an arm: a failed one may have been tried again after a stop.
    pub fn last_run(&self, arm: &str) -> Option<&Run> {
        self.runs.iter().rfind(|r| r.arm == arm)
    }

    /// Whether the last run of an arm failed.
    pub fn died(&self, arm: &str) -> bool {
        self.last_run(arm).is_some_and(|r| r.outcome != Outcome::Ok)
    }

    /// How long interpreter `head` took to start and do nothing, once measured.
    pub fn startup(&self, head: &str) -> Option<&Startup> {
        self.startups.iter().find(|s| s.python == head)
    }

    /// Median seconds that the interpreter of `arm` took to start: what a run that marks no phase
    /// spends on it, too.
    pub fn bare_startup_s(&self, arm: &str) -> Option<f64> {
        let head = self.header.arms.iter().find(|a| a.id == arm)?.head();
        crate::stats::median(&self.startup(head)?.seconds)
    }

    /// Takes in a further line.
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

/// Makes this room's error about a file from what, why and what to do.
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
            "give a file written by ungil compare",
        ),
    }
}

fn wrong_schema(schema: &str, bad: &dyn Fn(&str, String, &str) -> Error) -> Error {
    bad(
        "cannot read the record",
        format!(
            "its schema is '{}', this ungil knows '{SCHEMA}'",
            schema.chars().take(60).collect::<String>()
        ),
        "read it with the ungil that wrote it, or a newer one",
    )
}
