//! Lines of source files, as the target's own mount namespace has them.
//!
//! A process in a container names files by paths that mean something else here, or nothing: they
//! are read through the link `root` that `/proc` has for the process. Those of a core are looked
//! for under the folder that the user gives, or here. A file may have been changed since the
//! process read it; one whose time of change is later than the process's start is named, so that
//! its lines are not taken for what runs.

use crate::process::{Files, Process};
use crate::unicode::file_name;
use rustc_hash::FxHashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A file that is longer is not read to its end.
const MOST: u64 = 32 << 20;
/// A line that is longer is cut.
const LONGEST: usize = 400;
/// The start of a process is told in ticks of a hundredth of a second.
const TICKS: Duration = Duration::from_millis(20);

/// The source files of one process.
#[derive(Debug)]
pub struct Sources {
    place: Files,
    latest: Option<SystemTime>,
    files: FxHashMap<String, Option<Source>>,
}

#[derive(Debug)]
struct Source {
    text: String,
    /// Where each line begins.
    lines: Vec<usize>,
    is_newer: bool,
}

impl Sources {
    /// Those of `process`.
    #[must_use]
    pub fn new(process: &Process) -> Sources {
        let place = process.files();
        Sources { latest: place.latest(), place, files: FxHashMap::default() }
    }

    /// Line `line` (from 1) of `file`, without the blanks around it; `None` where the file cannot
    /// be read or has no such line.
    pub fn line(&mut self, file: &str, line: u32) -> Option<String> {
        if !self.files.contains_key(file) {
            let source = self.read(file);
            self.files.insert(file.to_owned(), source);
        }
        let source = self.files.get(file)?.as_ref()?;
        let index = (line as usize).checked_sub(1)?;
        let start = *source.lines.get(index)?;
        let end = source.lines.get(index + 1).copied().unwrap_or(source.text.len());
        Some(source.text.get(start..end)?.trim().chars().take(LONGEST).collect())
    }

    /// Files that were changed after the process started, or after its core was written.
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

    fn read(&self, file: &str) -> Option<Source> {
        // `<frozen os>`, `<string>`: no files.
        if file.is_empty() || file.starts_with('<') {
            return None;
        }
        let path = self.place.place(Path::new(&file_name(file)))?;
        // Not a pipe or a device, which would be waited for.
        let meta = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?;
        let mut bytes = Vec::new();
        File::open(&path).ok()?.take(MOST).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let is_newer = match (meta.modified(), self.latest) {
            (Ok(modified), Some(latest)) => modified > latest + TICKS,
            _ => false,
        };
        Some(Source { text, lines, is_newer })
    }
}
