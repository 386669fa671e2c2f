//! The wrapped allocators, and the two functions that ungil has the target call.
#![allow(unsafe_code)] // Functions that CPython calls as its allocators, and the mapping of the table.

use crate::filter::may_be_sampled;
use crate::python::{PythonApi, now, processor};
use crate::sampler::{Sampler, ThreadLocals};
use crate::type_detection::HEAD;
use crate::wire::{HEADER, head, refusal, state};
use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::Release};
use std::time::Instant;

/// `PyMemAllocatorEx`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Allocator {
    ctx: *mut c_void,
    malloc: extern "C" fn(*mut c_void, usize) -> *mut c_void,
    calloc: extern "C" fn(*mut c_void, usize, usize) -> *mut c_void,
    realloc: extern "C" fn(*mut c_void, *mut c_void, usize) -> *mut c_void,
    free: extern "C" fn(*mut c_void, *mut c_void),
}

// SAFETY: `ctx` is handed to the interpreter's own functions only, which any of its threads may
// call.
unsafe impl Send for Allocator {}
// SAFETY: as above.
unsafe impl Sync for Allocator {}

impl Allocator {
    pub(crate) fn none() -> Allocator {
        extern "C" fn malloc(_: *mut c_void, _: usize) -> *mut c_void {
            std::ptr::null_mut()
        }
        extern "C" fn calloc(_: *mut c_void, _: usize, _: usize) -> *mut c_void {
            std::ptr::null_mut()
        }
        extern "C" fn realloc(_: *mut c_void, _: *mut c_void, _: usize) -> *mut c_void {
            std::ptr::null_mut()
        }
        extern "C" fn free(_: *mut c_void, _: *mut c_void) {}
        Allocator { ctx: std::ptr::null_mut(), malloc, calloc, realloc, free }
    }

    /// Ours around `original`. The context stays the original's: a thread of a free-threaded build
    /// that reads the two halves at different times gets a pair that fits, whichever halves it
    /// gets.
    fn around<const OBJECT: bool>(original: &Allocator) -> Allocator {
        Allocator {
            ctx: original.ctx,
            malloc: malloc::<OBJECT>,
            calloc: calloc::<OBJECT>,
            realloc: realloc::<OBJECT>,
            free: free::<OBJECT>,
        }
    }

    fn is(&self, other: &Allocator) -> bool {
        self.malloc as usize == other.malloc as usize && self.free as usize == other.free as usize
    }
}

/// `PYMEM_DOMAIN_MEM` and `PYMEM_DOMAIN_OBJ`.
const DOMAINS: [c_int; 2] = [1, 2];
const PROT_READ_WRITE: c_int = 3;
const MAP_SHARED: c_int = 1;

static SAMPLER: OnceLock<Sampler> = OnceLock::new();
static ORIGINAL: OnceLock<[Allocator; 2]> = OnceLock::new();
/// Whether blocks are counted. Private to the process, so that a forked child can switch itself
/// off.
static ON: AtomicBool = AtomicBool::new(false);

thread_local! {
    static LOCAL: ThreadLocals = const { ThreadLocals::new() };
}

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

fn original<const OBJECT: bool>() -> Allocator {
    match ORIGINAL.get() {
        Some(both) => both[usize::from(OBJECT)],
        None => Allocator::none(),
    }
}

fn sampler() -> Option<&'static Sampler> {
    if ON.load(Relaxed) { SAMPLER.get() } else { None }
}

fn allocated<const OBJECT: bool>(block: *mut c_void, size: usize) {
    if block.is_null() {
        return;
    }
    let Some(sampler) = sampler() else { return };
    LOCAL.with(|local| {
        if sampler.count(local, size as u64) {
            sampler.sample(local, block as u64, size as u64, OBJECT);
            if sampler.word(head::STOP).load(Relaxed) != 0 {
                finish(sampler, state::CUT);
            }
        }
    });
}

#[cold]
fn released<const OBJECT: bool>(
    sampler: &Sampler,
    taken: (u64, u64),
    block: *const c_void,
    size: usize,
) {
    let length = if OBJECT { HEAD.min(size) } else { 0 };
    // SAFETY: the caller owns the block, which is at least `size` bytes long and not yet given
    // back.
    let head = unsafe { std::slice::from_raw_parts(block.cast::<u8>(), length) };
    LOCAL.with(|local| sampler.release(local, taken, OBJECT, head));
}

fn size_of(taken: (u64, u64)) -> usize {
    (taken.1 & ((1 << crate::wire::live::SIZE_BITS) - 1)) as usize
}

extern "C" fn malloc<const OBJECT: bool>(ctx: *mut c_void, size: usize) -> *mut c_void {
    let block = (original::<OBJECT>().malloc)(ctx, size);
    allocated::<OBJECT>(block, size);
    block
}

extern "C" fn calloc<const OBJECT: bool>(
    ctx: *mut c_void,
    count: usize,
    each: usize,
) -> *mut c_void {
    let block = (original::<OBJECT>().calloc)(ctx, count, each);
    allocated::<OBJECT>(block, count.saturating_mul(each));
    block
}

extern "C" fn free<const OBJECT: bool>(ctx: *mut c_void, block: *mut c_void) {
    // Before it is given back: from then on another thread may be given the same address.
    if may_be_sampled(block as u64)
        && let Some(sampler) = sampler()
        && let Some(taken) = sampler.take(block as u64)
    {
        released::<OBJECT>(sampler, taken, block, size_of(taken));
    }
    (original::<OBJECT>().free)(ctx, block);
}

