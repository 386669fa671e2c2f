//! Reads requirements: `requirements.txt`, `uv.lock`, `pylock.toml` (PEP 751). Nothing is resolved:
//! a requirement without a version has none here, and only the index knows its wheels.

mod lock;
mod text;

use crate::tags::WheelName;
use crate::target::{Build, Platform};
use serde::{Serialize, Serializer};
use std::path::{Path, PathBuf};

/// Maximum size of a file in bytes, several times the largest lock files.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// What is known about the wheel for a requirement, which was not read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WheelStatus {
    /// Its tag shows that it has no compiled modules, so it cannot enable the GIL.
    NothingCompiled,
    /// Unknown: a wheel for the build does not guarantee that its modules leave the GIL off.
    NotRead,
    /// No wheel is listed for the build.
    #[default]
    NoWheel,
}

/// A requirement.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Requirement {
    /// Name of the project, as written.
    pub name: String,
    /// Allowed versions, as written: `>=1,<2`; `None` for any.
    pub specifier: Option<String>,
    /// The version, if only one is allowed.
    pub version: Option<String>,
    /// Environment marker, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
    /// Whether it applies to the build and platform; `None` if unknown.
    pub applies: Option<bool>,
    /// Its source if that is not an index: a URL, a folder, a repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Number of pinned hashes.
    pub hashes: usize,
    /// Wheels listed in a lock file; empty for a `requirements.txt`.
    pub wheels: Vec<WheelName>,
    /// The wheel that an installer would use for the build and platform.
    #[serde(serialize_with = "crate::tags::as_name")]
    pub wheel: Option<WheelName>,
    /// What is known about that wheel.
    pub gil: WheelStatus,
    /// A lock file lists a source distribution.
    pub sdist: bool,
    /// The file that contains it.
    #[serde(serialize_with = "as_text")]
    pub file: PathBuf,
    /// Line, from 1; `None` for lock files.
    pub line: Option<usize>,
}

impl Requirement {
    /// Returns the wheel that an installer could use for a build and platform. Of several it is the
    /// most specific: own ABI, then stable ABI, then none.
    #[must_use]
    pub fn wheel_for(&self, build: Build, platform: Option<Platform>) -> Option<&WheelName> {
        best_wheel(&self.wheels, build, platform)
    }

    /// Sets [`Requirement::wheel`] and [`Requirement::gil`].
    pub(crate) fn with_wheel(mut self, build: Build, platform: Option<Platform>) -> Requirement {
        self.wheel = self.wheel_for(build, platform).cloned();
        self.gil = match &self.wheel {
            Some(wheel) if wheel.tags.platform.iter().all(|tag| tag == "any") => {
                WheelStatus::NothingCompiled
            }
            Some(_) => WheelStatus::NotRead,
            None => WheelStatus::NoWheel,
        };
        self
    }
}

/// Returns the most specific wheel for a build.
pub(crate) fn best_wheel(
    wheels: &[WheelName],
    build: Build,
    platform: Option<Platform>,
) -> Option<&WheelName> {
    let own = build.abi();
    let rank = |wheel: &&WheelName| {
        if wheel.tags.has_abi(&own) { 0 } else { 1 + u8::from(wheel.tags.has_abi("none")) }
    };
    wheels.iter().filter(|wheel| wheel.tags.serves(build, platform)).min_by_key(rank)
}

/// Requirements of a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Requirements {
    /// In the order of the file.
    pub wanted: Vec<Requirement>,
    /// What was ignored, and why.
    pub notes: Vec<String>,
}

/// Why a requirements or lock file was not read.
#[derive(Debug, thiserror::Error)]
pub enum RequirementsError {
    #[error("cannot read '{}': {why}", path.display())]
    Io { path: PathBuf, why: std::io::Error },
    /// It is not valid TOML, or not a lock file.
    #[error("'{}' is not a lock file: {why}", path.display())]
    Toml {
        path: PathBuf,
        /// Message of the parser, with the line.
        why: String,
    },
}

/// Returns whether a file has the name of a requirements or lock file.
#[must_use]
pub fn is_requirements_file(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let has =
        |end: &str| Path::new(name).extension().is_some_and(|ext| ext.eq_ignore_ascii_case(end));
    is_lock(name) || has("txt") || has("in")
}

/// Returns whether a name is `uv.lock`, `pylock.toml` or `pylock.NAME.toml`.
fn is_lock(name: &str) -> bool {
    name == "uv.lock" || (name.starts_with("pylock.") && name.ends_with(".toml"))
}

/// Reads a requirements or lock file, depending on its name. Files included by a `requirements.txt`
/// are read if they are in its folder.
///
/// # Errors
///
/// The file itself cannot be read. Problems with a line or an included file are in
/// [`Requirements::notes`].
pub fn read(
    path: &Path,
    build: Build,
    platform: Platform,
) -> Result<Requirements, RequirementsError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !is_lock(name) {
        return text::read(path, build, platform);
    }
    let bytes = load(path)?;
    let content = std::str::from_utf8(&bytes).map_err(|error| RequirementsError::Toml {
        path: path.to_owned(),
        why: error.to_string(),
    })?;
    lock(content, path, build, platform)
}

/// Parses the text of a lock file. `path` is only its name and is not opened.
///
/// # Errors
///
/// [`RequirementsError::Toml`] if it is not a lock file.
pub fn lock(
    content: &str,
    path: &Path,
    build: Build,
    platform: Platform,
) -> Result<Requirements, RequirementsError> {
    let is_uv = path.file_name().is_some_and(|name| name == "uv.lock");
    let read = if is_uv { lock::uv } else { lock::pylock };
    let mut requirements = read(content, build, platform)
        .map_err(|why| RequirementsError::Toml { path: path.to_owned(), why })?;
    requirements.wanted.iter_mut().for_each(|wanted| wanted.file = path.to_owned());
    Ok(requirements)
}

fn load(path: &Path) -> Result<Vec<u8>, RequirementsError> {
    crate::files::read(path, MAX_FILE_BYTES)
        .map_err(|why| RequirementsError::Io { path: path.to_owned(), why })
}

fn as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.to_string_lossy())
}
