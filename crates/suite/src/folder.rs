//! A suite on disk: `suite.json` with its points, one record per point, and the Python files that
//! ran.

use crate::plan::{Point, Skipped};
use crate::workloads::{COMMON, WORKLOADS};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use ungil_experiment::record::Record;
use ungil_experiment::{Error, Failure};

/// The schema of `suite.json`. Readers accept any `/1`: fields may be added to it, but never
/// changed.
pub const SCHEMA: &str = "ungil.suite/1";

/// The file that makes a folder a suite.
pub const FILE: &str = "suite.json";

/// The content of `suite.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suite {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of ungil that created it.
    pub ungil: String,
    /// Start time, RFC 3339.
    pub started: String,
    /// The points in the order in which they run.
    pub points: Vec<Point>,
    /// What was left out, and why.
    pub skipped: Vec<Skipped>,
    /// Notes: versions of packages, differences between the builds.
    pub notes: Vec<String>,
}

/// A suite and its records so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    /// The plan.
    pub suite: Suite,
    /// The points that have a record, in the suite's order.
    pub records: Vec<(Point, Record)>,
    /// Points whose record cannot be read, and why.
    pub unreadable: Vec<Skipped>,
}

/// Returns the path of a point's record.
pub fn record_path(folder: &Path, point: &Point) -> PathBuf {
    folder.join(format!("{}.jsonl", point.id))
}

/// Returns the folder of a suite's Python files.
pub fn sources(folder: &Path) -> PathBuf {
    folder.join("workloads")
}

/// Writes the workloads' Python files into a folder, or copies them from another folder, in which
/// the user may have changed them.
///
/// # Errors
/// [`Error::Failed`] if the folder cannot be written, or if the other folder lacks a file.
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
            "use a writable folder, and a source folder that contains every file",
        ))
    })
}

/// Creates the folder with the workloads' files, copied from another folder if given, and with
/// `suite.json`.
///
/// # Errors
/// [`Error::Failed`] if there already is a suite, the folder cannot be written, or the other folder
/// lacks a file.
pub fn create(folder: &Path, suite: &Suite, from: Option<&Path>) -> Result<(), Error> {
    let path = folder.join(FILE);
    let failed = |why: String, help: &str| {
        Error::Failed(Failure::new(
            format!("cannot create the suite {}", folder.display()),
            why,
            help,
        ))
    };
    if path.exists() {
        return Err(failed(
            "it already exists".into(),
            "continue it with --resume, or choose another folder with -o",
        ));
    }
    let parent = folder.parent().filter(|p| p.ends_with(".ungil") && !p.exists());
    write_sources(&sources(folder), from)?;
    let make = || -> io::Result<()> {
        if let Some(parent) = parent {
            fs::write(parent.join(".gitignore"), "*\n")?;
        }
        let text = serde_json::to_string_pretty(suite).map_err(io::Error::other)?;
        // Written atomically.
        let new = folder.join("suite.json.new");
        fs::write(&new, text + "\n")?;
        fs::rename(&new, &path)
    };
    make().map_err(|e| failed(e.to_string(), "choose a writable folder with -o"))
}

/// Reads a suite's folder. A point without a record has not run; unreadable records are listed.
///
/// # Errors
/// [`Error::Failed`] if there is no suite, or if its schema is unknown.
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
        let why = format!("its schema is '{shown}', this version of ungil reads '{SCHEMA}'");
        return Err(failed(why, "read it with the version of ungil that wrote it, or a newer one"));
    }
    let suite: Suite = serde_json::from_str(&text)
        .map_err(|e| failed(format!("suite.json: {e}"), "give a folder written by ungil suite"))?;
    let mut study = Study { suite, records: Vec::new(), unreadable: Vec::new() };
    for point in study.suite.points.clone() {
        // The folder is untrusted: an id must be a plain file name.
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
