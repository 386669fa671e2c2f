//! Parsing, formatting and ordering of versions.
//!
//! `Ord` is not derived: a pre-release is less than its release, while `None < Some(_)`, and `rc10`
//! is greater than `rc9`.

use crate::Version;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

impl Version {
    /// Returns whether this is a final release: no alpha, beta or release candidate.
    pub fn is_final(&self) -> bool {
        self.pre.is_none()
    }

    /// Returns major and minor version: `(3, 14)`.
    pub fn series(&self) -> (u8, u8) {
        (self.major, self.minor)
    }

    /// Returns the sort key of the pre-release; the release itself is last. The key contains the
    /// text so that `Ord` is consistent with `Eq`.
    fn stage(&self) -> (u8, u32, &str) {
        let Some(pre) = self.pre.as_deref() else { return (u8::MAX, 0, "") };
        let letters = pre.trim_end_matches(|c: char| c.is_ascii_digit());
        let stage = match letters {
            "a" => 0,
            "b" => 1,
            "rc" | "c" => 2,
            _ => 3,
        };
        (stage, pre[letters.len()..].parse().unwrap_or(0), pre)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.micro, self.stage()).cmp(&(
            other.major,
            other.minor,
            other.micro,
            other.stage(),
        ))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)?;
        f.write_str(self.pre.as_deref().unwrap_or(""))
    }
}

/// A text that is not a version: three numbers, optionally followed by `a1`, `b2` or `rc3`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a version such as 3.14.2 or 3.15.0rc1")]
pub struct NotAVersion(String);

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        match parse_parts(text) {
            Some((major, Some(minor), Some(micro), pre)) => {
                Ok(Version { major, minor, micro, pre })
            }
            _ => Err(NotAVersion(text.to_owned())),
        }
    }
}

/// The parts of a version, as far as they are given: major, minor, micro, pre-release.
pub(crate) type VersionParts = (u8, Option<u8>, Option<u8>, Option<String>);

/// Parses `3`, `3.14`, `3.14.2` or `3.15.0rc1`; returns `None` for anything else.
pub(crate) fn parse_parts(text: &str) -> Option<VersionParts> {
    let cut = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, pre) = text.split_at(cut);
    let mut parts = digits.split('.').map(number);
    let major = parts.next()??;
    let minor = parts.next().map(|part| part.ok_or(())).transpose().ok()?;
    let micro = parts.next().map(|part| part.ok_or(())).transpose().ok()?;
    if parts.next().is_some() {
        return None;
    }
    let pre = match pre {
        "" => None,
        pre if micro.is_some() && is_pre(pre) => Some(pre.to_owned()),
        _ => return None,
    };
    Some((major, minor, micro, pre))
}

/// Parses a part of a version: digits without leading zeros, at most 255.
fn number(text: &str) -> Option<u8> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

fn is_pre(text: &str) -> bool {
    let number = ["a", "b", "rc"].iter().find_map(|stage| text.strip_prefix(stage));
    number.is_some_and(|n| self::number(n).is_some())
}
