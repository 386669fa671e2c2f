//! What an audit found: distributions and their extension modules. These are the words of the
//! verb's JSON.

mod skipped;

use crate::metadata::{Claim, Metadata};
use crate::model::{ModuleAnalysis, Verdict};
use crate::names::{self, Abi};
use crate::tags::TagSet;
use crate::target::Build;
use serde::{Serialize, Serializer};
pub use skipped::{SkipReason, Skipped};
use std::path::{Path, PathBuf};

/// A file that, by its name, is an extension module. Whether it really is one shows when it is
/// judged: a library in a package's folder may have such a name too.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExtensionFile {
    /// Its path below the folder of `sys.path` that it is in, or in its wheel as if that were
    /// installed; `/` between parts.
    pub path: String,
    /// Where it is on disk, or its path in its wheel.
    #[serde(serialize_with = "as_text")]
    pub file: PathBuf,
    /// The name it is imported by; none if no `import` statement can name it.
    pub module: Option<String>,
    /// The ABI that its name says it has.
    pub abi: Abi,
    /// The reason why it is not judged; `None` for a file that the build would import.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Skipped>,
    /// The reason why its bytes could not be read, or not as a binary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// What its binary says: one for each module in it. The caller fills this in.
    #[serde(rename = "judgements")]
    pub analyses: Vec<ModuleAnalysis>,
}

impl ExtensionFile {
    /// A file by its path below a folder of `sys.path`; `None` if it is no extension module by its
    /// name.
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

    /// Returns whether that build imports it, as far as is known: a file for another build or
    /// platform does it no harm.
    #[must_use]
    pub fn is_importable_by(&self, build: Build) -> bool {
        self.skipped.is_none() && self.module.is_some() && self.abi.is_importable_by(build)
    }

    /// What the module of this file's own name does, or the only one in it, if it has been judged;
    /// others share the file.
    #[must_use]
    pub fn analysis(&self) -> Option<&ModuleAnalysis> {
        let last = self.module.as_deref().and_then(|name| name.rsplit('.').next());
        let own = self.analyses.iter().find(|analysis| Some(analysis.name.as_str()) == last);
        own.or_else(|| self.analyses.first().filter(|_| self.analyses.len() == 1))
    }

    /// Whether importing it switches the GIL on; `None` where that is unknown or it has not been
    /// judged.
    #[must_use]
    pub fn enables_gil(&self) -> Option<bool> {
        self.analysis().map(|analysis| &analysis.verdict).and_then(Verdict::enables_gil)
    }
}

/// An installed distribution, or a wheel.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Distribution {
    /// Its name as its metadata has it.
    pub name: String,
    /// Its version, likewise; empty if it says none.
    pub version: String,
    /// What its wheel was for. Empty if it did not come as a wheel.
    pub wheel_tags: Vec<TagSet>,
    /// What its classifiers say of free threading; `None` if nothing.
    pub claim: Option<Claim>,
    /// Its `Requires-Python`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requires_python: Option<String>,
    /// Its `Requires-Dist`, one requirement each, as they stand.
    pub requires: Vec<String>,
    /// The packages and modules it brings, by `top_level.txt` or by its files; sorted.
    pub top_level: Vec<String>,
    /// It is a link to its sources (an editable install).
    pub editable: bool,
    /// The folder of `sys.path` it is installed in; `None` for a wheel.
    #[serde(serialize_with = "as_optional_text", skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// Its extension modules, by path.
    pub modules: Vec<ExtensionFile>,
    /// Its Python files, as [`ExtensionFile::path`] has paths; not in the JSON.
    #[serde(skip)]
    pub sources: Vec<String>,
    /// Its metadata were found and read; not in the JSON.
    #[serde(skip)]
    pub has_metadata: bool,
    /// What was odd about it or could not be read, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Distribution {
    /// Takes over what its METADATA says.
    pub(crate) fn apply_metadata(&mut self, metadata: Metadata) {
        self.has_metadata = true;
        self.name = metadata.name.unwrap_or_default();
        self.version = metadata.version.unwrap_or_default();
        self.claim = metadata.claim;
        self.requires_python = metadata.requires_python;
        self.requires = metadata.requires;
    }

    /// Takes a file of its own, if it is a module or a source.
    pub(crate) fn add_file(&mut self, path: &str, file: PathBuf) {
        if is_python(path) {
            self.sources.push(path.to_owned());
        } else if let Some(found) = ExtensionFile::new(path, file) {
            self.modules.push(found);
        }
    }

    /// Puts its files in order, and says what it brings where no `top_level.txt` did.
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

/// Whether a path is of Python source that can be imported or run.
pub(crate) fn is_python(path: &str) -> bool {
    path.ends_with(".py") || path.ends_with(".pyw")
}

// A path that is not UTF-8 must not be the end of a whole audit's JSON.
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
