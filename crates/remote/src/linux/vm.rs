//! `process_vm_readv(2)`: reads many pieces of another process's memory with one call, without
//! stopping it.
//!
//! The call takes the id of any thread that has not ended: the main thread's until it ends, then
//! another one's.
#![allow(unsafe_code)] // One system call that neither std nor rustix wraps.

use super::task;
use crate::memory::{Memory, Piece, ReadError};
use std::io;
use std::sync::atomic::{AtomicI32, Ordering};

/// Maximum number of pieces per call (`UIO_MAXIOV`).
const MAX_PIECES: usize = 1024;

/// Memory of a live process.
#[derive(Debug)]
pub struct ProcessMemory {
    pid: u32,
    /// Id of the thread through which memory is read.
    thread: AtomicI32,
}

impl ProcessMemory {
    /// Returns the memory of process `pid`.
    #[must_use]
    pub fn new(pid: u32) -> ProcessMemory {
        ProcessMemory { pid, thread: AtomicI32::new(thread_id(pid)) }
    }

    /// Reads at most [`MAX_PIECES`] pieces with one call. Returns the number of bytes read.
    fn call(&self, pieces: &mut [Piece<'_>]) -> Result<usize, ReadError> {
        let thread = self.thread.load(Ordering::Relaxed);
        match read(thread, pieces) {
            // The thread has ended, but the process may not have.
            Err(ReadError::Gone) => match task::with_memory(self.pid).map(thread_id) {
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

/// Converts a thread id. Ids beyond i32 do not exist; 0 and negative values would mean other
/// threads, so they become an id that cannot exist.
fn thread_id(thread: u32) -> i32 {
    i32::try_from(thread).unwrap_or(i32::MAX)
}

/// Calls `process_vm_readv` with at most [`MAX_PIECES`] pieces. Returns the number of bytes read.
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
    // SAFETY: `here` describes exactly the buffers borrowed by `pieces`; the addresses in `there`
    // are used only in the other process.
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
        for chunk in pieces.chunks_mut(MAX_PIECES) {
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
