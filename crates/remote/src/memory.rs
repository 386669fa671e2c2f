//! Foreign memory: bytes at addresses that another process changes while they are read.
//!
//! Everything above reads through this trait, so that a live process, an image taken from one and a
//! hostile fake are the same to it. A read either fills its buffer or fails; half-read bytes are
//! never seen.

use thiserror::Error;

/// Why bytes could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReadError {
    /// Nothing is mapped there (any more), or not as far as was asked.
    #[error("nothing is mapped at {0:#x}")]
    Unmapped(u64),
    /// What is there is not what it should be: memory that was freed and used again, or another
    /// type of object.
    #[error("what is at {0:#x} is not what it should be")]
    Unexpected(u64),
    /// The reads of one look have used up what they may cost.
    #[error("the look has read as much as one look may")]
    BudgetSpent,
    /// The process has ended.
    #[error("the process has ended")]
    Gone,
    /// The kernel does not let this user read that process.
    #[error("the kernel does not let this user read the process's memory")]
    Denied,
}

impl ReadError {
    /// Returns whether it concerns one place in memory only, so that the rest of the process can
    /// still be read.
    #[must_use]
    pub fn is_local(self) -> bool {
        match self {
            ReadError::Unmapped(_) | ReadError::Unexpected(_) | ReadError::BudgetSpent => true,
            ReadError::Gone | ReadError::Denied => false,
        }
    }
}

/// One of several pieces read together.
#[derive(Debug)]
pub struct Piece<'a> {
    /// Where it lies in the target.
    pub address: u64,
    /// Filled by the read.
    pub into: &'a mut [u8],
}

/// Bytes at addresses.
pub trait Memory: Send + Sync {
    /// Fills `into` from `address` on.
    ///
    /// # Errors
    /// See [`ReadError`]; `into` may then hold anything.
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError>;

    /// Fills the pieces in their order, as many as one system call takes together, and gives the
    /// number of pieces that were filled whole. It stops at the first that cannot be read.
    ///
    /// # Errors
    /// Only what concerns the process as a whole: [`ReadError::Gone`], [`ReadError::Denied`].
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

    /// Pays for work that reads nothing or keeps much. `false` where a limit is set and used up:
    /// then it is to be ended.
    fn spend(&self, _units: u64) -> bool {
        true
    }
}

/// Typed reads. Little-endian machines of 64 bits, as all of the builds this room knows are.
impl dyn Memory + '_ {
    /// `N` bytes.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn bytes<const N: usize>(&self, address: u64) -> Result<[u8; N], ReadError> {
        let mut buffer = [0; N];
        self.read(address, &mut buffer)?;
        Ok(buffer)
    }

    /// An unsigned 64-bit word, or an address.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn u64(&self, address: u64) -> Result<u64, ReadError> {
        Ok(u64::from_le_bytes(self.bytes(address)?))
    }

    /// A signed 64-bit word.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn i64(&self, address: u64) -> Result<i64, ReadError> {
        Ok(i64::from_le_bytes(self.bytes(address)?))
    }

    /// An unsigned 32-bit word.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn u32(&self, address: u64) -> Result<u32, ReadError> {
        Ok(u32::from_le_bytes(self.bytes(address)?))
    }

    /// A signed 32-bit word.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn i32(&self, address: u64) -> Result<i32, ReadError> {
        Ok(i32::from_le_bytes(self.bytes(address)?))
    }

    /// A byte.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn u8(&self, address: u64) -> Result<u8, ReadError> {
        Ok(self.bytes::<1>(address)?[0])
    }

    /// `len` bytes, with no more than `bound` believed.
    ///
    /// # Errors
    /// As [`Memory::read`]; [`ReadError::Unexpected`] where `len` is beyond `bound`, which no sound
    /// target asks for.
    pub fn vec(&self, address: u64, len: u64, bound: usize) -> Result<Vec<u8>, ReadError> {
        let len = usize::try_from(len)
            .ok()
            .filter(|&len| len <= bound)
            .ok_or(ReadError::Unexpected(address))?;
        let mut buffer = vec![0; len];
        self.read(address, &mut buffer)?;
        Ok(buffer)
    }

    /// A C string of at most `bound` bytes, without its end. Reads in steps that stay inside a
    /// page, for the string may be the last thing before unmapped memory.
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

/// A word inside bytes already read; 0 where they end before it.
#[must_use]
pub fn word(bytes: &[u8], offset: usize) -> u64 {
    bytes
        .get(offset..offset.saturating_add(8))
        .and_then(|part| part.try_into().ok())
        .map_or(0, u64::from_le_bytes)
}

/// A 32-bit word inside bytes already read; 0 where they end before it.
#[must_use]
pub fn half(bytes: &[u8], offset: usize) -> u32 {
    bytes
        .get(offset..offset.saturating_add(4))
        .and_then(|part| part.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}
