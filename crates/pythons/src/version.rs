//! A version in words and in order.
//!
//! The order is written out and not derived: a pre-release comes before its release, which a
//! derived order on `Option<String>` has the other way round, and `rc10` after `rc9`.

use crate::Version;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

impl Version {
    /// A final release, neither alpha nor beta nor candidate.
    pub fn is_final(&self) -> bool {
        self.pre.is_none()
    }

    /// `(3, 14)`: what makes two versions the same Python to write for, and twins comparable.
    pub fn series(&self) -> (u8, u8) {
        (self.major, self.minor)
    }

    /// Orders the pre-releases of one version, the release itself last. The text comes in only so
    /// that two versions are equal in order exactly if they are equal.
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

/// The text is not a version: three numbers, and `a1`, `b2` or `rc3` after them or nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a version such as 3.14.2 or 3.15.0rc1")]
pub struct NotAVersion(String);

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        match numbers(text) {
            Some((major, Some(minor), Some(micro), pre)) => {
                Ok(Version { major, minor, micro, pre })
            }
            _ => Err(NotAVersion(text.to_owned())),
        }
    }
}

/// As much of a version as was written.
pub(crate) type Numbers = (u8, Option<u8>, Option<u8>, Option<String>);

/// `3`, `3.14`, `3.14.2` or `3.15.0rc1` taken apart; `None` if it is anything else.
pub(crate) fn numbers(text: &str) -> Option<Numbers> {
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

/// A number as a version has it: no sign, no leading zero, at most 255.
fn number(text: &str) -> Option<u8> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

fn is_pre(text: &str) -> bool {
    let number = ["a", "b", "rc"].iter().find_map(|stage| text.strip_prefix(stage));
    number.is_some_and(|n| self::number(n).is_some())
}
