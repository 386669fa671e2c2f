//! Wheel tags (PEP 425, PEP 427): the builds and platforms of a wheel.
//!
//! Each part of `cp315-abi3.abi3t-manylinux2014_x86_64` is a set, and every combination is a tag.
//! The sets are kept, so a name with a hundred dots stays small.

use crate::target::{Build, Platform, digits};
use serde::{Serialize, Serializer};
use std::fmt;

/// Compressed tag set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TagSet {
    /// `cp314`, `py3`.
    pub python: Vec<String>,
    /// `cp314t`, `abi3`, `abi3t`, `none`.
    pub abi: Vec<String>,
    /// `manylinux_2_28_x86_64`, `any`.
    pub platform: Vec<String>,
}

impl TagSet {
    /// Parses `PYTHON-ABI-PLATFORM`.
    #[must_use]
    pub fn parse(text: &str) -> Option<TagSet> {
        let mut parts = text.split('-').map(set);
        let tags = TagSet { python: parts.next()??, abi: parts.next()??, platform: parts.next()?? };
        parts.next().is_none().then_some(tags)
    }

    /// Returns whether an installer accepts a wheel with these tags for a build and, if given, a
    /// platform.
    ///
    /// Same rules as in the project `packaging`: a specific ABI only for its own version; `abi3`
    /// for builds with the GIL and `abi3t` for free-threaded ones, of that version or later; `none`
    /// for that version, or for any later one with a `py` tag.
    #[must_use]
    pub fn serves(&self, build: Build, platform: Option<Platform>) -> bool {
        let runs =
            platform.is_none_or(|platform| self.platform.iter().any(|tag| platform.runs(tag)));
        runs && self
            .abi
            .iter()
            .any(|abi| self.python.iter().any(|python| serves(python, abi, build)))
    }

    /// Returns whether it contains this ABI.
    #[must_use]
    pub fn has_abi(&self, abi: &str) -> bool {
        self.abi.iter().any(|its| its == abi)
    }

    /// Returns whether its platform is one that a wheel gets only by being repaired for other
    /// machines (PEP 600, PEP 656).
    #[must_use]
    pub fn is_repaired(&self) -> bool {
        self.platform.iter().any(|tag| tag.starts_with("manylinux") || tag.starts_with("musllinux"))
    }

    /// Returns whether it names the ABI of free-threaded builds: `cp314t`, `abi3t`.
    #[must_use]
    pub fn names_free_threading(&self) -> bool {
        self.abi.iter().any(|abi| {
            let version = abi.strip_prefix("cp").and_then(|rest| rest.strip_suffix('t'));
            abi == "abi3t" || version.is_some_and(|version| digits(version).is_some())
        })
    }
}

fn set(text: &str) -> Option<Vec<String>> {
    let good =
        |tag: &str| !tag.is_empty() && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    text.split('.').map(|tag| good(tag).then(|| tag.to_owned())).collect()
}

fn serves(python: &str, abi: &str, build: Build) -> bool {
    let Some((name, version)) = python.split_at_checked(2) else { return false };
    let Some((major, minor)) = digits(version) else { return false };
    let its = (major, minor.unwrap_or(0));
    let not_later = its <= build.numbers();
    match (name, abi) {
        ("cp", "abi3") => !build.free_threaded && not_later && its >= (3, 2),
        ("cp", "abi3t") => build.free_threaded && not_later && its >= (3, 2),
        ("cp", "none") => its == build.numbers(),
        ("py", "none") => major == build.major && not_later,
        ("cp", abi) => its == build.numbers() && abi == build.abi(),
        _ => false,
    }
}

impl fmt::Display for TagSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.python.join("."), self.abi.join("."), self.platform.join("."))
    }
}

impl Serialize for TagSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// File name of a wheel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WheelName {
    /// Name of the project, as written.
    pub name: String,
    /// Version, as written.
    pub version: String,
    /// Build number, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    pub tags: TagSet,
}

