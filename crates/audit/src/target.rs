//! Target of an audit: a build of CPython and a platform, which need not be those of this machine.

use crate::image::Arch;
use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A build of CPython: `3.14`, `3.14t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Build {
    pub major: u8,
    pub minor: u8,
    pub free_threaded: bool,
}

impl Build {
    /// Returns the ABI of its wheel tags: `cp314t`.
    #[must_use]
    pub fn abi(&self) -> String {
        format!("{}{}", self.python(), if self.free_threaded { "t" } else { "" })
    }

    /// Returns the Python part of its wheel tags: `cp314`.
    #[must_use]
    pub fn python(&self) -> String {
        format!("cp{}{}", self.major, self.minor)
    }

    /// Returns its version without the ABI: `3.14`.
    #[must_use]
    pub fn version(&self) -> String {
        format!("{}.{}", self.major, self.minor)
    }

    pub(crate) fn numbers(&self) -> (u8, u8) {
        (self.major, self.minor)
    }
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}{}", self.major, self.minor, if self.free_threaded { "t" } else { "" })
    }
}

impl Serialize for Build {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The text is not a build.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a build of CPython such as 3.14 or 3.14t")]
pub struct ParseBuildError(pub String);

impl FromStr for Build {
    type Err = ParseBuildError;

    /// Parses `3.14`, `3.14t`, `3.14.2` and `3.14.2t`.
    fn from_str(text: &str) -> Result<Build, ParseBuildError> {
        let no = || ParseBuildError(text.chars().take(40).collect());
        let (version, free_threaded) =
            text.strip_suffix('t').map_or((text, false), |version| (version, true));
        let mut parts = version.split('.').map(number);
        let (Some(Some(major)), Some(Some(minor))) = (parts.next(), parts.next()) else {
            return Err(no());
        };
        if parts.next().is_some_and(|patch| patch.is_none()) || parts.next().is_some() {
            return Err(no());
        }
        Ok(Build { major, minor, free_threaded })
    }
}

/// Parses decimal digits only: `parse` would accept a sign.
fn number(text: &str) -> Option<u8> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Parses a version without dots, as in tags: `314` is (3, 14), `27` is (2, 7), `3` is (3, none).
pub(crate) fn digits(text: &str) -> Option<(u8, Option<u8>)> {
    let (major, minor) = text.split_at_checked(1)?;
    Some((number(major)?, if minor.is_empty() { None } else { Some(number(minor)?) }))
}

/// An operating system that wheels are built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum System {
    /// Linux with glibc.
    Linux,
    /// Linux with musl.
    LinuxMusl,
    MacOs,
    Windows,
}

/// Platform of an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Platform {
    pub system: System,
    pub arch: Arch,
}

impl Platform {
    /// Returns the platform this program was built for, if it is a supported one.
    #[must_use]
    pub fn here() -> Option<Platform> {
        let arch = match std::env::consts::ARCH {
            "x86_64" => Arch::X86_64,
            "aarch64" => Arch::Aarch64,
            _ => return None,
        };
        let system = match std::env::consts::OS {
            // ungil may be a static musl program on a machine whose Pythons use glibc, as nearly
            // all do.
            "linux" => System::Linux,
            "macos" => System::MacOs,
            "windows" => System::Windows,
            _ => return None,
        };
        Some(Platform { system, arch })
    }

    /// Returns the platform tag of a wheel built on that machine for itself.
    pub(crate) fn tag(&self) -> String {
        match self.system {
            System::Linux | System::LinuxMusl => format!("linux_{}", self.machine()),
            System::MacOs => format!("macosx_11_0_{}", self.machine()),
            System::Windows => format!("win_{}", self.machine().to_ascii_lowercase()),
        }
    }

    /// Returns Python's name for the processor: `platform.machine()`.
    pub(crate) fn machine(&self) -> &'static str {
        match (self.system, self.arch) {
            (System::Windows, Arch::X86_64) => "AMD64",
            (System::Windows, Arch::Aarch64) => "ARM64",
            (System::MacOs, Arch::Aarch64) => "arm64",
            (_, Arch::X86_64) => "x86_64",
            (_, Arch::Aarch64) => "aarch64",
        }
    }

    /// Returns whether a platform tag is for this platform. Minimum versions of libc or macOS are
    /// ignored: the question is whether a wheel exists, not whether this machine is new enough.
    #[must_use]
    pub fn runs(&self, tag: &str) -> bool {
        if tag == "any" {
            return true;
        }
        let arch = |suffixes: &[&str]| suffixes.iter().any(|suffix| tag.ends_with(suffix));
        match self.system {
            System::Linux => {
                let libc = tag.starts_with("manylinux") || tag.starts_with("linux_");
                libc && arch(if self.arch == Arch::X86_64 { &["_x86_64"] } else { &["_aarch64"] })
            }
            System::LinuxMusl => {
                let libc = tag.starts_with("musllinux") || tag.starts_with("linux_");
                libc && arch(if self.arch == Arch::X86_64 { &["_x86_64"] } else { &["_aarch64"] })
            }
            System::MacOs => {
                let x86: &[&str] = &["_x86_64", "_universal2", "_intel", "_universal"];
                let one = if self.arch == Arch::X86_64 { x86 } else { &["_arm64", "_universal2"] };
                tag.starts_with("macosx_") && arch(one)
            }
            System::Windows => {
                tag == if self.arch == Arch::X86_64 { "win_amd64" } else { "win_arm64" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_round_trip() {
        for text in ["3.14", "3.14t", "3.9"] {
            assert_eq!(text.parse::<Build>().unwrap().to_string(), text);
        }
        assert_eq!("3.15.1t".parse::<Build>().unwrap().to_string(), "3.15t");
        for text in ["", "3", "t", "3.", "3.x", "3.14.x", "3.14.1.2", "+3.14", "3.1400", "314t"] {
            assert!(text.parse::<Build>().is_err(), "{text}");
        }
    }

    #[test]
    fn platforms_run_their_own_tags() {
        let linux = Platform { system: System::Linux, arch: Arch::X86_64 };
        let musl = Platform { system: System::LinuxMusl, ..linux };
        let mac = Platform { system: System::MacOs, arch: Arch::Aarch64 };
        let windows = Platform { system: System::Windows, arch: Arch::X86_64 };
        for (tag, expected) in [
            ("manylinux_2_28_x86_64", vec![linux]),
            ("manylinux2014_x86_64", vec![linux]),
            ("manylinux2014_aarch64", vec![]),
            ("linux_x86_64", vec![linux, musl]),
            ("musllinux_1_2_x86_64", vec![musl]),
            ("macosx_11_0_arm64", vec![mac]),
            ("macosx_11_0_universal2", vec![mac]),
            ("macosx_11_0_x86_64", vec![]),
            ("win_amd64", vec![windows]),
            ("win32", vec![]),
            ("any", vec![linux, musl, mac, windows]),
        ] {
            for platform in [linux, musl, mac, windows] {
                assert_eq!(
                    platform.runs(tag),
                    expected.contains(&platform),
                    "{tag} on {platform:?}"
                );
            }
        }
    }
}
