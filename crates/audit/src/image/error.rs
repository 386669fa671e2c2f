//! Why a file cannot be read as a binary; the words become the reason of a verdict that is unknown.

use super::Format;

/// Why there is no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// It begins like none of the three formats.
    #[error("it is no ELF, Mach-O or PE file")]
    NotABinary,
    /// It is a binary of a kind that is not read here: 32-bit, big-endian, for another machine, not
    /// to be loaded.
    #[error("it is {0}, which is not read")]
    Unsupported(String),
    /// It contradicts itself or its own length.
    #[error("the {format} file is damaged: {what}")]
    Damaged {
        /// Its format.
        format: Format,
        /// What is wrong with it.
        what: &'static str,
    },
}
