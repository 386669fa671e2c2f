//! Distributions and their extension modules, as found in environments and wheels. Serialized to
//! the JSON of `ungil audit`.

mod skipped;

use crate::metadata::{Claim, Metadata};
use crate::model::{ModuleAnalysis, Verdict};
use crate::names::{self, Abi};
use crate::tags::TagSet;
use crate::target::Build;
use serde::{Serialize, Serializer};
pub use skipped::{SkipReason, Skipped};
use std::path::{Path, PathBuf};

/// A file with the name of an extension module. It may be a plain library, which only its analysis
/// shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExtensionFile {
    /// Path below its folder of `sys.path`, or in its wheel as if that were installed, with `/`
    /// between parts.
    pub path: String,
    /// Path on disk, or in the wheel.
    #[serde(serialize_with = "as_text")]
    pub file: PathBuf,
    /// Name by which it is imported, if an `import` statement can name it.
    pub module: Option<String>,
    /// ABI in its file name.
    pub abi: Abi,
    /// Why it was not analyzed; `None` if the build can import it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Skipped>,
    /// Why it could not be read or parsed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// Result of the analysis for each module in the file; filled in by the caller.
    #[serde(rename = "judgements")]
    pub analyses: Vec<ModuleAnalysis>,
}

impl ExtensionFile {
    /// Returns a file by its path below a folder of `sys.path`, or `None` if an extension module
    /// cannot have this name.
    #[must_use]
    pub fn new(path: &str, file: PathBuf) -> Option<ExtensionFile> {
        let name = names::parse(path.rsplit('/').next()?)?;
        Some(ExtensionFile {
            path: path.to_owned(),
            file,
            module: names::dotted(path),
            abi: name.abi,
            skipped: None,
            unreadable: None,
            analyses: Vec::new(),
        })
    }

    /// Returns whether the build can import it. A file for another build or platform has no effect.
    #[must_use]
    pub fn is_importable_by(&self, build: Build) -> bool {
        self.skipped.is_none() && self.module.is_some() && self.abi.is_importable_by(build)
    }

    /// Returns the analysis of the module with the name of this file, or of the only module in it.
    /// Other modules may share the file.
    #[must_use]
    pub fn analysis(&self) -> Option<&ModuleAnalysis> {
        let last = self.module.as_deref().and_then(|name| name.rsplit('.').next());
        let own = self.analyses.iter().find(|analysis| Some(analysis.name.as_str()) == last);
        own.or_else(|| self.analyses.first().filter(|_| self.analyses.len() == 1))
    }

    /// Returns whether importing it enables the GIL, or `None` if that is unknown or it was not
    /// analyzed.
    #[must_use]
    pub fn enables_gil(&self) -> Option<bool> {
        self.analysis().map(|analysis| &analysis.verdict).and_then(Verdict::enables_gil)
    }
}

/// An installed distribution, or a wheel.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Distribution {
    /// Name in its metadata.
    pub name: String,
    /// Version in its metadata; empty if it has none.
    pub version: String,
    /// Tags of its wheel; empty if it was not installed from one.
    pub wheel_tags: Vec<TagSet>,
    /// The highest level of its free-threading classifiers.
    pub claim: Option<Claim>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requires_python: Option<String>,
    /// Its `Requires-Dist` lines.
    pub requires: Vec<String>,
    /// Top-level packages and modules, from `top_level.txt` or from its files; sorted.
    pub top_level: Vec<String>,
    /// It is an editable install.
    pub editable: bool,
    /// Folder of `sys.path` it is installed in; `None` for a wheel.
    #[serde(serialize_with = "as_optional_text", skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// Its extension modules, by path.
    pub modules: Vec<ExtensionFile>,
    /// Its Python files, with paths like [`ExtensionFile::path`]; not in the JSON.
    #[serde(skip)]
    pub sources: Vec<String>,
    /// Its metadata was found and read; not in the JSON.
    #[serde(skip)]
    pub has_metadata: bool,
    /// Anomalies, and what could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Distribution {
    /// Copies fields from its METADATA.
    pub(crate) fn apply_metadata(&mut self, metadata: Metadata) {
        self.has_metadata = true;
        self.name = metadata.name.unwrap_or_default();
        self.version = metadata.version.unwrap_or_default();
        self.claim = metadata.claim;
        self.requires_python = metadata.requires_python;
        self.requires = metadata.requires;
    }

    /// Adds a file of the distribution, if it is a module or a source.
    pub(crate) fn add_file(&mut self, path: &str, file: PathBuf) {
        if is_python(path) {
            self.sources.push(path.to_owned());
        } else if let Some(found) = ExtensionFile::new(path, file) {
            self.modules.push(found);
        }
    }

    /// Sorts its files, and derives the top-level names if there was no `top_level.txt`.
    pub(crate) fn finish(&mut self) {
        self.modules.sort_by(|a, b| (&a.path, &a.file).cmp(&(&b.path, &b.file)));
        self.modules.dedup_by(|a, b| a.file == b.file);
        self.sources.sort_unstable();
        self.sources.dedup();
        if self.top_level.is_empty() {
            let sources = self.sources.iter().map(String::as_str);
            let modules = self.modules.iter().map(|found| found.path.as_str());
            let first = |path: &'_ str| {
                let first = path.split('/').next().unwrap_or_default();
                first.split('.').next().filter(|name| names::is_identifier(name)).map(str::to_owned)
            };
            self.top_level = sources.chain(modules).filter_map(first).collect();
        }
        self.top_level.sort_unstable();
        self.top_level.dedup();
    }
}

/// Returns whether a path is a Python source.
pub(crate) fn is_python(path: &str) -> bool {
    path.ends_with(".py") || path.ends_with(".pyw")
}

// A path that is not UTF-8 must not fail the JSON output.
fn as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.to_string_lossy())
}

#[allow(clippy::ref_option)] // serde's signature
fn as_optional_text<S: Serializer>(
    path: &Option<PathBuf>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => as_text(path, serializer),
        None => serializer.serialize_none(),
    }
}
