//! The allocator wrappers that CPython calls while allocations are profiled.
#![allow(unsafe_code)] // Allocator functions called by CPython.

use crate::filter::may_be_sampled;
use crate::lifecycle::finish;
use crate::sampler::{Sampler, ThreadLocals};
use crate::type_detection::HEAD;
use crate::wire::{head, state};
use std::ffi::c_void;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// `PyMemAllocatorEx`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Allocator {
    pub(crate) ctx: *mut c_void,
    pub(crate) malloc: extern "C" fn(*mut c_void, usize) -> *mut c_void,
    calloc: extern "C" fn(*mut c_void, usize, usize) -> *mut c_void,
    realloc: extern "C" fn(*mut c_void, *mut c_void, usize) -> *mut c_void,
    pub(crate) free: extern "C" fn(*mut c_void, *mut c_void),
}

// SAFETY: `ctx` is passed only to the interpreter's own functions, which any of its threads may
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

    /// Wraps `original`. The context stays the original's: a thread of a free-threaded build that
    /// reads `ctx` and the functions at different times gets a valid pair in any case.
    pub(crate) fn around<const OBJECT: bool>(original: &Allocator) -> Allocator {
        Allocator {
            ctx: original.ctx,
            malloc: malloc::<OBJECT>,
            calloc: calloc::<OBJECT>,
            realloc: realloc::<OBJECT>,
            free: free::<OBJECT>,
        }
    }

    /// Returns whether both have the same functions.
    pub(crate) fn is(&self, other: &Allocator) -> bool {
        self.malloc as usize == other.malloc as usize && self.free as usize == other.free as usize
    }
}

/// The sampler of this process; set once, when profiling starts.
pub(crate) static SAMPLER: OnceLock<Sampler> = OnceLock::new();
/// The allocators of the domains *mem* and *object* before they were wrapped.
pub(crate) static ORIGINAL: OnceLock<[Allocator; 2]> = OnceLock::new();
/// Whether blocks are counted. Private to the process, so that a forked child can switch it off.
pub(crate) static ON: AtomicBool = AtomicBool::new(false);

thread_local! {
    pub(crate) static LOCAL: ThreadLocals = const { ThreadLocals::new() };
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
    // SAFETY: the caller owns the block, which is at least `size` bytes long and not freed yet.
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
    // Before the block is freed: afterwards another thread may get the same address.
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
