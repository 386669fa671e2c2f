//! Reasons why a file with the name of an extension module is not analyzed.
//!
//! A file that the audited build would not import says nothing about that build. It is still listed
//! with the reason, because a module missing from a report looks like a module without problems.

use super::ExtensionFile;
use crate::names::{self, Abi};
use crate::target::Build;
use serde::Serialize;

/// Kind of reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    OtherPlatform,
    /// Its name is for another build of CPython, or another implementation of Python.
    OtherBuild,
    /// A binary without an init function: a plain library.
    NoInit,
    /// No `import` statement can name it, such as a library in a folder called `numpy.libs`.
    NoImportName,
}

/// Why a file is not analyzed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    pub reason: SkipReason,
    /// Explanation for the user.
    pub why: String,
}

impl ExtensionFile {
    /// Skips the file if its name shows that the build cannot import it. `platforms` are the
    /// platform tags of its wheel or environment; an empty list accepts any platform.
    pub(crate) fn skip_by_name(&mut self, build: Build, platforms: &[String]) {
        let Some(name) = self.path.rsplit('/').next().and_then(names::parse) else { return };
        let (reason, why) = if self.module.is_none() {
            (SkipReason::NoImportName, "no import statement can name it".to_owned())
        } else if !self.abi.is_importable_by(build) {
            let of = match &self.abi {
                Abi::Cpython { build, debug: false } => format!("CPython {build}"),
                Abi::Cpython { build, debug: true } => format!("a debug build of CPython {build}"),
                Abi::Abi3 => "the stable ABI abi3".to_owned(),
                Abi::Abi3t => "the stable ABI abi3t".to_owned(),
                Abi::Other { tag } => format!("'{tag}'"),
                Abi::Bare => return,
            };
            (SkipReason::OtherBuild, format!("its name is for {of}"))
        } else if !platforms.is_empty() && !platforms.iter().any(|tag| name.platform.fits(tag)) {
            (SkipReason::OtherPlatform, format!("its name is for {}", name.platform.text))
        } else {
            return;
        };
        self.skipped = Some(Skipped { reason, why });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn skips_files_by_name() {
        let wheel = ["manylinux_2_17_x86_64".to_owned(), "manylinux2014_x86_64".to_owned()];
        for (path, expected) in [
            ("a/_x.cpython-314t-x86_64-linux-gnu.so", None),
            ("a/_x.so", None),
            ("a/_x.pyd", Some((SkipReason::OtherPlatform, "its name is for .pyd"))),
            (
                "a/_x.cp314t-win_amd64.pyd",
                Some((SkipReason::OtherPlatform, "its name is for win_amd64")),
            ),
            (
                "a/_x.cpython-314t-aarch64-linux-gnu.so",
                Some((SkipReason::OtherPlatform, "its name is for aarch64-linux-gnu")),
            ),
            (
                "a/_x.cpython-314-x86_64-linux-gnu.so",
                Some((SkipReason::OtherBuild, "its name is for CPython 3.14")),
            ),
            (
                "a/_x.abi3t.so",
                Some((SkipReason::OtherBuild, "its name is for the stable ABI abi3t")),
            ),
            (
                "a/_x.pypy38-pp73.so",
                Some((SkipReason::OtherBuild, "its name is for 'pypy38-pp73'")),
            ),
            (
                "a.libs/libb-1.so",
                Some((SkipReason::NoImportName, "no import statement can name it")),
            ),
        ] {
            let mut found = ExtensionFile::new(path, PathBuf::from(path)).unwrap();
            found.skip_by_name("3.14t".parse().unwrap(), &wheel);
            let skipped = found.skipped.as_ref().map(|one| (one.reason, one.why.as_str()));
            assert_eq!(skipped, expected, "{path}");
        }
        let mut found = ExtensionFile::new("a/_x.cp314t-win_amd64.pyd", PathBuf::new()).unwrap();
        found.skip_by_name("3.14t".parse().unwrap(), &[]);
        assert_eq!(found.skipped, None, "without a platform any is accepted");
    }
}
