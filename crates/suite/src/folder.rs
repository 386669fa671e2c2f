//! A suite on disk: `suite.json` with its points, a record each, and the Python files they ran.

use crate::plan::{Point, Skipped};
use crate::workloads::{COMMON, WORKLOADS};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use ungil_experiment::record::Record;
use ungil_experiment::{Error, Failure};

/// The schema of `suite.json`. A reader takes any `/1`; fields may be added to it, never changed.
pub const SCHEMA: &str = "ungil.suite/1";

/// The file that makes a folder a suite.
pub const FILE: &str = "suite.json";

/// What it holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suite {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of ungil that made it.
    pub ungil: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// The points, in the order in which they run.
    pub points: Vec<Point>,
    /// What was left out.
    pub skipped: Vec<Skipped>,
    /// What a reader should know: versions of packages, how the pair was built.
    pub notes: Vec<String>,
}

/// A suite and what its records hold so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    /// What was planned.
    pub suite: Suite,
    /// The points with a record, in the suite's order.
    pub records: Vec<(Point, Record)>,
    /// Points whose record cannot be read, and why.
    pub unreadable: Vec<Skipped>,
}

/// Where a point's record is.
pub fn record_path(folder: &Path, point: &Point) -> PathBuf {
    folder.join(format!("{}.jsonl", point.id))
}

/// Where the Python files of a suite are.
pub fn sources(folder: &Path) -> PathBuf {
    folder.join("workloads")
}

/// Writes the workloads' Python files into a folder, or copies them from another, where someone has
/// changed them.
///
/// # Errors
/// [`Error::Failed`] when the folder cannot be written, or a file of the other is not there.
pub fn write_sources(folder: &Path, from: Option<&Path>) -> Result<(), Error> {
    let ours = WORKLOADS.iter().map(|w| (format!("{}.py", w.name), w.source));
    let files = ours.chain([(COMMON.0.to_string(), COMMON.1)]);
    let put = |(name, text): (String, &str)| -> io::Result<()> {
        match from {
            Some(other) => fs::copy(other.join(&name), folder.join(&name)).map(drop),
            None => fs::write(folder.join(&name), text),
        }
        .map_err(|e| io::Error::new(e.kind(), format!("{name}: {e}")))
    };
    fs::create_dir_all(folder).and_then(|()| { files }.try_for_each(put)).map_err(|e| {
        let what = format!("cannot write the workloads to {}", folder.display());
        Error::Failed(Failure::new(
            what,
            e.to_string(),
            "give a folder that can be written, and that has every file",
        ))
    })
}

/// Makes the folder with the workloads' files, from another folder if one is given, and
/// `suite.json`, which makes it a suite.
///
/// # Errors
/// [`Error::Failed`] when there is a suite already, the folder cannot be written, or the other
/// lacks a file.
pub fn create(folder: &Path, suite: &Suite, from: Option<&Path>) -> Result<(), Error> {
    let path = folder.join(FILE);
    let failed = |why: String, help: &str| {
        Error::Failed(Failure::new(
            format!("cannot make the suite {}", folder.display()),
            why,
            help,
        ))
    };
    if path.exists() {
        return Err(failed(
            "there is one already".into(),
            "go on with it by --resume, or give another folder with -o",
        ));
    }
    let parent = folder.parent().filter(|p| p.ends_with(".ungil") && !p.exists());
    write_sources(&sources(folder), from)?;
    let make = || -> io::Result<()> {
        if let Some(parent) = parent {
            fs::write(parent.join(".gitignore"), "*\n")?;
        }
        let text = serde_json::to_string_pretty(suite).map_err(io::Error::other)?;
        // Whole or not at all.
        let whole = folder.join("suite.json.new");
        fs::write(&whole, text + "\n")?;
        fs::rename(&whole, &path)
    };
    make().map_err(|e| failed(e.to_string(), "give a folder that can be written with -o"))
}

/// Reads a suite's folder. A point without a record has not been run; a record that cannot be read
/// is named.
///
/// # Errors
/// [`Error::Failed`] when there is no suite, or one of a schema this ungil does not know.
pub fn read(folder: &Path) -> Result<Study, Error> {
    let failed = |why: String, help: &str| {
        Error::Failed(Failure::new(
            format!("cannot read the suite {}", folder.display()),
            why,
            help,
        ))
    };
    let text = fs::read_to_string(folder.join(FILE))
        .map_err(|e| failed(format!("suite.json: {e}"), "give a folder written by ungil suite"))?;
    let schema = serde_json::from_str::<serde_json::Value>(&text).ok();
    let schema =
        schema.as_ref().and_then(|v| v.get("schema")).and_then(|s| s.as_str()).unwrap_or_default();
    if schema != SCHEMA {
        let shown: String = schema.chars().take(60).collect();
        let why = format!("its schema is '{shown}', this ungil knows '{SCHEMA}'");
        return Err(failed(why, "read it with the ungil that wrote it, or a newer one"));
    }
    let suite: Suite = serde_json::from_str(&text)
        .map_err(|e| failed(format!("suite.json: {e}"), "give a folder written by ungil suite"))?;
    let mut study = Study { suite, records: Vec::new(), unreadable: Vec::new() };
    for point in study.suite.points.clone() {
        // A folder may be another's: an id is a name in it and nothing else.
        let plain = point.id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        let path = record_path(folder, &point);
        if !plain || !path.exists() {
            continue;
        }
        match Record::read(&path) {
            Ok(record) => study.records.push((point, record)),
            Err(error) => {
                let why = error.failure().why;
                study.unreadable.push(Skipped { what: format!("{}.jsonl", point.id), why });
            }
        }
    }
    Ok(study)
}
