//! CPython version, as the process itself reports it.
//!
//! Offsets move between patch releases, so the full version is kept, not only `3.14`.

use std::fmt;

/// A parsed `PY_VERSION_HEX`. Ordered like releases: `3.15.0rc1 < 3.15.0 < 3.15.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// 3 in 3.14.2.
    pub major: u8,
    /// 14 in 3.14.2.
    pub minor: u8,
    /// 2 in 3.14.2.
    pub micro: u8,
    /// Release level.
    pub level: Level,
    /// 1 in 3.15.0rc1; 0 for a final release.
    pub serial: u8,
}

/// The stage of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// `a1`: layouts may change.
    Alpha = 0xA,
    /// `b1`: no new features, but layouts may still change.
    Beta = 0xB,
    /// `rc1`: layouts are final except for bug fixes.
    Candidate = 0xC,
    /// Final release.
    Final = 0xF,
}

impl Version {
    /// Parses `PY_VERSION_HEX` (`0xMMmmuuLS`: major, minor, micro, level, serial). Returns `None`
    /// if the number is not a valid version.
    pub fn from_hex(hex: u64) -> Option<Version> {
        let [0, 0, 0, 0, major, minor, micro, last] = hex.to_be_bytes() else { return None };
        let level = match last >> 4 {
            0xA => Level::Alpha,
            0xB => Level::Beta,
            0xC => Level::Candidate,
            0xF => Level::Final,
            _ => return None,
        };
        Some(Version { major, minor, micro, level, serial: last & 15 })
    }

    /// Returns the version as `PY_VERSION_HEX`.
    pub fn hex(&self) -> u64 {
        let last = (self.level as u8) << 4 | self.serial;
        u64::from(u32::from_be_bytes([self.major, self.minor, self.micro, last]))
    }

    /// Returns whether this is a final release.
    pub fn is_final(&self) -> bool {
        self.level == Level::Final
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)?;
        match self.level {
            Level::Alpha => write!(f, "a{}", self.serial),
            Level::Beta => write!(f, "b{}", self.serial),
            Level::Candidate => write!(f, "rc{}", self.serial),
            Level::Final => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_formats_and_orders_versions() {
        let of = |hex| Version::from_hex(hex).map(|v| v.to_string());
        assert_eq!(of(0x030d_11f0).as_deref(), Some("3.13.17"));
        assert_eq!(of(0x030f_00c2).as_deref(), Some("3.15.0rc2"));
        assert_eq!(of(0x030f_00b1).as_deref(), Some("3.15.0b1"));
        assert_eq!(Version::from_hex(0x030f_00c2).map(|v| v.hex()), Some(0x030f_00c2));
        assert_eq!(of(0x030f_0000), None);
        assert_eq!(of(u64::MAX), None);
        assert!(Version::from_hex(0x030f_00c2) < Version::from_hex(0x030f_00f0));
    }
}
