//! Parser for `_Py_DebugOffsets`, CPython's own table of structure offsets.
//!
//! The table is at the start of `_PyRuntime` (ELF section `.PyRuntime`), also in stripped binaries.
//! The bytes may come from another process, so they are accepted only if the entries are
//! consistent: a table shifted by one word, as in a pre-release, has offsets outside their
//! structures and is rejected. Parsing does not allocate.

use crate::{BUILDS, DebugOffsets, NEWEST, OLDEST, Version};
use std::fmt;

/// First bytes of `_Py_DebugOffsets`.
pub const COOKIE: &[u8; 8] = b"xdebugpy";

/// Upper bound for the size of every known table. Reading this many bytes suffices for any version.
pub const MAX_SIZE: usize = 1024;

/// Upper bound for the size of any CPython structure, and so for any offset.
pub(crate) const MAX_STRUCTURE_SIZE: u64 = 1 << 20;

/// Reason why the layout of a CPython is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayoutError {
    /// There is no table at the start of the runtime.
    NoTable,
    /// There are fewer bytes than the version's table has.
    Short {
        /// Version in the table.
        version: Version,
        /// Size of the version's table in bytes.
        expected: usize,
        /// Bytes available.
        found: usize,
    },
    /// The version field is not a valid version.
    NoVersion(u64),
    /// A version that is not supported.
    Unknown(Version),
    /// A free-threaded build of a version that is supported only with the GIL.
    UnknownFreeThreaded(Version),
    /// An entry that must be wrong.
    Misfit {
        /// Version in the table.
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
                "its runtime does not start with an offset table: CPython before 3.13 has \
                 none, and neither has a process that is still starting",
            ),
            LayoutError::Short { version, expected, found } => write!(
                f,
                "the offset table of CPython {version} has {expected} bytes, but only {found} could be read"
            ),
            LayoutError::NoVersion(hex) => {
                write!(f, "its offset table has the version {hex:#x}, which is invalid")
            }
            LayoutError::Unknown(version) => {
                write!(
                    f,
                    "CPython {version} is not supported (supported: 3.{OLDEST} to 3.{NEWEST})"
                )
            }
            LayoutError::UnknownFreeThreaded(version) => {
                let first = BUILDS
                    .iter()
                    .find(|build| build.free_threaded)
                    .map_or(NEWEST, |build| build.minor);
                let why = format_args!("free-threaded builds are supported from 3.{first} on");
                write!(f, "free-threaded CPython {version} is not supported: {why}")
            }
            LayoutError::Misfit { version, field, value, why } => {
                let hint = if version.is_final() {
                    ""
                } else {
                    "; layouts of pre-releases differ from the release"
                };
                write!(
                    f,
                    "the offset table of CPython {version} is inconsistent: {field} is {value} ({why}){hint}"
                )
            }
        }
    }
}

impl std::error::Error for LayoutError {}

impl DebugOffsets {
    /// Parses the table from the first bytes of `_PyRuntime`. `bytes` may be longer than the table;
    /// [`MAX_SIZE`] bytes always suffice.
    ///
    /// # Errors
    /// See [`LayoutError`].
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
