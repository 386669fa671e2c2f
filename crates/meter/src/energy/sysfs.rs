//! Small files of sysfs, read without trust.
//!
//! A root that is pointed elsewhere may hold anything: a directory, a FIFO nobody writes to,
//! megabytes, binary. None of it may block, fill the memory or panic; each becomes an error that
//! names the file.

use super::Error;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The longest file that is read; sysfs never gives more than a page.
const LONGEST: u64 = 4096;

/// Up to a page of `path`. Non-blocking, so that a FIFO without a writer reads as empty instead of
/// never.
pub(super) fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let mut out = Vec::new();
    file.take(LONGEST).read_to_end(&mut out)?;
    Ok(out)
}

/// The text of `path`, trimmed.
///
/// # Errors
/// `help` is the third line if permission is what lacks.
pub(super) fn text(
    sensor: &'static str,
    path: &Path,
    domain: &str,
    help: &str,
) -> Result<String, Error> {
    let bytes = bytes(path).map_err(|error| failed(sensor, path, domain, help, &error))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(_) => Err(malformed(sensor, path, domain, "it is not text")),
    }
}

/// The unsigned decimal number in `path`.
pub(super) fn number(
    sensor: &'static str,
    path: &Path,
    domain: &str,
    help: &str,
) -> Result<u64, Error> {
    let text = text(sensor, path, domain, help)?;
    // `u64::from_str` accepts a plus sign; the kernel never writes one.
    if text.starts_with('+') {
        return Err(malformed(sensor, path, domain, &format!("it holds {}", shown(&text))));
    }
    text.parse().map_err(|_| {
        malformed(
            sensor,
            path,
            domain,
            &format!("it holds {}, not a number of 64 bits", shown(&text)),
        )
    })
}

/// What the system's refusal means for a sensor.
pub(super) fn failed(
    sensor: &'static str,
    path: &Path,
    domain: &str,
    help: &str,
    error: &io::Error,
) -> Error {
    let why = format!("{}: {error}", path.display());
    let domain = domain.to_owned();
    match (error.kind(), error.raw_os_error()) {
        (ErrorKind::PermissionDenied, _) => Error::Denied { sensor, why, help: help.to_owned() },
        (ErrorKind::NotFound, _) | (_, Some(libc::ENODEV | libc::ENXIO)) => {
            Error::Vanished { sensor, domain, why }
        }
        _ => Error::Unreadable { sensor, domain, why },
    }
}

/// A [`Error::Malformed`] that names the file.
pub(super) fn malformed(sensor: &'static str, path: &Path, domain: &str, what: &str) -> Error {
    Error::Malformed {
        sensor,
        domain: domain.to_owned(),
        why: format!("{}: {what}", path.display()),
    }
}

/// Untrusted text for an error: quoted, escaped, short.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    let more = if short.len() < text.len() { "..." } else { "" };
    if text.is_empty() { "nothing".to_owned() } else { format!("{short:?}{more}") }
}
