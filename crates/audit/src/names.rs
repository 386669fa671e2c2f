//! File names of extension modules: the import name, and the interpreters that accept the file.
//!
//! An interpreter looks for `NAME` followed by one of its suffixes,
//! `importlib.machinery.EXTENSION_SUFFIXES`. The rules are CPython's (`Python/dynload_shlib.c`,
//! `dynload_win.c`); a test compares them with the interpreters:
//! - its own tag: `.cpython-314t-x86_64-linux-gnu.so`, `.cpython-314t-darwin.so`,
//!   `.cp314t-win_amd64.pyd`;
//! - `.abi3.so`, the stable ABI: every build up to 3.14, including free-threaded ones although they
//!   do not have that ABI; from 3.15 on only builds with the GIL;
//! - `.abi3t.so` and `.abi3t-x86_64-linux-gnu.so`, the stable ABI of both kinds of build (PEP 803):
//!   every build from 3.15 on;
//! - no tag, `.so` or `.pyd`: every build. On Windows the stable ABI has no tag.

mod platform;

use crate::target::{Build, digits};
pub use platform::FilePlatform;
use serde::Serialize;

/// ABI in the file name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Abi {
    /// One build of CPython.
    Cpython {
        build: Build,
        /// A debug build.
        debug: bool,
    },
    /// The stable ABI.
    Abi3,
    /// The stable ABI that free-threaded builds support as well.
    Abi3t,
    /// No ABI, accepted by every build.
    Bare,
    /// An ABI that CPython does not accept: that of PyPy, or a name with a dot.
    Other {
        /// The tag in the file name.
        tag: String,
    },
}

impl Abi {
    /// Returns whether a build accepts a file with this ABI, on the file's platform. Loading it may
    /// still fail.
    #[must_use]
    pub fn is_importable_by(&self, build: Build) -> bool {
        match self {
            Abi::Cpython { build: its, debug } => *its == build && !debug,
            Abi::Abi3 => {
                build.numbers() >= (3, 2) && (!build.free_threaded || build.numbers() < (3, 15))
            }
            Abi::Abi3t => build.numbers() >= (3, 15),
            Abi::Bare => true,
            Abi::Other { .. } => false,
        }
    }

    fn parse(tag: &str) -> Abi {
        let other = || Abi::Other { tag: tag.to_owned() };
        match tag.split_once('-').map_or(tag, |(first, _)| first) {
            "abi3" => return Abi::Abi3,
            "abi3t" => return Abi::Abi3t,
            _ => {}
        }
        // `cpython-314t-x86_64-linux-gnu` on Unix, `cp314t-win_amd64` on Windows.
        let Some(version) = tag.strip_prefix("cpython-").or_else(|| tag.strip_prefix("cp")) else {
            return other();
        };
        let version = version.split_once('-').map_or(version, |(version, _)| version);
        let end = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
        let (number, flags) = version.split_at(end);
        let Some((major, Some(minor))) = digits(number) else { return other() };
        // `m` and `u` are flags of old versions.
        if !flags.chars().all(|flag| matches!(flag, 't' | 'd' | 'm' | 'u')) {
            return other();
        }
        let build = Build { major, minor, free_threaded: flags.contains('t') };
        Abi::Cpython { build, debug: flags.contains('d') }
    }
}

/// Parts of a file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName<'a> {
    /// Name of the module: up to the first dot.
    pub stem: &'a str,
    pub abi: Abi,
    pub platform: FilePlatform,
}

/// Parses a file name without its folder. Returns `None` if an extension module cannot have this
/// name.
#[must_use]
pub fn parse(file: &str) -> Option<FileName<'_>> {
    let (name, windows) = match file.strip_suffix(".so") {
        Some(name) => (name, false),
        None => (file.strip_suffix(".pyd")?, true),
    };
    let (stem, tag) = name.split_once('.').map_or((name, None), |(stem, tag)| (stem, Some(tag)));
    let mut abi = tag.map_or(Abi::Bare, Abi::parse);
    // `cpython-314t-x86_64-linux-gnu`, `cp314t-win_amd64`, `abi3t-x86_64-linux-gnu`.
    let after = tag.and_then(|tag| tag.strip_prefix("cpython-").unwrap_or(tag).split_once('-'));
    let platform = FilePlatform::parse(after.map(|(_, platform)| platform), windows);
    let mut stem = stem;
    // On Windows, modules of a debug build have `_d` after the stem: `_x_d.cp314-win_amd64.pyd`.
    if let (true, Some(release), Abi::Cpython { debug, .. }) =
        (windows, stem.strip_suffix("_d"), &mut abi)
    {
        (stem, *debug) = (release, true);
    }
    (!stem.is_empty()).then_some(FileName { stem, abi, platform })
}

