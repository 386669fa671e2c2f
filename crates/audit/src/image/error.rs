//! Errors of parsing a binary. Their text becomes the reason of an unknown verdict.

use super::Format;

/// Why a file cannot be parsed as a binary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// It starts like none of the three formats.
    #[error("not an ELF, Mach-O or PE file")]
    NotABinary,
    /// It is of an unsupported kind: 32-bit, big-endian, for another machine, not loadable.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// It contradicts itself or its own length.
    #[error("the {format} file is damaged: {what}")]
    Damaged { format: Format, what: &'static str },
}
