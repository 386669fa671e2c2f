//! Memory of another process, which may change while it is read.
//!
//! All reads go through the trait [`Memory`], so that a live process, a core file and a fake for
//! tests are interchangeable. A read either fills its buffer or fails; partial reads are never
//! visible.

use thiserror::Error;

/// Reason why bytes could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReadError {
    /// Nothing is mapped at the address (any more), or not all of the range is mapped.
    #[error("nothing is mapped at {0:#x}")]
    Unmapped(u64),
    /// The memory does not contain what was expected: it was freed and reused, or is another type
    /// of object.
    #[error("unexpected data at {0:#x}")]
    Unexpected(u64),
    /// The read budget of the look is exhausted.
    #[error("the read limit for one look is exhausted")]
    BudgetSpent,
    /// The process has ended.
    #[error("the process has ended")]
    Gone,
    /// The kernel does not permit reading the process.
    #[error("no permission to read the process's memory")]
    Denied,
}

impl ReadError {
    /// Returns whether the error concerns a single address, so that the rest of the process can
    /// still be read.
    #[must_use]
    pub fn is_local(self) -> bool {
        match self {
            ReadError::Unmapped(_) | ReadError::Unexpected(_) | ReadError::BudgetSpent => true,
            ReadError::Gone | ReadError::Denied => false,
        }
    }
}

/// One of several ranges that are read together.
#[derive(Debug)]
pub struct Piece<'a> {
    /// Address in the target.
    pub address: u64,
    /// Buffer to fill.
    pub into: &'a mut [u8],
}

/// Readable memory.
pub trait Memory: Send + Sync {
    /// Fills `into` from `address` on.
    ///
    /// # Errors
    /// See [`ReadError`]; `into` may then hold anything.
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError>;

    /// Fills the pieces in order, as many as possible with one system call, and returns how many
    /// were filled completely. Stops at the first piece that cannot be read.
    ///
    /// # Errors
    /// Only errors that concern the whole process: [`ReadError::Gone`], [`ReadError::Denied`].
    fn read_many(&self, pieces: &mut [Piece<'_>]) -> Result<usize, ReadError> {
        for (index, piece) in pieces.iter_mut().enumerate() {
            match self.read(piece.address, piece.into) {
                Ok(()) => {}
                Err(error) if error.is_local() => return Ok(index),
                Err(error) => return Err(error),
            }
        }
        Ok(pieces.len())
    }

    /// Charges the read budget for work that reads nothing or keeps much. Returns `false` if the
    /// budget is exhausted; the caller then has to stop.
    fn spend(&self, _units: u64) -> bool {
        true
    }
}

/// Typed reads. All supported builds are little-endian and 64-bit.
impl dyn Memory + '_ {
    /// Reads `N` bytes.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn bytes<const N: usize>(&self, address: u64) -> Result<[u8; N], ReadError> {
        let mut buffer = [0; N];
        self.read(address, &mut buffer)?;
        Ok(buffer)
    }

    /// Reads an unsigned 64-bit word, or an address.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn u64(&self, address: u64) -> Result<u64, ReadError> {
        Ok(u64::from_le_bytes(self.bytes(address)?))
    }

    /// Reads a signed 64-bit word.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn i64(&self, address: u64) -> Result<i64, ReadError> {
        Ok(i64::from_le_bytes(self.bytes(address)?))
    }

    /// Reads an unsigned 32-bit word.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn u32(&self, address: u64) -> Result<u32, ReadError> {
        Ok(u32::from_le_bytes(self.bytes(address)?))
    }

    /// Reads a signed 32-bit word.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn i32(&self, address: u64) -> Result<i32, ReadError> {
        Ok(i32::from_le_bytes(self.bytes(address)?))
    }

    /// Reads a byte.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn u8(&self, address: u64) -> Result<u8, ReadError> {
        Ok(self.bytes::<1>(address)?[0])
    }

    /// Reads `len` bytes, at most `bound`.
    ///
    /// # Errors
    /// As [`Memory::read`]; [`ReadError::Unexpected`] if `len` is larger than `bound`, which does
    /// not happen in a valid target.
    pub fn vec(&self, address: u64, len: u64, bound: usize) -> Result<Vec<u8>, ReadError> {
        let len = usize::try_from(len)
            .ok()
            .filter(|&len| len <= bound)
            .ok_or(ReadError::Unexpected(address))?;
        let mut buffer = vec![0; len];
        self.read(address, &mut buffer)?;
        Ok(buffer)
    }

    /// Reads a C string of at most `bound` bytes, without the terminator. Reads in steps that stay
    /// inside a page, because the string may be the last thing before unmapped memory.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn c_string(&self, address: u64, bound: usize) -> Result<Vec<u8>, ReadError> {
        let mut text = Vec::new();
        let mut at = address;
        while text.len() < bound {
            let in_page = (4096 - at % 4096) as usize;
            let mut step = vec![0; in_page.min(64).min(bound - text.len())];
            self.read(at, &mut step)?;
            if let Some(end) = step.iter().position(|&byte| byte == 0) {
                text.extend_from_slice(&step[..end]);
                return Ok(text);
            }
            at = at.saturating_add(step.len() as u64);
            text.append(&mut step);
        }
        Ok(text)
    }
}

/// Returns the word at `offset` in `bytes`; 0 if they are too short.
#[must_use]
pub fn word(bytes: &[u8], offset: usize) -> u64 {
    bytes
        .get(offset..offset.saturating_add(8))
        .and_then(|part| part.try_into().ok())
        .map_or(0, u64::from_le_bytes)
}

/// Returns the 32-bit word at `offset` in `bytes`; 0 if they are too short.
#[must_use]
pub fn half(bytes: &[u8], offset: usize) -> u32 {
    bytes
        .get(offset..offset.saturating_add(4))
        .and_then(|part| part.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}