extern "C" fn realloc<const OBJECT: bool>(
    ctx: *mut c_void,
    old: *mut c_void,
    size: usize,
) -> *mut c_void {
    let sampler = sampler();
    let taken = sampler.filter(|_| may_be_sampled(old as u64)).and_then(|s| s.take(old as u64));
    let block = (original::<OBJECT>().realloc)(ctx, old, size);
    if let (Some(sampler), Some(taken)) = (sampler, taken) {
        if block.is_null() {
            sampler.put(old as u64, taken.0, taken.1);
        } else {
            released::<OBJECT>(sampler, taken, block, size.min(size_of(taken)));
        }
    }
    allocated::<OBJECT>(block, size);
    block
}

extern "C" fn forked() {
    if ON.swap(false, Relaxed)
        && let Some(sampler) = SAMPLER.get()
    {
        sampler.word(head::FORKS).fetch_add(1, Relaxed);
    }
}

fn map(path: &CStr) -> Result<&'static [AtomicU64], u64> {
    let path = OsStr::from_bytes(path.to_bytes());
    let file = File::options().read(true).write(true).open(path).map_err(|_| refusal::TABLE)?;
    let length = file.metadata().map_err(|_| refusal::TABLE)?.len() as usize;
    if length < HEADER * 8 || !length.is_multiple_of(8) {
        return Err(refusal::FOREIGN);
    }
    // SAFETY: a new mapping of a file whose length was just asked for, and which ungil never
    // shortens.
    let at = unsafe {
        mmap(std::ptr::null_mut(), length, PROT_READ_WRITE, MAP_SHARED, file.as_raw_fd(), 0)
    };
    if at as isize == -1 {
        return Err(refusal::TABLE);
    }
    // SAFETY: page-aligned, as long as said, never unmapped; whoever else writes to it, does so to
    // words that are atomic here.
    Ok(unsafe { std::slice::from_raw_parts(at.cast::<AtomicU64>(), length / 8) })
}

fn begin(path: &CStr) -> Result<(), u64> {
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
    sampler.word(head::BEGAN).store(now(), Relaxed);
    sampler.word(head::PID).store(u64::from(std::process::id()), Relaxed);
    sampler.word(head::PYTHON).store(sampler.python.offsets.version.hex(), Relaxed);
    sampler
        .word(head::FREE_THREADED)
        .store(u64::from(sampler.python.offsets.free_threaded), Relaxed);
    let sampler = SAMPLER.get_or_init(|| sampler);
    let both = ORIGINAL.get_or_init(|| DOMAINS.map(|domain| sampler.python.allocator(domain)));
    sampler.word(head::PAIR_PS).store(pair_ps(sampler, both), Relaxed);
    // SAFETY: the handler is a plain function of a library that is never unloaded.
    unsafe { pthread_atfork(None, None, Some(forked)) };
    sampler.word(head::PROCESSOR_BEGAN).store(processor(), Relaxed);
    sampler.word(head::STATE).store(state::RUNNING, Release);
    ON.store(true, Relaxed);
    for (domain, ours) in DOMAINS.into_iter().zip(ours(both)) {
        sampler.python.set_allocator(domain, &ours);
    }
    Ok(())
}

fn ours(both: &[Allocator; 2]) -> [Allocator; 2] {
    [Allocator::around::<false>(&both[0]), Allocator::around::<true>(&both[1])]
}

/// How much longer one allocation and its release take for being counted but not sampled: the best
/// of several rounds.
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
    // Nothing is sampled meanwhile, nor left in the counts.
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

/// Ends it, once: restores the allocators where they are still ours. Typed or not, what was counted
/// stands.
fn finish(sampler: &Sampler, how: u64) {
    if !ON.swap(false, Relaxed) {
        return;
    }
    let Some(both) = ORIGINAL.get() else { return };
    let mut restored = 1;
    for ((domain, ours), original) in DOMAINS.into_iter().zip(ours(both)).zip(both) {
        if sampler.python.allocator(domain).is(&ours) {
            sampler.python.set_allocator(domain, original);
        } else {
            restored = 2;
        }
    }
    if how == state::STOPPED {
        sampler.read_live();
    }
    sampler.word(head::RESTORED).store(restored, Relaxed);
    sampler.word(head::ENDED).store(now(), Relaxed);
    sampler.word(head::PROCESSOR_ENDED).store(processor(), Relaxed);
    sampler.word(head::STATE).store(how, Release);
}

/// Begins to profile into the table at `path`. 0, or one of [`refusal`].
///
/// # Safety
/// `path` ends with a zero, and the calling thread is attached to the interpreter.
#[cfg_attr(feature = "library", unsafe(no_mangle))]
pub unsafe extern "C" fn ungil_start(path: *const c_char) -> c_int {
    // SAFETY: by the caller's promise.
    let path = unsafe { CStr::from_ptr(path) };
    begin(path).map_or_else(|why| why as c_int, |()| 0)
}

/// Ends the profile and reads the types of live blocks. Does nothing if none runs, or in a forked
/// child.
#[cfg_attr(feature = "library", unsafe(no_mangle))]
pub extern "C" fn ungil_stop() {
    if let Some(sampler) = SAMPLER.get() {
        finish(sampler, state::STOPPED);
    }
}
