//! Values of registers and memory in symbolic execution.

/// A 64-bit value, known or symbolic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    /// A number, or an address of the image or of the stack.
    Known(u64),
    /// The address of an import: an index of the image's imports.
    Import(u32),
    /// Not determined by the file.
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

/// Returns the mask of the low `size` bytes.
pub(crate) fn mask(size: u32) -> u64 {
    if size >= 8 { u64::MAX } else { (1 << (8 * size)) - 1 }
}

/// Sign-extends a number of `size` bytes.
pub(crate) fn signed(value: u64, size: u32) -> i64 {
    let unused = 64 - 8 * size.clamp(1, 8);
    ((value << unused) as i64) >> unused
}
