//! Source lines, read from the target's own mount namespace.
//!
//! In a container, a process's paths mean something else here, or nothing, so files are read
//! through the `root` link in the process's `/proc` directory. For a core, they are searched below
//! the directory given by the user. A file may have been modified since the process read it; files
//! modified after the process started are reported, so that their lines are not mistaken for the
//! running code.

use crate::process::{Process, ProcessFiles};
use crate::unicode::file_name;
use rustc_hash::FxHashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Maximum number of bytes read per file.
const MAX_FILE_SIZE: u64 = 32 << 20;
/// Maximum length of a line in characters.
const MAX_LINE_LENGTH: usize = 400;
/// Tolerance: process start times have a resolution of 10 ms.
const START_TIME_TOLERANCE: Duration = Duration::from_millis(20);

/// Source files of one process.
#[derive(Debug)]
pub struct SourceFiles {
    files_of: ProcessFiles,
    latest: Option<SystemTime>,
    files: FxHashMap<String, Option<SourceFile>>,
}

#[derive(Debug)]
struct SourceFile {
    text: String,
    /// Offset of each line.
    lines: Vec<usize>,
    is_newer: bool,
}

impl SourceFiles {
    /// Creates a reader for the files of `process`.
    #[must_use]
    pub fn new(process: &Process) -> SourceFiles {
        let files_of = process.files();
        SourceFiles {
            latest: files_of.latest_modification(),
            files_of,
            files: FxHashMap::default(),
        }
    }

    /// Returns line `line` (from 1) of `file`, trimmed; `None` if the file cannot be read or has no
    /// such line.
    pub fn line(&mut self, file: &str, line: u32) -> Option<String> {
        if !self.files.contains_key(file) {
            let source = self.read(file);
            self.files.insert(file.to_owned(), source);
        }
        let source = self.files.get(file)?.as_ref()?;
        let index = (line as usize).checked_sub(1)?;
        let start = *source.lines.get(index)?;
        let end = source.lines.get(index + 1).copied().unwrap_or(source.text.len());
        Some(source.text.get(start..end)?.trim().chars().take(MAX_LINE_LENGTH).collect())
    }

    /// Returns the files that were modified after the process started, or after its core was
    /// written.
    #[must_use]
    pub fn newer(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .files
            .iter()
            .filter(|(_, source)| source.as_ref().is_some_and(|source| source.is_newer))
            .map(|(name, _)| name.as_str())
            .collect();
        names.sort_unstable();
        names
    }

    fn read(&self, file: &str) -> Option<SourceFile> {
        // `<frozen os>` and `<string>` are not files.
        if file.is_empty() || file.starts_with('<') {
            return None;
        }
        let path = self.files_of.local_path(Path::new(&file_name(file)))?;
        // Skip pipes and devices, which could block.
        let meta = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?;
        let mut bytes = Vec::new();
        File::open(&path).ok()?.take(MAX_FILE_SIZE).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let is_newer = match (meta.modified(), self.latest) {
            (Ok(modified), Some(latest)) => modified > latest + START_TIME_TOLERANCE,
            _ => false,
        };
        Some(SourceFile { text, lines, is_newer })
    }
}
