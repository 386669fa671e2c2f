//! Why a file that is named like an extension module is not judged.
//!
//! A file that an import in the audited build would not load says nothing about that build. It is
//! named with its reason all the same: a module that is missing from a report reads as a module
//! without a fault.

use super::ExtensionFile;
use crate::names::{self, Abi};
use crate::target::Build;
use serde::Serialize;

/// The kinds of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// Its name is for another platform.
    OtherPlatform,
    /// Its name is for another build of CPython, or for another implementation of Python.
    OtherBuild,
    /// It is a binary that exports no init function: a library.
    NoInit,
    /// No `import` statement can name it: a library in a folder called `numpy.libs`.
    NoImportName,
}

/// A reason why a file is not judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The kind of reason.
    pub reason: SkipReason,
    /// The reason in words.
    pub why: String,
}

impl ExtensionFile {
    /// Notes why the file is not to be judged for that build, if its name says so. `platforms` are
    /// the platform tags of the wheel or the environment it is in; none, if any platform will do.
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
    fn a_name_says_why_a_file_is_not_judged() {
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
        assert_eq!(found.skipped, None, "without a platform every one will do");
    }
}
