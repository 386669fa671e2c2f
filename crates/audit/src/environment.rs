//! Reads an environment: its distributions, their extension modules, and modules that belong to no
//! distribution. Only files are read; no Python is started and no code in `.pth` files is run.
//!
//! Each folder is scanned once, and RECORD files assign the files to distributions. Modules in no
//! RECORD are *loose*. Folders in `.pth` files are read as well, including those of editable
//! installs; `import` lines in `.pth` files are reported.

mod folders;
mod scan;

pub use folders::{base, build_of, folders};

use crate::files;
use crate::inventory::{Distribution, ExtensionFile};
use crate::metadata::{self, Metadata};
use crate::target::Build;
use rustc_hash::FxHashMap;
use scan::FolderScan;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Maximum number of folders, including those from `.pth` files.
const MAX_FOLDERS: usize = 100;

/// Contents of an environment.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Environment {
    /// Distributions, by name.
    pub distributions: Vec<Distribution>,
    /// Extension modules of no distribution, by path.
    pub loose: Vec<ExtensionFile>,
    /// Python files of no distribution, each with its folder of `sys.path`; not in the JSON.
    #[serde(skip)]
    pub sources: Vec<(PathBuf, String)>,
    /// What was not read or not followed.
    pub notes: Vec<String>,
    /// Folders that were read, in the order of `sys.path`.
    #[serde(serialize_with = "as_texts")]
    pub folders: Vec<PathBuf>,
}

impl Environment {
    /// Returns every module, including loose ones.
    pub fn modules_mut(&mut self) -> impl Iterator<Item = &mut ExtensionFile> {
        self.distributions.iter_mut().flat_map(|one| &mut one.modules).chain(&mut self.loose)
    }

    /// Returns every module with its distribution.
    pub fn modules(&self) -> impl Iterator<Item = (Option<&Distribution>, &ExtensionFile)> {
        let owned = self
            .distributions
            .iter()
            .flat_map(|one| one.modules.iter().map(move |found| (Some(one), found)));
        owned.chain(self.loose.iter().map(|found| (None, found)))
    }

    /// Returns every module that a build can import, with its distribution.
    pub fn importable_by(
        &self,
        build: Build,
    ) -> impl Iterator<Item = (Option<&Distribution>, &ExtensionFile)> {
        self.modules().filter(move |(_, found)| found.is_importable_by(build))
    }
}

/// Reads the folders of an environment, in the order of its `sys.path`.
///
/// What cannot be read is reported in [`Environment::notes`]; the rest is read all the same.
#[must_use]
pub fn read(folders: &[PathBuf]) -> Environment {
    let mut environment = Environment::default();
    // Each folder with the distribution whose `.pth` file refers to it.
    let mut waiting: Vec<(PathBuf, Option<String>)> =
        folders.iter().rev().map(|one| (one.clone(), None)).collect();
    let mut seen: Vec<PathBuf> = Vec::new();
    while let Some((folder, editable)) = waiting.pop() {
        let real = match folder.canonicalize() {
            Ok(real) => real,
            Err(error) => {
                environment.notes.push(format!("cannot read '{}': {error}", folder.display()));
                continue;
            }
        };
        if seen.contains(&real) {
            continue;
        }
        if seen.len() == MAX_FOLDERS {
            environment.notes.push(format!("only the first {MAX_FOLDERS} folders were read"));
            break;
        }
        seen.push(real);
        let more = read_folder(&folder, editable.as_deref(), &mut environment);
        waiting.extend(more.into_iter().rev());
        environment.folders.push(folder);
    }
    environment.distributions.iter_mut().for_each(Distribution::finish);
    environment
        .distributions
        .sort_by_cached_key(|one| (crate::tags::normalize_name(&one.name), one.version.clone()));
    environment.loose.sort_by(|a, b| a.path.cmp(&b.path));
    environment
}

