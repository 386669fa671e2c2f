//! What a project wants: `requirements.txt`, `uv.lock`, `pylock.toml` (PEP 751). Nothing is
//! resolved: a requirement without a version has none here, and only the index knows its wheels.

mod lock;
mod text;

use crate::tags::WheelName;
use crate::target::{Build, Platform};
use serde::{Serialize, Serializer};
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes: several times the largest lock files.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// The GIL status of a wheel that is listed but was not read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WheelStatus {
    /// By its tag it has nothing compiled: it cannot switch the GIL on.
    NothingCompiled,
    /// Nothing: a wheel for the build is no promise that its modules leave the GIL off.
    NotRead,
    /// No wheel is listed for the build.
    #[default]
    NoWheel,
}

/// One requirement.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Requirement {
    /// The project's name as it stands there.
    pub name: String,
    /// The versions that will do, as they stand there: `>=1,<2`. `None` if any will.
    pub specifier: Option<String>,
    /// The one version that will do, where there is but one.
    pub version: Option<String>,
    /// When it is wanted, as it stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
    /// Whether it is wanted on the build and the platform asked about; `None` where that cannot be
    /// told.
    pub applies: Option<bool>,
    /// Where it comes from if not from an index: a URL, a folder, a repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// How many hashes are pinned for it.
    pub hashes: usize,
    /// The wheels that a lock file lists; empty for a `requirements.txt`.
    pub wheels: Vec<WheelName>,
    /// The wheel of those that an installer would take for the build and platform.
    #[serde(serialize_with = "crate::tags::as_name")]
    pub wheel: Option<WheelName>,
    /// The GIL status of that wheel.
    pub gil: WheelStatus,
    /// A lock file lists a source distribution for it.
    pub sdist: bool,
    /// The file it stands in.
    #[serde(serialize_with = "as_text")]
    pub file: PathBuf,
    /// Its line there, from 1; `None` for lock files.
    pub line: Option<usize>,
}

impl Requirement {
    /// The wheel of the lock file that an installer could take for that build and platform. Of
    /// several it is the one most its own: by ABI, then the stable ABI, then none.
    #[must_use]
    pub fn wheel_for(&self, build: Build, platform: Option<Platform>) -> Option<&WheelName> {
        best_wheel(&self.wheels, build, platform)
    }

    /// The same with [`Requirement::wheel`] and what it says.
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

/// The wheel most made for a build, of those that serve it.
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

/// What a file wants.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Requirements {
    /// Each requirement, in the file's order.
    pub wanted: Vec<Requirement>,
    /// What was passed over, and why.
    pub notes: Vec<String>,
}

/// Why such a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum RequirementsError {
    /// The file could not be read.
    #[error("'{}' cannot be read: {why}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
    /// It is not the TOML it should be.
    #[error("'{}' is not a lock file: {why}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What the parser says, with the line.
        why: String,
    },
}

/// Whether a file of that name is one of these.
#[must_use]
pub fn is_requirements_file(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let has =
        |end: &str| Path::new(name).extension().is_some_and(|ext| ext.eq_ignore_ascii_case(end));
    is_lock(name) || has("txt") || has("in")
}

/// `uv.lock`, `pylock.toml` and `pylock.NAME.toml`.
fn is_lock(name: &str) -> bool {
    name == "uv.lock" || (name.starts_with("pylock.") && name.ends_with(".toml"))
}

/// Reads such a file; which it is, its name says. For `requirements.txt`, so are the files it
/// includes, as long as they lie in its folder.
///
/// # Errors
/// [`RequirementsError`], for the file itself. What is wrong with a line or an included file is in
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

/// Reads the text of a lock file; `path` is what it is called, and is not opened.
///
/// # Errors
/// [`RequirementsError::Toml`] if it is no lock file.
pub fn lock(
    content: &str,
    path: &Path,
    build: Build,
    platform: Platform,
) -> Result<Requirements, RequirementsError> {
    let is_uv = path.file_name().is_some_and(|name| name == "uv.lock");
    let read = if is_uv { lock::uv } else { lock::pylock };
    let mut wants = read(content, build, platform)
        .map_err(|why| RequirementsError::Toml { path: path.to_owned(), why })?;
    wants.wanted.iter_mut().for_each(|wanted| wanted.file = path.to_owned());
    Ok(wants)
}

fn load(path: &Path) -> Result<Vec<u8>, RequirementsError> {
    crate::files::read(path, MAX_FILE_BYTES)
        .map_err(|why| RequirementsError::Io { path: path.to_owned(), why })
}

fn as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.to_string_lossy())
}
