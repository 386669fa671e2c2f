//! Finds what a lock profile of the same workload says, so that the advice of a comparison can name
//! the contended object.

use std::path::{Path, PathBuf};
use std::time::SystemTime;
use ungil_experiment::workload::Workload;
use ungil_profile::{FindingTopic, Mode, Profile, findings};

/// Maximum number of recordings that are read.
const MAX_RECORDINGS: usize = 20;

/// Returns the main finding about a lock in the newest lock profile of the workload in the folder
/// of its record, and the path of that profile.
pub(super) fn finding(record: &Path, workload: &Workload) -> Option<(PathBuf, String)> {
    let name = match workload {
        Workload::Script { path, .. } => path.file_name()?.to_string_lossy().into_owned(),
        Workload::Module { name, .. } => name.clone(),
        _ => return None,
    };
    let folder = record.parent().filter(|folder| !folder.as_os_str().is_empty());
    recordings(folder.unwrap_or(Path::new("."))).into_iter().take(MAX_RECORDINGS).find_map(|path| {
        let profile = Profile::load(&path).ok()?;
        let runs_it = |word: &str| Path::new(word).file_name().is_some_and(|file| *file == *name);
        if profile.header.mode != Mode::Lock || !profile.header.command.split(' ').any(runs_it) {
            return None;
        }
        let lock = findings(&profile).into_iter().find(|f| f.topic == FindingTopic::Lock)?;
        Some((path, lock.text))
    })
}

/// Returns the recordings in a folder, the newest first.
fn recordings(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<(SystemTime, PathBuf)> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ungil"))
        .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}
