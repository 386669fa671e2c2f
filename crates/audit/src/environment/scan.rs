//! Lists the relevant files in a folder of `sys.path`: Python files, extension modules, metadata,
//! `.pth` files.
//!
//! Links to files are followed, because installers use them to save space. Links to folders are
//! not, so there are no cycles.

use crate::inventory::{ExtensionFile, is_python};
use std::fs;
use std::path::{Path, PathBuf};

/// Maximum number of files and folders in one folder of `sys.path`.
const MAX_ENTRIES: usize = 3_000_000;
/// Maximum nesting depth of folders.
const MAX_DEPTH: usize = 64;

/// Relevant files of a folder of `sys.path`. Paths are relative to it, with `/` between parts.
#[derive(Default)]
pub(super) struct FolderScan {
    /// Python files and extension modules.
    pub(super) files: Vec<String>,
    /// Names of `.dist-info` and `.egg-info` entries.
    pub(super) infos: Vec<String>,
    /// Names of `.pth` files.
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
                    notes.push(format!("cannot read '{}': {error}", folder.display()));
                    continue;
                }
            };
            for entry in entries {
                let Ok(entry) = entry else {
                    notes.push(format!("'{}' could not be read completely", folder.display()));
                    break;
                };
                if left == 0 {
                    notes.push(format!(
                        "'{}' has more than {MAX_ENTRIES} files; the rest was not read",
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
                        notes.push(format!("cannot read '{path}': {error}"));
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
                            "'{path}' is a separate environment and was not read: pass it as a \
                             target too"
                        ));
                        continue;
                    }
                    if is_ignored(&name) {
                        continue;
                    }
                    if depth == MAX_DEPTH {
                        notes.push(format!("'{path}' is nested too deeply and was not read"));
                        continue;
                    }
                    waiting.push((entry.path(), format!("{path}/"), depth + 1));
                } else if depth == 0 && name.ends_with(".pth") {
                    scan.pths.push(name);
                } else if is_python(&name) || ExtensionFile::new(&name, PathBuf::new()).is_some() {
                    scan.files.push(path);
                } else if kind.is_symlink() && entry.path().is_dir() {
                    notes.push(format!(
                        "'{path}' is a symbolic link to a folder and was not followed"
                    ));
                }
            }
        }
        scan.sort();
        scan
    }

    /// The order of directory entries is arbitrary and differs between machines.
    fn sort(&mut self) {
        self.files.sort_unstable();
        self.infos.sort_unstable();
        self.pths.sort_unstable();
    }
}

/// Returns whether nothing can be imported from a folder.
fn is_ignored(name: &str) -> bool {
    name == "__pycache__" || name.starts_with('.') || name == "node_modules"
}
