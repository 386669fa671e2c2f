//! `_Py_DebugOffsets`: what CPython itself says of where its fields are.
//!
//! It is the first thing in `_PyRuntime`, which is the ELF section `.PyRuntime`, and it is there in stripped binaries too.
//! The table of each minor version is the one before with fields put in between, so one list of fields with the version
//! that brought each (`offsets/table.rs`) reads them all. Sources: `pycore_runtime.h` (3.13), `pycore_debug_offsets.h`
//! (3.14, 3.15).
//!
//! The bytes come from another process and are not believed before they fit together: a table that is shifted by one word,
//! as a pre-release's is, gives fields outside their structures, and is refused.

mod asyncio;
mod check;
mod table;

pub use asyncio::AsyncioOffsets;
pub use table::*;

use crate::version::Version;

/// What `_Py_DebugOffsets` begins with.
pub const COOKIE: &[u8; 8] = b"xdebugpy";

/// The longest table known (3.15); reading this much and parsing it serves every version.
pub const MAX_SIZE: usize = 888;

/// No structure of CPython is larger, nor any offset.
pub(crate) const LARGEST: u64 = 1 << 20;

/// Why the layout of a CPython could not be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// No table where one should be.
    #[error(
        "there is no table of offsets at the start of its runtime: CPython before 3.13 has none, nor has a process that is still starting"
    )]
    NoTable,
    /// The bytes given are fewer than the version's table has.
    #[error("the table of offsets of CPython {version} is {expected} bytes, and only {found} could be read")]
    Short {
        /// Whose table.
        version: Version,
        /// Bytes its table has.
        expected: usize,
        /// Bytes there were.
        found: usize,
    },
    /// The version is not one.
    #[error("its table of offsets gives the version {0:#x}, which is none")]
    NoVersion(u64),
    /// A version nobody has looked at yet.
    #[error("CPython {0} is not known: its structures can be read from 3.13 to 3.15")]
    Unknown(Version),
    /// A free-threaded build of a version whose free-threaded builds are not known.
    #[error("a free-threaded CPython {0} is not known: free-threaded builds can be read from 3.14 on")]
    UnknownFreeThreaded(Version),
    /// An entry that cannot be right.
    #[error("the table of offsets of CPython {version} does not fit together: {field} is {value} ({why}){}", pre_release(.version))]
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

fn pre_release(version: &Version) -> &'static str {
    if version.is_final() { "" } else { "; a pre-release's layouts are not the release's" }
}

/// The words of a table one after the other, as one minor version has them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'a> {
    bytes: &'a [u8],
    position: usize,
    minor: u8,
}

impl Words<'_> {
    /// The next word, if a table of this version has it; the position moves only then.
    fn next(&mut self, since: u8) -> Option<u64> {
        if self.minor < since {
            return None;
        }
        let word = self.bytes.get(self.position..self.position + 8)?;
        self.position += 8;
        word.try_into().ok().map(u64::from_le_bytes)
    }
}

impl DebugOffsets {
    /// Reads the table from the first bytes of `_PyRuntime`; more than it needs may be given ([`MAX_SIZE`] always suffices).
    ///
    /// # Errors
    /// See [`LayoutError`]: no table, a version not known, or entries that contradict each other.
    pub fn parse(bytes: &[u8]) -> Result<DebugOffsets, LayoutError> {
        let head: &[u8; 24] = bytes.first_chunk().ok_or(LayoutError::NoTable)?;
        let word = |at: usize| head[at..].first_chunk().map_or(0, |w| u64::from_le_bytes(*w));
        if !head.starts_with(COOKIE) {
            return Err(LayoutError::NoTable);
        }
        let version = Version::from_hex(word(8)).ok_or(LayoutError::NoVersion(word(8)))?;
        let expected = match (version.major, version.minor) {
            (3, 13) => 584,
            (3, 14) => 760,
            (3, 15) => MAX_SIZE,
            _ => return Err(LayoutError::Unknown(version)),
        };
        let free_threaded = match (word(16), version.minor) {
            (0, _) => false,
            (1, 13) => return Err(LayoutError::UnknownFreeThreaded(version)),
            (1, _) => true,
            (value, _) => {
                let why = "neither 0 nor 1";
                return Err(LayoutError::Misfit { version, field: "free_threaded", value, why });
            }
        };
        let short = LayoutError::Short { version, expected, found: bytes.len() };
        let mut words =
            Words { bytes: bytes.get(..expected).ok_or(short.clone())?, position: 24, minor: version.minor };
        let table = DebugOffsets::read(version, free_threaded, &mut words).ok_or(short)?;
        table.check()?;
        Ok(table)
    }
}
