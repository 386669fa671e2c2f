//! Import chains.

use serde::{Serialize, Serializer};
use std::path::{Path, PathBuf};

/// When an import runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImportTiming {
    /// Whenever its module is imported.
    Always,
    /// In a `try` that catches its failure.
    Guarded,
    /// In a function, or lazily: later, if at all.
    Later,
}

/// One import of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportStep {
    /// The importing module.
    pub module: String,
    /// Its file.
    #[serde(serialize_with = "as_text")]
    pub file: PathBuf,
    /// Line of the import, from 1.
    pub line: usize,
    /// The imported module.
    pub imports: String,
    /// When the import runs.
    pub when: ImportTiming,
}

/// The imports that lead from an entry point to a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportChain {
    /// The module that the chain leads to.
    pub target: String,
    /// Imports from the entry point on; empty if the target is an entry point itself.
    pub steps: Vec<ImportStep>,
    /// When the whole chain runs: the latest of its imports.
    pub when: ImportTiming,
}

/// Result of a search.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportChains {
    /// The shortest chain to each reachable target.
    pub chains: Vec<ImportChain>,
    /// Files that could not be read or parsed, so their imports are unknown.
    pub notes: Vec<String>,
}

fn as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.to_string_lossy())
}
