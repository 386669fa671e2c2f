//! The packages of `bench/corpus.txt`, which the programs that measure the audit share.

use crate::Any;
use std::path::{Path, PathBuf};

/// A line of the list.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name on the index.
    pub name: String,
    /// The version that is pinned.
    pub version: String,
    /// What its modules want to import and it does not require.
    pub with: Vec<String>,
}

impl Package {
    /// `NAME==VERSION`.
    pub fn pinned(&self) -> String {
        format!("{}=={}", self.name, self.version)
    }
}

/// The list, in its order: an older version of a package comes after its newest.
pub fn packages() -> Any<Vec<Package>> {
    list(&std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus.txt"))?)
}

/// A folder below cargo's target folder for what is installed and kept.
pub fn scratch() -> Any<PathBuf> {
    let program = std::env::current_exe()?;
    let target =
        program.parent().and_then(Path::parent).ok_or("this program is in no folder of cargo's")?;
    Ok(target.join("corpus"))
}

/// Reads the list: `NAME==VERSION [with NAME...]`, and comments.
fn list(text: &str) -> Any<Vec<Package>> {
    let mut packages = Vec::new();
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        if line.is_empty() {
            continue;
        }
        let (pinned, with) = line.split_once(" with ").unwrap_or((line, ""));
        let (name, version) =
            pinned.split_once("==").ok_or_else(|| format!("'{line}' pins no version"))?;
        packages.push(Package {
            name: name.into(),
            version: version.into(),
            with: with.split_whitespace().map(str::to_owned).collect(),
        });
    }
    Ok(packages)
}
