//! The header of every object on a free-threaded build (`Include/cpython/object.h` of 3.14,
//! unchanged in 3.15): the owning thread and two counts. The stable ABI does not expose these
//! fields, so the layout is verified on a test object when the module is imported. If it does not
//! match, the interpreter's own functions change counts.

#![allow(unsafe_code)]

use pyo3::ffi;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicIsize, AtomicU8, AtomicU32, AtomicUsize, Ordering};

/// `PyObject` on a free-threaded build.
#[repr(C)]
pub(crate) struct Header {
    /// The owning thread (`_Py_ThreadId`), or 0 if the count is merged.
    pub(crate) owner: AtomicUsize,
    flags: u16,
    mutex: AtomicU8,
    /// [`DEFERRED`] and other flags of the collector.
    pub(crate) gc_bits: AtomicU8,
    /// The owner's count; [`IMMORTAL`] for an immortal object. Written by the owner only.
    pub(crate) local: AtomicU32,
    /// Bits 0 and 1: flags, [`MERGED`] if both are set. From bit 2: the count of all other threads.
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

/// The kind of interpreter: 0 before [`detect`], then one of the three constants below.
static KIND: AtomicU8 = AtomicU8::new(0);
const WITH_GIL: u8 = 1;
const KNOWN: u8 = 2;
const OPAQUE: u8 = 3;

/// Returns true if the interpreter is a free-threaded build.
#[inline]
pub(crate) fn free_threaded() -> bool {
    if cfg!(Py_GIL_DISABLED) || cfg!(feature = "abi3t") {
        KIND.load(Ordering::Relaxed) != WITH_GIL
    } else {
        false
    }
}

/// Returns true if it is free-threaded and its object header matches [`Header`].
#[inline]
pub(crate) fn known() -> bool {
    if cfg!(Py_GIL_DISABLED) || cfg!(feature = "abi3t") {
        KIND.load(Ordering::Relaxed) == KNOWN
    } else {
        false
    }
}

/// `_Py_ThreadId()`: the address of the thread's own storage.
#[inline]
pub(crate) fn this_thread() -> usize {
    let id: usize;
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    // SAFETY: reads the thread pointer, as the interpreter's header does on this architecture.
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

/// Returns the header of `object`.
///
/// # Safety
/// `object` points to an object, alive or just freed (see [`ungil_sync::slot`]), and [`known`]
/// returned true.
#[inline]
pub(crate) unsafe fn of<'a>(object: *mut ffi::PyObject) -> &'a Header {
    // SAFETY: the caller's contract.
    unsafe { &*object.cast::<Header>() }
}

/// Detects the kind of interpreter. Must be called before anything else in this module.
pub(crate) fn detect(py: Python<'_>) -> PyResult<()> {
    let config = py.import("sysconfig")?.call_method1("get_config_var", ("Py_GIL_DISABLED",))?;
    let kind = if !config.is_truthy()? {
        WITH_GIL
    } else if layout_matches(py)? {
        KNOWN
    } else {
        OPAQUE
    };
    KIND.store(kind, Ordering::Relaxed);
    Ok(())
}

/// Returns true if a new object of this thread looks as [`Header`] says, before and after its count
/// is raised.
fn layout_matches(py: Python<'_>) -> PyResult<bool> {
    if this_thread() == 0 {
        return Ok(false);
    }
    let fresh = pyo3::types::PyList::new(py, [1, 2])?;
    // SAFETY: every list is at least as large as the header, which is only read.
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
