//! Reads small files of sysfs defensively.
//!
//! A root given by the user may contain anything: a directory, a FIFO without a writer, megabytes,
//! binary data. Reading it must not block, exhaust memory or panic; every problem becomes an error
//! that names the file.

use super::EnergyError;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Maximum bytes read of a file; sysfs files have at most a page.
const MAX_BYTES: u64 = 4096;

/// Reads up to a page of `path`. The file is opened non-blocking, so that a FIFO without a writer
/// reads as empty instead of blocking.
pub(super) fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let mut out = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut out)?;
    Ok(out)
}

/// Reads the text of `path`, trimmed.
///
/// # Errors
/// `help` is the third line of the error if permission is denied.
pub(super) fn text(
    sensor: &'static str,
    path: &Path,
    domain: &str,
    help: &str,
) -> Result<String, EnergyError> {
    let bytes = bytes(path).map_err(|error| failed(sensor, path, domain, help, &error))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(_) => Err(malformed(sensor, path, domain, "it is not text")),
    }
}

/// Reads the unsigned decimal number in `path`.
pub(super) fn number(
    sensor: &'static str,
    path: &Path,
    domain: &str,
    help: &str,
) -> Result<u64, EnergyError> {
    let text = text(sensor, path, domain, help)?;
    // `u64::from_str` accepts a plus sign, which the kernel never writes.
    if text.starts_with('+') {
        return Err(malformed(sensor, path, domain, &format!("it contains {}", excerpt(&text))));
    }
    text.parse().map_err(|_| {
        malformed(
            sensor,
            path,
            domain,
            &format!("it contains {}, not a 64-bit number", excerpt(&text)),
        )
    })
}

/// Converts an I/O error.
pub(super) fn failed(
    sensor: &'static str,
    path: &Path,
    domain: &str,
    help: &str,
    error: &io::Error,
) -> EnergyError {
    let why = format!("{}: {error}", path.display());
    let domain = domain.to_owned();
    match (error.kind(), error.raw_os_error()) {
        (ErrorKind::PermissionDenied, _) => {
            EnergyError::Denied { sensor, why, help: help.to_owned() }
        }
        (ErrorKind::NotFound, _) | (_, Some(libc::ENODEV | libc::ENXIO)) => {
            EnergyError::Vanished { sensor, domain, why }
        }
        _ => EnergyError::Unreadable { sensor, domain, why },
    }
}

/// Creates an [`EnergyError::Malformed`] that names the file.
pub(super) fn malformed(
    sensor: &'static str,
    path: &Path,
    domain: &str,
    what: &str,
) -> EnergyError {
    EnergyError::Malformed {
        sensor,
        domain: domain.to_owned(),
        why: format!("{}: {what}", path.display()),
    }
}

/// Formats untrusted text for an error: quoted, escaped and shortened.
pub(super) fn excerpt(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    let more = if short.len() < text.len() { "..." } else { "" };
    if text.is_empty() { "nothing".to_owned() } else { format!("{short:?}{more}") }
}
