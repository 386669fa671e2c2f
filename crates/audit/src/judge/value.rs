//! A value as a walk knows it: 64 bits of a register or of memory.

/// What is known of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    /// A number, or an address of the image or of the stack.
    Known(u64),
    /// The address of an import: an index of the image's imports.
    Import(u32),
    /// Something the file does not say.
    Symbol(u32),
}

impl Value {
    pub(crate) fn known(self) -> Option<u64> {
        match self {
            Value::Known(value) => Some(value),
            _ => None,
        }
    }
}

/// The bits of the low `size` bytes.
pub(crate) fn mask(size: u32) -> u64 {
    if size >= 8 { u64::MAX } else { (1 << (8 * size)) - 1 }
}

/// A number of `size` bytes as a signed one.
pub(crate) fn signed(value: u64, size: u32) -> i64 {
    let unused = 64 - 8 * size.clamp(1, 8);
    ((value << unused) as i64) >> unused
}
