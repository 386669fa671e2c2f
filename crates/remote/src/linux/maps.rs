//! The regions of a process's address space, as `/proc/PID/maps` lists them.

use procfs::process::{MMPermissions, MMapPath};
use std::path::PathBuf;

/// A mapped region.
#[derive(Debug, Clone)]
pub struct Region {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Where in its file it starts.
    pub offset: u64,
    /// The process may write to it.
    pub writable: bool,
    /// The process may run it.
    pub executable: bool,
    /// The file it is mapped from, as the process's own mount namespace names it.
    pub file: Option<PathBuf>,
    /// It is the main thread's stack.
    pub is_stack: bool,
    /// The file was deleted or replaced since.
    pub deleted: bool,
}

impl Region {
    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The regions of `pid`, in the order of their addresses.
///
/// # Errors
/// Those of `/proc`: there is no such process, or it is not this user's to look at.
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
