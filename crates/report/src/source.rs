//! Reading the records of a report: single files, or all of a folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use ungil_experiment::comparison::Comparison;
use ungil_experiment::record::Record;
use ungil_experiment::{Error, Failure};

/// Maximum number of a record's bytes that are kept for embedding in the page. More than a page may
/// have.
const MAX_KEPT_BYTES: usize = 64 << 20;

/// Maximum number of arms shown; an untrusted record may have a hundred thousand.
const MAX_ARMS: usize = 300;

/// Maximum number of records of a folder.
const MAX_RECORDS: usize = 1000;

/// A record with its file and comparison.
#[derive(Debug, Clone)]
pub struct Source {
    pub path: PathBuf,
    /// Name in CSV and file names: the file's name without its extension, or its path if another
    /// record has the same name.
    pub label: String,
    /// Name for readers: the workload's name, with the label if another record has the same
    /// workload.
    pub title: String,
    pub record: Record,
    pub comparison: Comparison,
    /// Number of arms that are not shown.
    pub(crate) more_arms: usize,
    /// The file's first [`MAX_KEPT_BYTES`] bytes.
    pub(crate) bytes: Vec<u8>,
    /// Length of the file.
    pub(crate) length: u64,
}

/// The records of a report.
#[derive(Debug, Clone, Default)]
pub struct RecordSet {
    /// The records, sorted by path.
    pub records: Vec<Source>,
    /// Files that cannot be read, each with the reason.
    pub refused: Vec<String>,
}

/// A reader that also stores what it reads.
struct TeeReader<'a> {
    file: File,
    kept: &'a mut Vec<u8>,
    length: &'a mut u64,
}

impl Read for TeeReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        *self.length += n as u64;
        let keep = MAX_KEPT_BYTES.saturating_sub(self.kept.len()).min(n);
        self.kept.extend(buffer.get(..keep).unwrap_or_default());
        Ok(n)
    }
}

impl Source {
    /// Reads a record.
    ///
    /// # Errors
    /// [`Error::Record`], as in [`Record::read`].
    pub fn read(path: &Path) -> Result<Source, Error> {
        let (mut bytes, mut length) = (Vec::new(), 0);
        let file = File::open(path).map_err(|e| unreadable(path, &e))?;
        let mut record =
            Record::read_from(TeeReader { file, kept: &mut bytes, length: &mut length }, path)?;
        let more_arms = record.header.arms.len().saturating_sub(MAX_ARMS);
        record.header.arms.truncate(MAX_ARMS);
        let mut comparison = crate::comparison(&record);
        comparison.arms.truncate(MAX_ARMS);
        let title = crate::page::name(&record.header.workload);
        Ok(Source {
            path: path.into(),
            label: stem(path),
            title,
            record,
            comparison,
            more_arms,
            bytes,
            length,
        })
    }

    /// Returns the record and its comparison.
    pub fn view(&self) -> crate::View<'_> {
        crate::View { record: &self.record, comparison: &self.comparison }
    }

    /// Returns the file's name without its extension, by which the records of two folders are
    /// paired.
    pub(crate) fn name(&self) -> String {
        stem(&self.path)
    }

    /// Returns whether the whole file is kept.
    pub(crate) fn is_whole(&self) -> bool {
        self.bytes.len() as u64 == self.length
    }
}

/// Reads a record, or all records (`*.jsonl`) of a folder and its subfolders.
///
/// # Errors
/// [`Error::Record`] if the given record cannot be read, or the folder contains no readable record.
pub fn read_records(path: &Path) -> Result<RecordSet, Error> {
    if !path.is_dir() {
        return Ok(RecordSet { records: vec![Source::read(path)?], refused: Vec::new() });
    }
    let mut files = Vec::new();
    list_records(path, 0, &mut files).map_err(|e| unreadable(path, &e))?;
    files.sort();
    let mut found = RecordSet::default();
    for file in files {
        if found.records.len() == MAX_RECORDS {
            found.refused.push(format!(
                "only the first {MAX_RECORDS} records of {} are shown",
                path.display()
            ));
            break;
        }
        match Source::read(&file) {
            Ok(source) => found.records.push(source),
            Err(error) => {
                let failure = error.failure();
                found.refused.push(format!("{}: {}", failure.what, failure.why));
            }
        }
    }
    if found.records.is_empty() {
        let why = match found.refused.first() {
            None => "it contains no .jsonl file".to_string(),
            Some(first) => {
                let files = ungil_format::counted(found.refused.len(), "file");
                format!("none of its {files} can be read; {first}")
            }
        };
        return Err(Error::Record {
            path: path.into(),
            failure: Failure::new(
                format!("no record in {}", path.display()),
                why,
                "give a record, or a folder written by ungil compare or ungil suite",
            ),
        });
    }
    Ok(found)
}

/// Makes the labels of records with the same name unique, and the titles of records with the same
/// workload.
pub fn disambiguate(records: &mut [Source]) {
    let mut names = BTreeMap::<String, usize>::new();
    let mut titles = BTreeMap::<String, usize>::new();
    for source in records.iter() {
        *names.entry(source.name()).or_default() += 1;
        *titles.entry(source.title.clone()).or_default() += 1;
    }
    for source in records {
        if names.get(&source.name()).is_some_and(|n| *n > 1) {
            source.label = source.path.with_extension("").display().to_string();
        }
        if titles.get(&source.title).is_some_and(|n| *n > 1) {
            source.title = format!("{} ({})", source.title, source.label);
        }
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(|| "record".into(), |n| n.to_string_lossy().into_owned())
}

/// Lists the records of a folder and its subfolders. Links are not followed, because they may form
/// a cycle.
fn list_records(folder: &Path, depth: u32, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() && depth < 4 {
            list_records(&path, depth + 1, files)?;
        } else if !kind.is_dir() && path.extension().is_some_and(|e| e == "jsonl") {
            files.push(path);
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    let help = match error.kind() {
        io::ErrorKind::PermissionDenied => "give a readable folder or record",
        _ => "check the path",
    };
    let what = format!("cannot read {}", path.display());
    Error::Record { path: path.into(), failure: Failure::new(what, error.to_string(), help) }
}
