//! The records a page is made of: named one by one, or all of a folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use ungil_experiment::comparison::Comparison;
use ungil_experiment::record::Record;
use ungil_experiment::{Error, Failure};

/// Bytes of one record that are kept to be given out again with the page. More than a page may
/// weigh, compressed or not.
const KEPT: usize = 64 << 20;

/// Most arms of a record that are shown; a record that was made up may have a hundred thousand.
const ARMS: usize = 300;

/// Most records of a folder.
const MOST: usize = 1000;

/// A record with what a page says of it.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its file.
    pub path: PathBuf,
    /// What tables for programs and names of files call it: the file's name without its ending, or
    /// all of its path where two have that name.
    pub label: String,
    /// What readers call it: its workload's name, with the label where two have that workload.
    pub title: String,
    /// The record.
    pub record: Record,
    /// What its runs say.
    pub comparison: Comparison,
    /// Arms that the record has and the page does not show.
    pub(crate) more_arms: usize,
    /// The file's bytes, as far as they are kept.
    pub(crate) bytes: Vec<u8>,
    /// Length of the file.
    pub(crate) length: u64,
}

/// What was found where the user said there are records.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The records, in order of their names.
    pub records: Vec<Source>,
    /// Files of a folder that are no records, each with the reason.
    pub refused: Vec<String>,
}

/// Reads while it keeps what it reads.
struct Keeping<'a> {
    file: File,
    kept: &'a mut Vec<u8>,
    length: &'a mut u64,
}

impl Read for Keeping<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        *self.length += n as u64;
        let room = KEPT.saturating_sub(self.kept.len()).min(n);
        self.kept.extend(buffer.get(..room).unwrap_or_default());
        Ok(n)
    }
}

impl Source {
    /// Reads a record.
    ///
    /// # Errors
    /// [`Error::Record`], as [`Record::read`].
    pub fn read(path: &Path) -> Result<Source, Error> {
        let (mut bytes, mut length) = (Vec::new(), 0);
        let file = File::open(path).map_err(|e| cannot(path, &e))?;
        let mut record =
            Record::read_from(Keeping { file, kept: &mut bytes, length: &mut length }, path)?;
        let more_arms = record.header.arms.len().saturating_sub(ARMS);
        record.header.arms.truncate(ARMS);
        let mut comparison = crate::comparison(&record);
        comparison.arms.truncate(ARMS);
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

    /// The record and its comparison.
    pub fn view(&self) -> crate::View<'_> {
        crate::View { record: &self.record, comparison: &self.comparison }
    }

    /// The file's name without its ending, by which the records of two folders find each other.
    pub(crate) fn name(&self) -> String {
        stem(&self.path)
    }

    /// Whether all of the file is kept.
    pub(crate) fn is_whole(&self) -> bool {
        self.bytes.len() as u64 == self.length
    }
}

/// Reads a record, or every record (`*.jsonl`) of a folder and the folders in it.
///
/// # Errors
/// [`Error::Record`] when a record that was named cannot be read, or a folder holds none.
pub fn gather(path: &Path) -> Result<Found, Error> {
    if !path.is_dir() {
        return Ok(Found { records: vec![Source::read(path)?], refused: Vec::new() });
    }
    let mut files = Vec::new();
    list(path, 0, &mut files).map_err(|e| cannot(path, &e))?;
    files.sort();
    let mut found = Found::default();
    for file in files {
        if found.records.len() == MOST {
            found
                .refused
                .push(format!("only the first {MOST} records of {} are shown", path.display()));
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
            None => "no file in it ends in .jsonl".to_string(),
            Some(first) => {
                format!(
                    "of its {} none is one this ungil can read; {first}",
                    ungil_format::counted(found.refused.len(), "file")
                )
            }
        };
        return Err(Error::Record {
            path: path.into(),
            failure: Failure::new(
                format!("there is no record in {}", path.display()),
                why,
                "give a folder that ungil suite or ungil compare wrote to, or a record",
            ),
        });
    }
    Ok(found)
}

/// Gives records that have the same name labels that tell them apart, and those of the same
/// workload titles that do.
pub fn tell_apart(records: &mut [Source]) {
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

/// Adds the records of a folder and of those in it. Links are not followed, so that there is an
/// end.
fn list(folder: &Path, depth: u32, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() && depth < 4 {
            list(&path, depth + 1, files)?;
        } else if !kind.is_dir() && path.extension().is_some_and(|e| e == "jsonl") {
            files.push(path);
        }
    }
    Ok(())
}

fn cannot(path: &Path, error: &io::Error) -> Error {
    let help = match error.kind() {
        io::ErrorKind::PermissionDenied => "give a folder or a record you may read",
        _ => "check the path",
    };
    let what = format!("cannot read {}", path.display());
    Error::Record { path: path.into(), failure: Failure::new(what, error.to_string(), help) }
}
