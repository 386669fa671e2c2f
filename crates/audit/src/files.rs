//! Reads files from untrusted folders: only regular files, and only up to a limit.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads a regular file of at limit `limit` bytes. Pipes are not opened, because that would block.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {limit} bytes"),
        ));
    }
    Ok(bytes)
}
