//! Determines the folders of an environment: the `site-packages` of a virtual environment or
//! prefix, folders added by `.pth` files, or the folder itself.

use crate::files;
use crate::target::Build;
use std::fs;
use std::path::{Path, PathBuf};

/// Maximum number of lines read from a `.pth` file.
const MAX_PTH_LINES: usize = 1_000;

/// Returns the `site-packages` folders of a virtual environment or prefix; for any other folder,
/// the folder itself.
///
/// Packages of the base interpreter that a virtual environment includes are not read; see [`base`].
#[must_use]
pub fn folders(path: &Path) -> Vec<PathBuf> {
    let windows = path.join("Lib").join("site-packages");
    let mut folders = Vec::new();
    for lib in ["lib", "lib64"] {
        let Ok(entries) = fs::read_dir(path.join(lib)) else { continue };
        let mut found: Vec<PathBuf> = entries
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"))
            .flat_map(|entry| {
                ["site-packages", "dist-packages"].map(|name| entry.path().join(name))
            })
            .filter(|folder| folder.is_dir())
            .collect();
        found.sort_unstable();
        folders.extend(found);
    }
    // In most virtual environments `lib64` is a link to `lib`.
    let mut seen = Vec::new();
    folders.retain(|folder| {
        let real = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        let is_new = !seen.contains(&real);
        seen.push(real);
        is_new
    });
    if folders.is_empty() && windows.is_dir() {
        folders.push(windows);
    }
    if folders.is_empty() { vec![path.to_owned()] } else { folders }
}

/// Returns the folder of the base interpreter if a virtual environment includes its packages
/// (`include-system-site-packages`). Only that interpreter knows where they are.
#[must_use]
pub fn base(path: &Path) -> Option<PathBuf> {
    let bytes = files::read(&path.join("pyvenv.cfg"), 1 << 16).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let of = |wanted: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        lines.find_map(|(key, value)| (key.trim() == wanted).then(|| value.trim().to_owned()))
    };
    of("include-system-site-packages").filter(|value| value.eq_ignore_ascii_case("true"))?;
    of("home").map(PathBuf::from)
}

/// Returns the build in the path of a folder: `lib/python3.14t/site-packages`.
#[must_use]
pub fn build_of(folder: &Path) -> Option<Build> {
    let names = folder.ancestors().filter_map(|path| path.file_name()?.to_str());
    names.filter_map(|name| name.strip_prefix("python")).find_map(|version| version.parse().ok())
}

/// Returns the folders that a `.pth` file adds to `sys.path`, by the rules of the module `site`.
/// The effect of its `import` lines is unknown, so they are reported.
pub(super) fn folders_of_pth(path: &Path, folder: &Path, notes: &mut Vec<String>) -> Vec<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = match files::read(path, 1 << 20) {
        Ok(bytes) => bytes,
        Err(error) => {
            notes.push(format!("cannot read '{name}': {error}"));
            return Vec::new();
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut folders = Vec::new();
    for line in text.trim_start_matches('\u{feff}').lines().take(MAX_PTH_LINES) {
        let line = line.trim_end();
        if line.starts_with("import ") || line.starts_with("import\t") {
            let code: String = line.chars().filter(|c| !c.is_control()).take(120).collect();
            notes.push(format!(
                "'{name}' runs code when Python starts, which was not analyzed: {code}"
            ));
        } else if !line.trim().is_empty() && !line.starts_with('#') && !line.contains('\0') {
            let to = folder.join(line);
            if to.is_dir() {
                folders.push(to);
            } else if to.is_file() {
                notes.push(format!(
                    "'{name}' adds a file to sys.path, which was not read: {}",
                    to.display()
                ));
            }
        }
    }
    folders
}
