//! A way of imports, as it is told.

use serde::{Serialize, Serializer};
use std::path::{Path, PathBuf};

/// ImportTiming an import runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImportTiming {
    /// Whenever its module is imported, as far as a look at the source can tell.
    Always,
    /// In a `try` that catches its failure.
    Guarded,
    /// In a function, or lazily: later, if at all.
    Later,
}

/// One import of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportStep {
    /// The module that imports.
    pub module: String,
    /// Its file.
    #[serde(serialize_with = "as_text")]
    pub file: PathBuf,
    /// The line of the import there, from 1.
    pub line: usize,
    /// What it imports.
    pub imports: String,
    /// ImportTiming that runs.
    pub when: ImportTiming,
}

/// A way from an entry to a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportChain {
    /// The module it leads to.
    pub target: String,
    /// Its imports, from the entry on; none if the target is an entry itself.
    pub steps: Vec<ImportStep>,
    /// ImportTiming the whole of it runs: as its least certain import does.
    pub when: ImportTiming,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportChains {
    /// The shortest chain to each target that can be reached.
    pub chains: Vec<ImportChain>,
    /// Files that could not be read or parsed, and why: what they import is not known.
    pub notes: Vec<String>,
}

fn as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.to_string_lossy())
}