/// Reads one folder, and returns the folders that its `.pth` files refer to.
fn read_folder(
    folder: &Path,
    editable: Option<&str>,
    environment: &mut Environment,
) -> Vec<(PathBuf, Option<String>)> {
    let scan = FolderScan::of(folder, &mut environment.notes);
    let mut owner: FxHashMap<String, usize> = FxHashMap::default();
    for info in &scan.infos {
        let index = environment.distributions.len();
        let (distribution, files) = distribution(folder, info);
        for path in files {
            owner.insert(path, index);
        }
        environment.distributions.push(distribution);
    }
    // Files in the folder of an editable install belong to that distribution.
    let linked =
        editable.and_then(|name| environment.distributions.iter().position(|one| one.name == name));
    for path in scan.files {
        let file = folder.join(&path);
        let owner = owner.remove(&path).or(linked);
        match owner.and_then(|index| environment.distributions.get_mut(index)) {
            Some(distribution) => distribution.add_file(&path, file),
            None if crate::inventory::is_python(&path) => {
                environment.sources.push((folder.to_owned(), path))
            }
            None => environment.loose.extend(ExtensionFile::new(&path, file)),
        }
    }
    // The remaining entries of RECORD do not exist.
    for (path, index) in owner {
        let is_module = ExtensionFile::new(&path, PathBuf::new()).is_some();
        if let Some(distribution) = environment.distributions.get_mut(index).filter(|_| is_module) {
            distribution.notes.push(format!("RECORD lists '{path}', which does not exist"));
        }
    }
    let mut more = Vec::new();
    for name in &scan.pths {
        let owner = environment
            .distributions
            .iter_mut()
            .find(|one| one.folder.as_deref() == Some(folder) && one.owns_pth(name));
        let editable = owner.map(|owner| {
            owner.editable = true;
            owner.name.clone()
        });
        let paths = folders::folders_of_pth(&folder.join(name), folder, &mut environment.notes);
        more.extend(paths.into_iter().map(|path| (path, editable.clone())));
    }
    more
}

impl Distribution {
    /// Returns whether a `.pth` file belongs to an editable install of this distribution:
    /// `__editable__.NAME-VERSION.pth`, `_NAME.pth`, `NAME.pth`.
    fn owns_pth(&self, pth: &str) -> bool {
        let stem = pth.strip_suffix(".pth").unwrap_or(pth);
        let stem = crate::tags::normalize_name(
            stem.strip_prefix("__editable__.").unwrap_or(stem).trim_start_matches('_'),
        );
        let name = crate::tags::normalize_name(&self.name);
        !name.is_empty()
            && stem.strip_prefix(&name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

/// Reads a distribution from its `.dist-info` or `.egg-info`, and returns the files it lists.
fn distribution(folder: &Path, info: &str) -> (Distribution, Vec<String>) {
    let mut one = Distribution { folder: Some(folder.to_owned()), ..Distribution::default() };
    let info_path = folder.join(info);
    let is_egg = info.ends_with(".egg-info");
    let mut load = |file: &str, is_required: bool| {
        let path = if file.is_empty() { info_path.clone() } else { info_path.join(file) };
        match files::read(&path, metadata::MAX_METADATA_BYTES as u64 * 8) {
            Ok(bytes) => Some(bytes),
            Err(error) if is_required || error.kind() != std::io::ErrorKind::NotFound => {
                one.notes.push(format!("cannot read its {info}/{file}: {error}"));
                None
            }
            Err(_) => None,
        }
    };
    let described = match (is_egg, info_path.is_dir()) {
        (true, false) => load("", true),
        (true, true) => load("PKG-INFO", true),
        (false, _) => load("METADATA", true),
    };
    let tags = if is_egg { None } else { load("WHEEL", false) };
    let record = if is_egg { load("installed-files.txt", false) } else { load("RECORD", true) };
    let top_level = load("top_level.txt", false);
    let direct = load("direct_url.json", false);
    if let Some(bytes) = described {
        one.apply_metadata(Metadata::parse(&bytes));
    }
    if one.name.is_empty() {
        // The folder name has both, with `_` for other characters than letters and digits.
        let stem = info.rsplit_once('.').map_or(info, |(stem, _)| stem);
        let mut parts = stem.split('-');
        one.name = parts.next().unwrap_or_default().to_owned();
        one.version = parts.next().unwrap_or_default().to_owned();
    }
    one.wheel_tags = tags.map(|bytes| metadata::wheel_tags(&bytes)).unwrap_or_default();
    one.top_level = top_level.map(|bytes| metadata::top_level(&bytes)).unwrap_or_default();
    one.editable = direct.is_some_and(|bytes| is_editable(&bytes));
    let mut files = Vec::new();
    for path in record.map(|bytes| metadata::record(&bytes)).unwrap_or_default() {
        // Paths in installed-files.txt are relative to the .egg-info folder.
        let path = path.replace('\\', "/");
        let path = if is_egg { path.strip_prefix("../").unwrap_or(&path).to_owned() } else { path };
        let own = path.strip_prefix("./").unwrap_or(&path);
        if !own.starts_with('/') && !own.split('/').any(|part| part == "..") {
            files.push(own.to_owned());
        }
    }
    (one, files)
}

/// Returns whether `direct_url.json` (PEP 610) marks an editable install.
fn is_editable(bytes: &[u8]) -> bool {
    // Installers write this small file, and only the whitespace can differ.
    let text: String =
        String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_whitespace()).collect();
    text.contains("\"editable\":true")
}

fn as_texts<S: serde::Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| path.to_string_lossy()))
}
