//! The files of one folder of `sys.path`: Python files, extension modules, metadata, `.pth` files.
//!
//! Links to files are followed, as installers make them to save space. Links to folders are not, so
//! that no cycle can be made.

use crate::inventory::{ExtensionFile, is_python};
use std::fs;
use std::path::{Path, PathBuf};

/// Files and folders that are looked at in one folder of `sys.path`.
const MAX_ENTRIES: usize = 3_000_000;
/// Folders in folders.
const MAX_DEPTH: usize = 64;

/// What one folder of `sys.path` has. Paths are relative to it, with `/` between parts.
#[derive(Default)]
pub(super) struct FolderScan {
    /// Python files and extension modules.
    pub(super) files: Vec<String>,
    /// `.dist-info` and `.egg-info`, by name.
    pub(super) infos: Vec<String>,
    /// `.pth` files, by name.
    pub(super) pths: Vec<String>,
}

impl FolderScan {
    pub(super) fn of(root: &Path, notes: &mut Vec<String>) -> FolderScan {
        let mut scan = FolderScan::default();
        let mut left = MAX_ENTRIES;
        let mut waiting = vec![(root.to_owned(), String::new(), 0)];
        while let Some((folder, prefix, depth)) = waiting.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    notes.push(format!("'{}' cannot be read: {error}", folder.display()));
                    continue;
                }
            };
            for entry in entries {
                let Ok(entry) = entry else {
                    notes.push(format!("'{}' could not be read to its end", folder.display()));
                    break;
                };
                if left == 0 {
                    notes.push(format!(
                        "'{}' has more than {MAX_ENTRIES} files; not all were looked at",
                        root.display()
                    ));
                    scan.sort();
                    return scan;
                }
                left -= 1;
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = format!("{prefix}{name}");
                let kind = match entry.file_type() {
                    Ok(kind) => kind,
                    Err(error) => {
                        notes.push(format!("'{path}' cannot be read: {error}"));
                        continue;
                    }
                };
                let is_info =
                    depth == 0 && (name.ends_with(".dist-info") || name.ends_with(".egg-info"));
                if is_info {
                    scan.infos.push(name);
                } else if kind.is_dir() {
                    if entry.path().join("pyvenv.cfg").is_file() {
                        notes.push(format!(
                            "'{path}' is an environment of its own and was not read: name it too"
                        ));
                        continue;
                    }
                    if is_ignored(&name) {
                        continue;
                    }
                    if depth == MAX_DEPTH {
                        notes.push(format!("'{path}' is nested too deeply to be looked at"));
                        continue;
                    }
                    waiting.push((entry.path(), format!("{path}/"), depth + 1));
                } else if depth == 0 && name.ends_with(".pth") {
                    scan.pths.push(name);
                } else if is_python(&name) || ExtensionFile::new(&name, PathBuf::new()).is_some() {
                    scan.files.push(path);
                } else if kind.is_symlink() && entry.path().is_dir() {
                    notes.push(format!("'{path}' is a link to a folder and was not followed"));
                }
            }
        }
        scan.sort();
        scan
    }

    /// A folder's own order is of no meaning, and differs between machines.
    fn sort(&mut self) {
        self.files.sort_unstable();
        self.infos.sort_unstable();
        self.pths.sort_unstable();
    }
}

/// Folders from which nothing can be imported.
fn is_ignored(name: &str) -> bool {
    name == "__pycache__" || name.starts_with('.') || name == "node_modules"
}
