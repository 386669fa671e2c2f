//! `process_vm_readv(2)`: many pieces of another process's memory in one call, without stopping it.
//!
//! The call takes the number of any thread that has not ended. The main thread serves until it
//! ends; then another one does.
#![allow(unsafe_code)] // One system call that neither std nor rustix wraps.

use super::task;
use crate::memory::{Memory, Piece, ReadError};
use std::io;
use std::sync::atomic::{AtomicI32, Ordering};

/// Pieces one call takes (`UIO_MAXIOV`).
const MOST: usize = 1024;

/// The memory of a live process.
#[derive(Debug)]
pub struct ProcessMemory {
    pid: u32,
    /// The thread through which it is read.
    thread: AtomicI32,
}

impl ProcessMemory {
    /// The memory of `pid`.
    #[must_use]
    pub fn new(pid: u32) -> ProcessMemory {
        ProcessMemory { pid, thread: AtomicI32::new(number(pid)) }
    }

    /// One call over at most [`MOST`] pieces; the bytes read.
    fn call(&self, pieces: &mut [Piece<'_>]) -> Result<usize, ReadError> {
        let thread = self.thread.load(Ordering::Relaxed);
        match read(thread, pieces) {
            // The thread has ended. The process may not have.
            Err(ReadError::Gone) => match task::with_memory(self.pid).map(number) {
                Some(other) if other != thread => {
                    self.thread.store(other, Ordering::Relaxed);
                    read(other, pieces)
                }
                _ => Err(ReadError::Gone),
            },
            read => read,
        }
    }
}

/// A number beyond i32 is no process's; 0 and below would mean others, so it becomes one that
/// cannot exist.
fn number(thread: u32) -> i32 {
    i32::try_from(thread).unwrap_or(i32::MAX)
}

/// One call over at most [`MOST`] pieces; the bytes read.
fn read(thread: i32, pieces: &mut [Piece<'_>]) -> Result<usize, ReadError> {
    let mut here = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; 64];
    let mut there = here;
    let mut spill;
    let (here, there) = if pieces.len() <= here.len() {
        (&mut here[..pieces.len()], &mut there[..pieces.len()])
    } else {
        let empty = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        spill = vec![empty; pieces.len() * 2];
        spill.split_at_mut(pieces.len())
    };
    for ((local, remote), piece) in here.iter_mut().zip(there.iter_mut()).zip(pieces.iter_mut()) {
        local.iov_base = piece.into.as_mut_ptr().cast();
        local.iov_len = piece.into.len();
        remote.iov_base = piece.address as *mut libc::c_void;
        remote.iov_len = piece.into.len();
    }
    // SAFETY: `here` describes exactly the buffers borrowed by `pieces`; `there` is only looked up
    // in the other process.
    let read = unsafe {
        libc::process_vm_readv(
            thread,
            here.as_ptr(),
            here.len() as libc::c_ulong,
            there.as_ptr(),
            there.len() as libc::c_ulong,
            0,
        )
    };
    match usize::try_from(read) {
        Ok(read) => Ok(read),
        Err(_) => match io::Error::last_os_error().raw_os_error() {
            Some(libc::EFAULT | libc::EINVAL | libc::ENOMEM) => Ok(0),
            Some(libc::ESRCH) => Err(ReadError::Gone),
            _ => Err(ReadError::Denied),
        },
    }
}

impl Memory for ProcessMemory {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
        if into.is_empty() {
            return Ok(());
        }
        let wanted = into.len();
        let read = self.call(&mut [Piece { address, into }])?;
        if read == wanted { Ok(()) } else { Err(ReadError::Unmapped(address)) }
    }

    fn read_many(&self, pieces: &mut [Piece<'_>]) -> Result<usize, ReadError> {
        let mut whole = 0;
        for chunk in pieces.chunks_mut(MOST) {
            let mut left = self.call(chunk)?;
            for piece in chunk.iter() {
                if left < piece.into.len() {
                    return Ok(whole);
                }
                left -= piece.into.len();
                whole += 1;
            }
        }
        Ok(whole)
    }
}
