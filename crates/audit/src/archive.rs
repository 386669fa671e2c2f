//! Reads zip files from untrusted sources.
//!
//! The whole directory is checked before anything is decompressed: the declared sizes, that no two
//! members share bytes (as in small bombs that expand to petabytes), that no name leads outside the
//! target folder, and that the local headers agree with the central directory, because otherwise
//! two readers would see two archives. A member is decompressed to its declared size and not a byte
//! further. Nothing is written to disk, and a zip within the zip is an ordinary member.

use rawzip::{CompressionMethod, ZipArchive, ZipArchiveEntryWayfinder, ZipSliceArchive};
use rustc_hash::FxHashSet;
use std::borrow::Cow;
use std::io::Read;

/// Limits for archives. The defaults are several times those of the largest wheels on PyPI.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Maximum number of members.
    pub members: u64,
    /// Maximum size of a member that is read.
    pub member_bytes: u64,
    /// Maximum total size of all members.
    pub total_bytes: u64,
    /// Maximum compression ratio of a member above [`Limits::any_ratio_bytes`]. Deflate reaches at
    /// most 1,032.
    pub ratio: u64,
    /// Size up to which any compression ratio is accepted.
    pub any_ratio_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            members: 200_000,
            member_bytes: 1 << 30,
            total_bytes: 32 << 30,
            ratio: 200,
            any_ratio_bytes: 64 << 20,
        }
    }
}

/// Why an archive, or a member of it, is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    #[error("not a readable zip file: {0}")]
    NoZip(String),
    #[error("it declares {0} members; the limit is {1}")]
    Members(u64, u64),
    #[error("its directory declares {declared} members but lists {listed}")]
    Count { declared: u64, listed: u64 },
    #[error("its members declare {0} bytes in total; the limit is {1}")]
    Total(u64, u64),
    #[error("'{path}' has {size} bytes; the limit is {limit}")]
    Size { path: String, size: u64, limit: u64 },
    #[error("'{path}' expands from {packed} to {size} bytes, like a zip bomb")]
    Ratio { path: String, size: u64, packed: u64 },
    #[error("'{path}' shares bytes with another member, like in a zip bomb")]
    Overlap { path: String },
    #[error("the name of a member is not UTF-8 or has control characters: '{path}'")]
    NotText { path: String },
    #[error("the name of a member is empty or too long: '{path}'")]
    Length { path: String },
    #[error("'{path}' is an absolute path")]
    Absolute { path: String },
    #[error("'{path}' has an empty part, '.' or '..'")]
    Outside { path: String },
    #[error("'{path}' contains a drive letter or a colon")]
    Drive { path: String },
    #[error("'{path}' contains a backslash")]
    Backslash { path: String },
    #[error("'{path}' occurs twice")]
    Duplicate { path: String },
    #[error("'{path}' is a symbolic link")]
    Link { path: String },
    #[error("'{path}' is a device, a pipe or a socket")]
    Special { path: String },
    #[error("'{path}' is encrypted")]
    Encrypted { path: String },
    #[error("'{path}' has the compression method {method}; wheels use 0 and 8")]
    Method { path: String, method: u16 },
    #[error("'{path}' has another name, method or flag in its local header than in the directory")]
    Disagrees { path: String },
    #[error("'{path}' is damaged: {why}")]
    Damaged { path: String, why: String },
}

/// A file in an archive.
#[derive(Debug, Clone)]
pub struct Member {
    /// Relative path with `/` between parts, none of them `..`.
    pub path: String,
    /// Declared size in bytes.
    pub size: u64,
    at: ZipArchiveEntryWayfinder,
    packed: bool,
}

/// An archive with a valid directory.
#[derive(Debug)]
pub struct Archive<'a> {
    zip: ZipSliceArchive<&'a [u8]>,
    members: Vec<Member>,
    limits: Limits,
}

