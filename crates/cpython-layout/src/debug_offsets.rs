//! `_Py_DebugOffsets`: what CPython itself says of where its fields are.
//!
//! It is the first thing in `_PyRuntime`, which is the ELF section `.PyRuntime`, and it is there in
//! stripped binaries too. The bytes may come from another process and are not believed before they
//! fit together: a table that is shifted by one word, as a pre-release's is, gives fields outside
//! their structures, and is refused. Reading it does not allocate.

use crate::{BUILDS, DebugOffsets, NEWEST, OLDEST, Version};
use std::fmt;

/// What `_Py_DebugOffsets` begins with.
pub const COOKIE: &[u8; 8] = b"xdebugpy";

/// More than the longest table known; reading this much and parsing it serves every version.
pub const MAX_SIZE: usize = 1024;

/// No structure of CPython is larger, nor any offset.
pub(crate) const LARGEST: u64 = 1 << 20;

/// Why the layout of a CPython could not be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayoutError {
    /// No table where one should be.
    NoTable,
    /// The bytes given are fewer than the version's table has.
    Short {
        /// Whose table.
        version: Version,
        /// Bytes its table has.
        expected: usize,
        /// Bytes there were.
        found: usize,
    },
    /// The version is not one.
    NoVersion(u64),
    /// A version nobody has looked at yet.
    Unknown(Version),
    /// A free-threaded build of a version whose free-threaded builds are not known.
    UnknownFreeThreaded(Version),
    /// An entry that cannot be right.
    Misfit {
        /// Whose table.
        version: Version,
        /// The entry, as `group.field`.
        field: &'static str,
        /// Its value.
        value: u64,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayoutError::NoTable => f.write_str(
                "there is no table of offsets at the start of its runtime: CPython before 3.13 has \
                 none, nor has a process that is still starting",
            ),
            LayoutError::Short { version, expected, found } => write!(
                f,
                "the table of offsets of CPython {version} is {expected} bytes, and only {found} could be read"
            ),
            LayoutError::NoVersion(hex) => {
                write!(f, "its table of offsets gives the version {hex:#x}, which is none")
            }
            LayoutError::Unknown(version) => {
                let why = "its structures can be read from";
                write!(f, "CPython {version} is not known: {why} 3.{OLDEST} to 3.{NEWEST}")
            }
            LayoutError::UnknownFreeThreaded(version) => {
                let first = BUILDS
                    .iter()
                    .find(|build| build.free_threaded)
                    .map_or(NEWEST, |build| build.minor);
                let why = format_args!("free-threaded builds can be read from 3.{first} on");
                write!(f, "a free-threaded CPython {version} is not known: {why}")
            }
            LayoutError::Misfit { version, field, value, why } => {
                let hint = if version.is_final() {
                    ""
                } else {
                    "; a pre-release's layouts are not the release's"
                };
                write!(
                    f,
                    "the table of offsets of CPython {version} does not fit together: {field} is {value} ({why}){hint}"
                )
            }
        }
    }
}

impl std::error::Error for LayoutError {}

impl DebugOffsets {
    /// Reads the table from the first bytes of `_PyRuntime`; more than it needs may be given
    /// ([`MAX_SIZE`] always suffices).
    ///
    /// # Errors
    /// See [`LayoutError`]: no table, a version not known, or entries that contradict each other.
    pub fn parse(bytes: &[u8]) -> Result<DebugOffsets, LayoutError> {
        let mut words = bytes.as_chunks::<8>().0.iter().map(|&word| u64::from_le_bytes(word));
        let (Some(cookie), Some(hex), Some(free_threaded)) =
            (words.next(), words.next(), words.next())
        else {
            return Err(LayoutError::NoTable);
        };
        if cookie.to_le_bytes() != *COOKIE {
            return Err(LayoutError::NoTable);
        }
        let version = Version::from_hex(hex).ok_or(LayoutError::NoVersion(hex))?;
        let release =
            || BUILDS.iter().filter(|build| (version.major, version.minor) == (3, build.minor));
        if release().next().is_none() {
            return Err(LayoutError::Unknown(version));
        }
        if free_threaded > 1 {
            let why = "neither 0 nor 1";
            return Err(LayoutError::Misfit {
                version,
                field: "free_threaded",
                value: free_threaded,
                why,
            });
        }
        let build = release().find(|build| build.free_threaded == (free_threaded == 1));
        let build = build.ok_or(LayoutError::UnknownFreeThreaded(version))?;
        let offsets = (build.table.read)(version, build, &mut words).ok_or(LayoutError::Short {
            version,
            expected: build.table.size,
            found: bytes.len(),
        })?;
        offsets.check()?;
        Ok(offsets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_its_size() {
        for build in BUILDS {
            let version = Version::from_hex(0x0300_00f0).expect("a version");
            let mut words = 24..MAX_SIZE as u64;
            assert!((build.table.read)(version, build, &mut (&mut words).step_by(8)).is_some());
            assert_eq!(words.start, build.table.size as u64 - 7, "3.{}", build.minor);
        }
    }
}
