//! The head of every object on a free-threaded build (`Include/cpython/object.h` of 3.14, unchanged
//! in 3.15): whose it is and its two counts. The stable ABI keeps these fields to itself, so the
//! layout is not believed but checked when the module is imported, on an object made for it; where
//! it does not fit, counts are left to the interpreter's own functions.

#![allow(unsafe_code)]

use pyo3::ffi;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicIsize, AtomicU8, AtomicU32, AtomicUsize, Ordering};

/// `PyObject` on a free-threaded build.
#[repr(C)]
pub(crate) struct Header {
    /// The thread that owns the object (`_Py_ThreadId`), or 0 when its count is merged.
    pub(crate) owner: AtomicUsize,
    flags: u16,
    mutex: AtomicU8,
    /// [`DEFERRED`] and the collector's other marks.
    pub(crate) gc_bits: AtomicU8,
    /// The owner's count; [`IMMORTAL`] on an immortal object.
    pub(crate) local: AtomicU32,
    /// Everybody else's count, shifted left by two, and two flags.
    pub(crate) shared: AtomicIsize,
}

/// `_Py_IMMORTAL_REFCNT_LOCAL`.
pub(crate) const IMMORTAL: u32 = u32::MAX;
/// `_Py_REF_MERGED`: the shared count is the whole count.
pub(crate) const MERGED: isize = 3;
/// `_PyGC_BITS_DEFERRED`.
pub(crate) const DEFERRED: u8 = 1 << 6;
/// `_Py_REF_SHARED_SHIFT`.
pub(crate) const SHIFT: u32 = 2;

/// What the running interpreter turned out to be: 0 unasked, then one of the three below.
static KIND: AtomicU8 = AtomicU8::new(0);
const WITH_GIL: u8 = 1;
const KNOWN: u8 = 2;
const OPAQUE: u8 = 3;

/// Whether the running interpreter is a free-threaded build.
#[inline]
pub(crate) fn free_threaded() -> bool {
    if cfg!(Py_GIL_DISABLED) || cfg!(feature = "abi3t") {
        KIND.load(Ordering::Relaxed) != WITH_GIL
    } else {
        false
    }
}

/// Whether it is one whose object head is laid out as [`Header`] says.
#[inline]
pub(crate) fn known() -> bool {
    if cfg!(Py_GIL_DISABLED) || cfg!(feature = "abi3t") {
        KIND.load(Ordering::Relaxed) == KNOWN
    } else {
        false
    }
}

/// `_Py_ThreadId()`: the address the thread's own storage begins at.
#[inline]
pub(crate) fn this_thread() -> usize {
    let id: usize;
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    // SAFETY: reads the thread pointer, as the interpreter's own header does on this machine.
    unsafe {
        std::arch::asm!("mov {}, fs:0", out(reg) id, options(nostack, preserves_flags, readonly));
    }
    #[cfg(all(target_arch = "aarch64", target_os = "linux"))]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("mrs {}, tpidr_el0", out(reg) id, options(nostack, preserves_flags, nomem));
    }
    #[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), target_os = "linux")))]
    {
        id = 0;
    }
    id
}

/// The head of `object`.
///
/// # Safety
/// `object` points to an object, alive or just freed (see [`ungil_sync::slot`]), of an interpreter
/// that is [`known`].
#[inline]
pub(crate) unsafe fn of<'a>(object: *mut ffi::PyObject) -> &'a Header {
    // SAFETY: the caller's.
    unsafe { &*object.cast::<Header>() }
}

/// Finds out, once, what the running interpreter is. Everything else here may be asked afterwards.
pub(crate) fn inspect(py: Python<'_>) -> PyResult<()> {
    let config = py.import("sysconfig")?.call_method1("get_config_var", ("Py_GIL_DISABLED",))?;
    let kind = if !config.is_truthy()? {
        WITH_GIL
    } else if fits(py)? {
        KNOWN
    } else {
        OPAQUE
    };
    KIND.store(kind, Ordering::Relaxed);
    Ok(())
}

/// Whether a fresh object of this thread looks as [`Header`] says, before and after its count is
/// raised.
fn fits(py: Python<'_>) -> PyResult<bool> {
    if this_thread() == 0 {
        return Ok(false);
    }
    let fresh = pyo3::types::PyList::new(py, [1, 2])?;
    // SAFETY: at least as many bytes belong to any list as the header has; the fields are only
    // read.
    let head = unsafe { of(fresh.as_ptr()) };
    let seen = || {
        (
            head.owner.load(Ordering::Relaxed),
            head.local.load(Ordering::Relaxed),
            head.shared.load(Ordering::Relaxed),
        )
    };
    let before = seen();
    let second = fresh.clone();
    let after = seen();
    drop(second);
    Ok(before == (this_thread(), 1, 0) && after == (this_thread(), 2, 0) && seen() == before)
}
