//! Starting and stopping the profile: the two functions that ungil makes the target call.
#![allow(unsafe_code)] // Mapping the table, and the C entry points.

use crate::allocator::{Allocator, LOCAL, ON, ORIGINAL, SAMPLER};
use crate::python::{PythonApi, monotonic_ns, process_cpu_ns};
use crate::sampler::Sampler;
use crate::wire::{HEADER, head, refusal, state};
use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::Release};
use std::time::Instant;

/// `PYMEM_DOMAIN_MEM` and `PYMEM_DOMAIN_OBJ`.
const DOMAINS: [c_int; 2] = [1, 2];
const PROT_READ_WRITE: c_int = 3;
const MAP_SHARED: c_int = 1;

unsafe extern "C" {
    fn mmap(
        at: *mut c_void,
        len: usize,
        prot: c_int,
        flags: c_int,
        fd: c_int,
        offset: i64,
    ) -> *mut c_void;
    fn pthread_atfork(
        prepare: Option<extern "C" fn()>,
        parent: Option<extern "C" fn()>,
        child: Option<extern "C" fn()>,
    ) -> c_int;
}

/// Runs in a forked child: the table belongs to the parent.
extern "C" fn on_fork() {
    if ON.swap(false, Relaxed)
        && let Some(sampler) = SAMPLER.get()
    {
        sampler.word(head::FORKS).fetch_add(1, Relaxed);
    }
}

/// Maps the shared table.
fn map(path: &CStr) -> Result<&'static [AtomicU64], u64> {
    let path = OsStr::from_bytes(path.to_bytes());
    let file = File::options().read(true).write(true).open(path).map_err(|_| refusal::TABLE)?;
    let length = file.metadata().map_err(|_| refusal::TABLE)?.len() as usize;
    if length < HEADER * 8 || !length.is_multiple_of(8) {
        return Err(refusal::FOREIGN);
    }
    // SAFETY: a new mapping of a file whose length was just read, and which ungil never shortens.
    let at = unsafe {
        mmap(std::ptr::null_mut(), length, PROT_READ_WRITE, MAP_SHARED, file.as_raw_fd(), 0)
    };
    if at as isize == -1 {
        return Err(refusal::TABLE);
    }
    // SAFETY: page-aligned, `length` bytes long, and never unmapped. Other processes write to it
    // only in words that are atomic here.
    Ok(unsafe { std::slice::from_raw_parts(at.cast::<AtomicU64>(), length / 8) })
}

fn start(path: &CStr) -> Result<(), u64> {
    if SAMPLER.get().is_some() {
        return Err(refusal::TWICE);
    }
    let words = map(path)?;
    let refused = |why: u64| {
        for (index, value) in [(head::REFUSAL, why), (head::STATE, state::REFUSED)] {
            words.iter().skip(index).take(1).for_each(|w| w.store(value, Relaxed));
        }
        why
    };
    let python = PythonApi::find().map_err(refused)?;
    let sampler = Sampler::new(words, python).map_err(refused)?;
    sampler.word(head::BEGAN).store(monotonic_ns(), Relaxed);
    sampler.word(head::PID).store(u64::from(std::process::id()), Relaxed);
    sampler.word(head::PYTHON).store(sampler.python.offsets.version.hex(), Relaxed);
    sampler
        .word(head::FREE_THREADED)
        .store(u64::from(sampler.python.offsets.free_threaded), Relaxed);
    let sampler = SAMPLER.get_or_init(|| sampler);
    let both = ORIGINAL.get_or_init(|| DOMAINS.map(|domain| sampler.python.allocator(domain)));
    sampler.word(head::PAIR_PS).store(pair_ps(sampler, both), Relaxed);
    // SAFETY: the handler is a plain function in a library that is never unloaded.
    unsafe { pthread_atfork(None, None, Some(on_fork)) };
    sampler.word(head::PROCESSOR_BEGAN).store(process_cpu_ns(), Relaxed);
    sampler.word(head::STATE).store(state::RUNNING, Release);
    ON.store(true, Relaxed);
    for (domain, wrapper) in DOMAINS.into_iter().zip(wrappers(both)) {
        sampler.python.set_allocator(domain, &wrapper);
    }
    Ok(())
}

/// Returns the wrappers of both domains.
fn wrappers(both: &[Allocator; 2]) -> [Allocator; 2] {
    [Allocator::around::<false>(&both[0]), Allocator::around::<true>(&both[1])]
}

/// Measures the additional time for counting one allocation and its release without sampling, in
/// picoseconds: the best of several rounds.
fn pair_ps(sampler: &Sampler, both: &[Allocator; 2]) -> u64 {
    const ROUND: u32 = 512;
    let best = |with: &Allocator| {
        let round = |_| {
            let began = Instant::now();
            for _ in 0..ROUND {
                (with.free)(with.ctx, (with.malloc)(with.ctx, 48));
            }
            began.elapsed().as_nanos() as u64
        };
        (0..8).map(round).min().unwrap_or_default()
    };
    let wrapped = Allocator::around::<true>(&both[1]);
    // Nothing is sampled meanwhile, nor left in the counters.
    let local_left = |left| LOCAL.with(|local| local.left.replace(left));
    LOCAL.with(|local| sampler.count(local, 0));
    let left = local_left(i64::MAX / 2);
    ON.store(true, Relaxed);
    let pair = best(&wrapped).saturating_sub(best(&both[1]));
    ON.store(false, Relaxed);
    local_left(left);
    LOCAL.with(|local| sampler.forget(local));
    pair * 1000 / u64::from(ROUND)
}

/// Ends the profile, once: restores the allocators where they are still ours.
pub(crate) fn finish(sampler: &Sampler, how: u64) {
    if !ON.swap(false, Relaxed) {
        return;
    }
    let Some(both) = ORIGINAL.get() else { return };
    let mut restored = 1;
    for ((domain, wrapper), original) in DOMAINS.into_iter().zip(wrappers(both)).zip(both) {
        if sampler.python.allocator(domain).is(&wrapper) {
            sampler.python.set_allocator(domain, original);
        } else {
            restored = 2;
        }
    }
    if how == state::STOPPED {
        sampler.read_live();
    }
    sampler.word(head::RESTORED).store(restored, Relaxed);
    sampler.word(head::ENDED).store(monotonic_ns(), Relaxed);
    sampler.word(head::PROCESSOR_ENDED).store(process_cpu_ns(), Relaxed);
    sampler.word(head::STATE).store(how, Release);
}

/// Starts to profile into the table at `path`. Returns 0, or one of [`refusal`].
///
/// # Safety
/// `path` is NUL-terminated, and the calling thread is attached to the interpreter.
#[cfg_attr(feature = "library", unsafe(no_mangle))]
pub unsafe extern "C" fn ungil_start(path: *const c_char) -> c_int {
    // SAFETY: the caller's contract.
    let path = unsafe { CStr::from_ptr(path) };
    start(path).map_or_else(|why| why as c_int, |()| 0)
}

/// Ends the profile and reads the types of live blocks. Does nothing if no profile runs, or in a
/// forked child.
#[cfg_attr(feature = "library", unsafe(no_mangle))]
pub extern "C" fn ungil_stop() {
    if let Some(sampler) = SAMPLER.get() {
        finish(sampler, state::STOPPED);
    }
}