impl WheelName {
    /// Parses `NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl`, without a folder.
    #[must_use]
    pub fn parse(file: &str) -> Option<WheelName> {
        let stem = file.strip_suffix(".whl")?;
        if file.len() > 1_000 {
            return None;
        }
        let at = stem.match_indices('-').rev().nth(2)?.0;
        let tags = TagSet::parse(stem.get(at + 1..)?)?;
        let mut parts = stem.get(..at)?.split('-');
        let (name, version, build) = (parts.next()?, parts.next()?, parts.next());
        let good = |part: &str| !part.is_empty() && !part.contains(['/', '\\', ' ']);
        let digit = |build: &str| build.starts_with(|c: char| c.is_ascii_digit());
        if parts.next().is_some() || !good(name) || !good(version) || !build.is_none_or(digit) {
            return None;
        }
        Some(WheelName {
            name: name.to_owned(),
            version: version.to_owned(),
            build: build.map(str::to_owned),
            tags,
        })
    }
}

impl fmt::Display for WheelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-", self.name, self.version)?;
        if let Some(build) = &self.build {
            write!(f, "{build}-")?;
        }
        write!(f, "{}.whl", self.tags)
    }
}

/// Serializes a wheel as its file name.
#[allow(clippy::ref_option)] // serde's signature
pub(crate) fn as_name<S: Serializer>(
    wheel: &Option<WheelName>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match wheel {
        Some(wheel) => serializer.collect_str(wheel),
        None => serializer.serialize_none(),
    }
}

/// Normalizes the name of a project for comparison: lower case, with `-` for every run of `-`, `_`
/// and `.` (PEP 503).
#[must_use]
pub fn normalize_name(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for c in name.trim().chars() {
        match c {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            _ => normal.extend(c.to_lowercase()),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Expected values from `packaging.tags` 26.3 on these builds.
    #[test]
    fn tags_serve_their_builds() {
        for (tags, builds) in [
            ("cp314-cp314t-any", "3.14t"),
            ("cp314-cp314-any", "3.14"),
            ("cp38-abi3-any", "3.14 3.15"),
            ("cp315-abi3-any", "3.15"),
            ("cp315-abi3.abi3t-any", "3.15 3.15t"),
            ("cp315-abi3t-any", "3.15t"),
            ("py3-none-any", "3.14 3.14t 3.15 3.15t"),
            ("py2.py3-none-any", "3.14 3.14t 3.15 3.15t"),
            ("py2-none-any", ""),
            ("py315-none-any", "3.15 3.15t"),
            ("cp314-none-any", "3.14 3.14t"),
            ("pp311-pypy311_pp73-any", ""),
        ] {
            let set = TagSet::parse(tags).unwrap();
            let all = ["3.14", "3.14t", "3.15", "3.15t"];
            let served: Vec<_> =
                all.into_iter().filter(|build| set.serves(build.parse().unwrap(), None)).collect();
            assert_eq!(served.join(" "), builds, "{tags}");
            assert_eq!(set.to_string(), tags);
        }
    }

    #[test]
    fn parses_wheel_names() {
        let file =
            "pydantic_core-2.50.4-1a-cp314-cp314t-manylinux2014_x86_64.manylinux_2_17_x86_64.whl";
        let name = WheelName::parse(file).unwrap();
        assert_eq!(
            (name.name.as_str(), name.version.as_str(), name.build.as_deref()),
            ("pydantic_core", "2.50.4", Some("1a"))
        );
        assert_eq!(name.tags.platform.len(), 2);
        assert!(name.tags.names_free_threading());
        assert_eq!(name.to_string(), file);
        for bad in [
            "a-1-py3-none.whl",
            "a-1-b-py3-none-any.whl",
            "a-1-2-3-py3-none-any.whl",
            "a--py3-none-any.whl",
            "../a-1-py3-none-any.whl",
            "a-1-py3--any.whl",
            "a-1-py3-none-any",
        ] {
            assert!(WheelName::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn normalizes_names_like_pep_503() {
        assert_eq!(normalize_name("Foo._-bar_Baz"), "foo-bar-baz");
    }

    proptest! {
        #[test]
        fn wheel_names_round_trip(file in "[a-z_.]{1,6}-[0-9.]{1,4}(-[0-9]{1,2})?-[a-z0-9.]{1,9}-[a-z0-9.]{1,9}-[a-z0-9_.]{1,9}\\.whl") {
            if let Some(name) = WheelName::parse(&file) {
                prop_assert_eq!(name.to_string(), file);
            }
        }

        #[test]
        fn accepts_any_name(file in "\\PC*(-\\PC*){0,5}\\.whl") {
            if let Some(name) = WheelName::parse(&file) {
                let _ = name.tags.serves("3.14t".parse().unwrap(), Platform::here());
            }
        }
    }
}
