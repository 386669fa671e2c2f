//! The source text of places in a program, for the names of what is found.

use crate::event::StackFrame;
use std::collections::HashMap;
use std::fs;

/// Largest source file read, in bytes.
const MAX_SIZE: u64 = 8 << 20;

/// Source files, read once.
#[derive(Default)]
pub(crate) struct Sources {
    files: HashMap<String, Option<Vec<String>>>,
}

impl Sources {
    fn lines(&mut self, file: &str) -> Option<&[String]> {
        let read = |file: &str| {
            let size = fs::metadata(file).ok()?.len();
            let bytes = (size <= MAX_SIZE).then(|| fs::read(file).ok())??;
            Some(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
        };
        self.files.entry(file.to_owned()).or_insert_with(|| read(file)).as_deref()
    }

    /// Returns the line of a place, without its indentation.
    pub(crate) fn line(&mut self, place: &StackFrame) -> Option<String> {
        let line = usize::try_from(place.line).ok()?.checked_sub(1)?;
        self.lines(&place.file)?.get(line).map(|text| text.trim().to_owned())
    }

    /// Returns the expression that the instruction at a place belongs to, if it is in one line.
    pub(crate) fn expression(&mut self, place: &StackFrame) -> Option<String> {
        if place.line != place.end_line {
            return None;
        }
        let line = usize::try_from(place.line).ok()?.checked_sub(1)?;
        let (start, end) =
            (usize::try_from(place.column).ok()?, usize::try_from(place.end_column).ok()?);
        let text = self.lines(&place.file)?.get(line)?.get(start..end)?;
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Names a lock by the expression that acquired it: the innermost one outside the standard
    /// library's `threading`.
    pub(crate) fn lock_name(&mut self, acquired: &[StackFrame]) -> String {
        let is_own = |frame: &&StackFrame| !frame.file.ends_with("/threading.py");
        let Some(place) = acquired.iter().find(is_own) else { return "a lock".to_owned() };
        let Some(text) = self.expression(place) else {
            return format!("the lock of {}:{}", short(&place.file), place.line);
        };
        let text = text.trim();
        let name = match text.split_once(".acquire(") {
            Some((lock, _)) => lock,
            None => text,
        };
        name.to_owned()
    }
}

/// Returns the path from the current folder, if the file is in it.
pub(crate) fn short(file: &str) -> &str {
    let here = std::env::current_dir().ok();
    let prefix = here.as_deref().and_then(|folder| folder.to_str());
    prefix.and_then(|prefix| file.strip_prefix(prefix)?.strip_prefix('/')).unwrap_or(file)
}
