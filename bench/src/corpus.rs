//! Reads the packages of `bench/corpus.txt`, shared by the benchmarks of the audit.

use crate::AnyResult;
use std::path::{Path, PathBuf};

/// A package in the list.
#[derive(Debug, Clone)]
pub struct Package {
    /// Name on the index.
    pub name: String,
    /// Pinned version.
    pub version: String,
    /// Packages that its modules import but that it does not require.
    pub with: Vec<String>,
}

impl Package {
    /// Returns `NAME==VERSION`.
    pub fn pinned(&self) -> String {
        format!("{}=={}", self.name, self.version)
    }
}

/// Returns the packages in the order of the list: an older version of a package comes after its
/// newest.
pub fn packages() -> AnyResult<Vec<Package>> {
    parse(&std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus.txt"))?)
}

/// Returns a folder in cargo's target folder for installed packages and results.
pub fn scratch() -> AnyResult<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program
        .parent()
        .and_then(Path::parent)
        .ok_or("this program is not in cargo's target folder")?;
    Ok(target.join("corpus"))
}

/// Parses the list: lines `NAME==VERSION [with NAME...]`, and comments.
fn parse(text: &str) -> AnyResult<Vec<Package>> {
    let mut packages = Vec::new();
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        if line.is_empty() {
            continue;
        }
        let (pinned, with) = line.split_once(" with ").unwrap_or((line, ""));
        let (name, version) =
            pinned.split_once("==").ok_or_else(|| format!("'{line}' has no version"))?;
        packages.push(Package {
            name: name.into(),
            version: version.into(),
            with: with.split_whitespace().map(str::to_owned).collect(),
        });
    }
    Ok(packages)
}