impl<'a> Archive<'a> {
    /// Reads and checks the directory of a zip file.
    ///
    /// # Errors
    ///
    /// Any member violates a rule for wheels. The whole archive is rejected then, because no
    /// installer should accept it.
    pub fn read(bytes: &'a [u8], limits: Limits) -> Result<Archive<'a>, ArchiveError> {
        let not_a_zip = |error: rawzip::Error| ArchiveError::NoZip(error.to_string());
        let zip = ZipArchive::from_slice(bytes).map_err(not_a_zip)?;
        let declared = zip.entries_hint();
        if declared > limits.members {
            return Err(ArchiveError::Members(declared, limits.members));
        }
        let mut members = Vec::new();
        let mut names = FxHashSet::default();
        let mut ranges = Vec::new();
        let (mut listed, mut total) = (0_u64, 0_u64);
        for entry in zip.entries() {
            let entry = entry.map_err(not_a_zip)?;
            listed += 1;
            if listed > limits.members {
                return Err(ArchiveError::Members(listed, limits.members));
            }
            let path = checked_path(entry.file_path().as_bytes())?;
            let is_folder = path.ends_with('/');
            check_kind(&path, &entry)?;
            let local = zip.get_entry(entry.wayfinder()).map_err(|error| {
                ArchiveError::Damaged { path: path.clone(), why: error.to_string() }
            })?;
            let header = local.local_header();
            if header.file_path().as_bytes() != entry.file_path().as_bytes()
                || header.compression_method() != entry.compression_method()
                || header.flags().is_encrypted() != entry.flags().is_encrypted()
            {
                return Err(ArchiveError::Disagrees { path });
            }
            let (_, end) = local.compressed_data_range();
            ranges.push((entry.local_header_offset(), end, members.len()));
            let (size, packed_size) =
                (entry.uncompressed_size_hint(), entry.compressed_size_hint());
            total = total.saturating_add(size);
            let packed = entry.compression_method() == CompressionMethod::DEFLATE;
            if !packed && size != packed_size {
                return Err(ArchiveError::Damaged {
                    path,
                    why: "it is stored, but its sizes differ".to_owned(),
                });
            }
            if size > limits.any_ratio_bytes && size / limits.ratio.max(1) > packed_size {
                return Err(ArchiveError::Ratio { path, size, packed: packed_size });
            }
            let name = path.trim_end_matches('/').to_owned();
            if !names.insert(name) {
                return Err(ArchiveError::Duplicate { path });
            }
            // Folders are kept for the overlap check.
            members.push(Member {
                path,
                size,
                at: entry.wayfinder(),
                packed: packed && !is_folder,
            });
        }
        if listed != declared {
            return Err(ArchiveError::Count { declared, listed });
        }
        if total > limits.total_bytes {
            return Err(ArchiveError::Total(total, limits.total_bytes));
        }
        if total > limits.any_ratio_bytes && total / limits.ratio.max(1) > bytes.len() as u64 {
            let packed = bytes.len() as u64;
            return Err(ArchiveError::Ratio {
                path: "the whole archive".to_owned(),
                size: total,
                packed,
            });
        }
        ranges.sort_unstable();
        for pair in ranges.windows(2) {
            if let [(_, end, _), (start, _, index)] = *pair
                && end > start
            {
                let path =
                    members.get(index).map_or_else(String::new, |member| member.path.clone());
                return Err(ArchiveError::Overlap { path });
            }
        }
        members.retain(|member| !member.path.ends_with('/'));
        members.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(Archive { zip, members, limits })
    }

    /// Returns the file at a path.
    #[must_use]
    pub fn member(&self, path: &str) -> Option<&Member> {
        let index = self.members.binary_search_by(|member| member.path.as_str().cmp(path)).ok()?;
        self.members.get(index)
    }

    /// Returns the files, sorted by path.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Returns the bytes of a member after checking their checksum.
    ///
    /// # Errors
    ///
    /// The member is too large, or does not match its header.
    pub fn bytes(&self, member: &Member) -> Result<Cow<'_, [u8]>, ArchiveError> {
        let path = || member.path.clone();
        let damaged = |why: String| ArchiveError::Damaged { path: path(), why };
        let limit = self.limits.member_bytes;
        if member.size > limit {
            return Err(ArchiveError::Size { path: path(), size: member.size, limit });
        }
        let entry = self.zip.get_entry(member.at).map_err(|error| damaged(error.to_string()))?;
        let data = entry.data();
        let bytes = if member.packed {
            // Deflate expands a byte to at most 1,032, so the reservation is proportional to the
            // file.
            let limit = (data.len() as u64).saturating_mul(1_032).min(member.size);
            let mut bytes = Vec::with_capacity(usize::try_from(limit).unwrap_or(0));
            let mut inflated =
                flate2::bufread::DeflateDecoder::new(data).take(member.size.saturating_add(1));
            inflated.read_to_end(&mut bytes).map_err(|error| damaged(error.to_string()))?;
            Cow::Owned(bytes)
        } else {
            Cow::Borrowed(data)
        };
        if bytes.len() as u64 != member.size {
            let more = if bytes.len() as u64 > member.size { "more" } else { "fewer" };
            return Err(damaged(format!("it has {more} bytes than the declared {}", member.size)));
        }
        let mut sum = flate2::Crc::new();
        sum.update(&bytes);
        let claim = rawzip::ZipVerification { crc: sum.sum(), uncompressed_size: member.size };
        entry.claim_verifier().valid(claim).map_err(|error| damaged(error.to_string()))?;
        Ok(bytes)
    }
}

fn checked_path(bytes: &[u8]) -> Result<String, ArchiveError> {
    let shown = || -> String { String::from_utf8_lossy(bytes).chars().take(200).collect() };
    let path = match std::str::from_utf8(bytes) {
        Ok(path) if !path.chars().any(char::is_control) => path,
        _ => return Err(ArchiveError::NotText { path: shown().escape_debug().to_string() }),
    };
    let reject: fn(String) -> ArchiveError = if path.is_empty() || path.len() > 4_096 {
        |path| ArchiveError::Length { path }
    } else if path.contains('\\') {
        |path| ArchiveError::Backslash { path }
    } else if path.starts_with('/') {
        |path| ArchiveError::Absolute { path }
    } else if path.contains(':') {
        |path| ArchiveError::Drive { path }
    } else if path
        .strip_suffix('/')
        .unwrap_or(path)
        .split('/')
        .any(|part| matches!(part, "" | "." | ".."))
    {
        |path| ArchiveError::Outside { path }
    } else {
        return Ok(path.to_owned());
    };
    Err(reject(shown()))
}

/// Mask for the file type in Unix's `st_mode`.
const FILE_TYPE_MASK: u32 = 0o170_000;

fn check_kind(path: &str, entry: &rawzip::ZipFileHeaderRecord<'_>) -> Result<(), ArchiveError> {
    let path = || path.to_owned();
    // Unpackers look at these bits for any creating system.
    match (entry.external_attributes() >> 16) & FILE_TYPE_MASK {
        0o120_000 => return Err(ArchiveError::Link { path: path() }),
        0 | 0o040_000 | 0o100_000 => {}
        _ => return Err(ArchiveError::Special { path: path() }),
    }
    if entry.flags().is_encrypted()
        || entry.flags().has_strong_encryption()
        || entry.flags().is_masked()
    {
        return Err(ArchiveError::Encrypted { path: path() });
    }
    match entry.compression_method() {
        CompressionMethod::STORE | CompressionMethod::DEFLATE => Ok(()),
        method => Err(ArchiveError::Method { path: path(), method: method.as_u16() }),
    }
}
