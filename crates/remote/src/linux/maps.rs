//! The memory regions of a process, from `/proc/PID/maps`.

use procfs::process::{MMPermissions, MMapPath};
use std::path::PathBuf;

/// A memory mapping.
#[derive(Debug, Clone)]
pub struct Region {
    /// Start address.
    pub start: u64,
    /// End address, exclusive.
    pub end: u64,
    /// Offset in the mapped file.
    pub offset: u64,
    /// Whether the process may write to it.
    pub writable: bool,
    /// Whether the process may execute it.
    pub executable: bool,
    /// The mapped file, as named in the process's mount namespace.
    pub file: Option<PathBuf>,
    /// Whether it is the main thread's stack.
    pub is_stack: bool,
    /// Whether the file was deleted or replaced since.
    pub deleted: bool,
}

impl Region {
    /// Returns the length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Returns whether the region is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Returns the regions of `pid` in address order.
///
/// # Errors
/// Errors of `/proc`: there is no such process, or no permission to read it.
pub(crate) fn regions(pid: u32) -> Result<Vec<Region>, procfs::ProcError> {
    let process = procfs::process::Process::new_with_root(super::task::folder(pid))?;
    Ok(process
        .maps()?
        .into_iter()
        .map(|map| {
            let is_stack = matches!(map.pathname, MMapPath::Stack);
            let (file, deleted) = match map.pathname {
                MMapPath::Path(path) => {
                    match path.to_str().and_then(|text| text.strip_suffix(" (deleted)")) {
                        Some(text) => (Some(PathBuf::from(text)), true),
                        None => (Some(path), false),
                    }
                }
                _ => (None, false),
            };
            Region {
                start: map.address.0,
                end: map.address.1,
                offset: map.offset,
                writable: map.perms.contains(MMPermissions::WRITE),
                executable: map.perms.contains(MMPermissions::EXECUTE),
                file,
                is_stack,
                deleted,
            }
        })
        .collect())
}