/// Returns the name by which a module is imported. `path` is relative to a folder of `sys.path`,
/// with `/` between parts. Returns `None` if no name refers to it, such as a library in
/// `numpy.libs`.
#[must_use]
pub fn dotted(path: &str) -> Option<String> {
    let (folder, file) = path.rsplit_once('/').map_or(("", path), |(folder, file)| (folder, file));
    let stem = parse(file)?.stem;
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    if stem != "__init__" {
        parts.push(stem);
    }
    (!parts.is_empty() && parts.iter().all(|part| is_identifier(part))).then(|| parts.join("."))
}

/// Returns whether a text is an identifier. Python's rule may differ for a few Unicode letters.
pub(crate) fn is_identifier(text: &str) -> bool {
    let first = text.chars().next().is_some_and(|c| c == '_' || c.is_alphabetic());
    first && text.chars().all(|c| c == '_' || c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn abi(file: &str) -> Abi {
        parse(file).unwrap().abi
    }

    fn accepted(file: &str) -> String {
        let builds = ["3.13", "3.13t", "3.14", "3.14t", "3.15", "3.15t"];
        let accepted =
            builds.iter().filter(|build| abi(file).is_importable_by(build.parse().unwrap()));
        accepted.copied().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn builds_accept_their_file_names() {
        for (file, builds) in [
            ("_x.cpython-314t-x86_64-linux-gnu.so", "3.14t"),
            ("_x.cpython-314-x86_64-linux-gnu.so", "3.14"),
            ("_x.cpython-314td-x86_64-linux-gnu.so", ""),
            ("_x.cpython-315t-darwin.so", "3.15t"),
            ("_x.cp314t-win_amd64.pyd", "3.14t"),
            ("_x_d.cp314t-win_amd64.pyd", ""),
            ("_x.abi3.so", "3.13 3.13t 3.14 3.14t 3.15"),
            ("_x.abi3-x86_64-linux-gnu.so", "3.13 3.13t 3.14 3.14t 3.15"),
            ("_x.abi3t.so", "3.15 3.15t"),
            ("_x.so", "3.13 3.13t 3.14 3.14t 3.15 3.15t"),
            ("_x.pyd", "3.13 3.13t 3.14 3.14t 3.15 3.15t"),
            ("_x.pypy311-pp73-x86_64-linux-gnu.so", ""),
            ("_x.cpython-36m-x86_64-linux-gnu.so", ""),
        ] {
            assert_eq!(accepted(file), builds, "{file}");
        }
    }

    #[test]
    fn derives_the_import_name() {
        for (path, name) in [
            ("a/b/_c.cpython-314t-x86_64-linux-gnu.so", Some("a.b._c")),
            ("_c.so", Some("_c")),
            ("a/__init__.abi3.so", Some("a")),
            ("_c_d.cp314-win_amd64.pyd", Some("_c")),
            ("_c_d.so", Some("_c_d")),
            ("a.libs/libb-1234.so", None),
            ("a-b/_c.so", None),
            ("__init__.so", None),
            ("a/3.so", None),
            (".so", None),
            ("a/b.py", None),
            ("größe/_é.so", Some("größe._é")),
        ] {
            assert_eq!(dotted(path).as_deref(), name, "{path}");
        }
    }

    proptest! {
        #[test]
        fn accepts_any_name(name in "\\PC*", tag in "(cp|cpython-)?[0-9tdmu.-]{0,8}[^/]{0,4}") {
            let _ = dotted(&name);
            let file = format!("x.{tag}.so");
            prop_assert!(parse(&file).is_some());
        }
    }
}
