//! An environment: the distributions in its folders, their extension modules, and the modules that
//! are nobody's. Read from the files alone; no Python is started and no code of a `.pth` file runs.
//!
//! Whose a module is, RECORD says; that it is there, the folder says. So each folder is walked
//! once, and what no RECORD lists is *loose*. `.pth` files lead to more folders, those of editable
//! installs among them; their `import` lines are named.

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

/// Folders that are read, those that `.pth` files lead to among them.
const MAX_FOLDERS: usize = 100;

/// What was found in the folders of an environment.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Environment {
    /// Its distributions, by name.
    pub distributions: Vec<Distribution>,
    /// Extension modules that belong to no distribution, by path.
    pub loose: Vec<ExtensionFile>,
    /// Python files that belong to no distribution, each with the folder of `sys.path` it is below;
    /// not in the JSON.
    #[serde(skip)]
    pub sources: Vec<(PathBuf, String)>,
    /// What was not read or not followed, in words.
    pub notes: Vec<String>,
    /// The folders that were read, in the order of `sys.path`.
    #[serde(serialize_with = "as_texts")]
    pub folders: Vec<PathBuf>,
}

impl Environment {
    /// Every module that was found, its distribution's or loose.
    pub fn modules_mut(&mut self) -> impl Iterator<Item = &mut ExtensionFile> {
        self.distributions.iter_mut().flat_map(|one| &mut one.modules).chain(&mut self.loose)
    }

    /// Every module, with its distribution.
    pub fn modules(&self) -> impl Iterator<Item = (Option<&Distribution>, &ExtensionFile)> {
        let owned = self
            .distributions
            .iter()
            .flat_map(|one| one.modules.iter().map(move |found| (Some(one), found)));
        owned.chain(self.loose.iter().map(|found| (None, found)))
    }

    /// Every module that an `import` in that build could load, with its distribution.
    pub fn is_importable_by(
        &self,
        build: Build,
    ) -> impl Iterator<Item = (Option<&Distribution>, &ExtensionFile)> {
        self.modules().filter(move |(_, found)| found.is_importable_by(build))
    }
}

/// Reads the folders of an environment, in the order of its `sys.path`.
///
/// What cannot be read is in [`Environment::notes`]; an environment is never given up for one file.
#[must_use]
pub fn read(folders: &[PathBuf]) -> Environment {
    let mut environment = Environment::default();
    // A folder, and the distribution whose `.pth` file led there.
    let mut waiting: Vec<(PathBuf, Option<String>)> =
        folders.iter().rev().map(|one| (one.clone(), None)).collect();
    let mut seen: Vec<PathBuf> = Vec::new();
    while let Some((folder, editable)) = waiting.pop() {
        let real = match folder.canonicalize() {
            Ok(real) => real,
            Err(error) => {
                environment.notes.push(format!("'{}' cannot be read: {error}", folder.display()));
                continue;
            }
        };
        if seen.contains(&real) {
            continue;
        }
        if seen.len() == MAX_FOLDERS {
            environment.notes.push(format!("no more than {MAX_FOLDERS} folders are read"));
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

/// Reads one folder, and returns those its `.pth` files lead to.
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
    // What lies where an editable install leads is that distribution's, wherever its metadata are.
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
    // What is left of RECORD's modules is not there.
    for (path, index) in owner {
        let is_module = ExtensionFile::new(&path, PathBuf::new()).is_some();
        if let Some(distribution) = environment.distributions.get_mut(index).filter(|_| is_module) {
            distribution.notes.push(format!("RECORD lists '{path}', which is not there"));
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
    /// Whether a `.pth` file is one that an editable install of it makes:
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

/// A distribution by its `.dist-info` or `.egg-info`, and the files it says are its own.
fn distribution(folder: &Path, info: &str) -> (Distribution, Vec<String>) {
    let mut one = Distribution { folder: Some(folder.to_owned()), ..Distribution::default() };
    let place = folder.join(info);
    let is_egg = info.ends_with(".egg-info");
    let mut load = |file: &str, must: bool| {
        let path = if file.is_empty() { place.clone() } else { place.join(file) };
        match files::read(&path, metadata::MAX_METADATA_BYTES as u64 * 8) {
            Ok(bytes) => Some(bytes),
            Err(error) if must || error.kind() != std::io::ErrorKind::NotFound => {
                one.notes.push(format!("its {info}/{file} cannot be read: {error}"));
                None
            }
            Err(_) => None,
        }
    };
    let described = match (is_egg, place.is_dir()) {
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
        // The folder's own name has both, with `_` for what is not a letter or a digit.
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
        // installed-files.txt counts from the .egg-info folder.
        let path = path.replace('\\', "/");
        let path = if is_egg { path.strip_prefix("../").unwrap_or(&path).to_owned() } else { path };
        let own = path.strip_prefix("./").unwrap_or(&path);
        if !own.starts_with('/') && !own.split('/').any(|part| part == "..") {
            files.push(own.to_owned());
        }
    }
    (one, files)
}

/// Whether `direct_url.json` (PEP 610) says that a distribution is a link to its sources.
fn is_editable(bytes: &[u8]) -> bool {
    // The one field of a small file that installers write: JSON's spaces are all that can differ.
    let text: String =
        String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_whitespace()).collect();
    text.contains("\"editable\":true")
}

fn as_texts<S: serde::Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| path.to_string_lossy()))
}
