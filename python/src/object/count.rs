//! Changes how an object is reference-counted, so that threads do not contend on the count: merge
//! it (any thread may then drop the object directly), defer it (the interpreter's loads then do not
//! touch the count), or make the object immortal. See PEP 703 for the terms.

#![allow(unsafe_code)]

use super::header::{self, Header, IMMORTAL, MERGED, SHIFT};
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

/// Functions of the interpreter that some builds' headers omit. Resolved when the module is
/// imported; null if missing.
static DEFER: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static TRY_RETAIN: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static ALLOW_TRY: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static IS_TEMPORARY: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

type OnObject = unsafe extern "C" fn(*mut ffi::PyObject) -> c_int;

/// Resolves the functions. If one is missing, the operations that need it report failure.
pub(crate) fn resolve_functions() {
    for (target, name) in [
        (&DEFER, c"PyUnstable_Object_EnableDeferredRefcount"),
        (&TRY_RETAIN, c"PyUnstable_TryIncRef"),
        (&ALLOW_TRY, c"PyUnstable_EnableTryIncRef"),
        (&IS_TEMPORARY, c"PyUnstable_Object_IsUniqueReferencedTemporary"),
    ] {
        target.store(symbol(name), Ordering::Release);
    }
}

fn symbol(name: &CStr) -> *mut c_void {
    unsafe extern "C" {
        fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    }
    // SAFETY: a null handle is RTLD_DEFAULT on Linux: the program and the libraries linked with it.
    unsafe { dlsym(std::ptr::null_mut(), name.as_ptr()) }
}

fn function(place: &AtomicPtr<c_void>) -> Option<OnObject> {
    let address = place.load(Ordering::Relaxed);
    if address.is_null() {
        return None;
    }
    // SAFETY: the address of a function of this type. (`PyUnstable_EnableTryIncRef` returns void;
    // its "result" is not read.)
    Some(unsafe { std::mem::transmute::<*mut c_void, OnObject>(address) })
}

/// Raises an object's count.
///
/// # Safety
/// `object` is alive.
#[inline]
pub(crate) unsafe fn retain(object: *mut ffi::PyObject) {
    if header::known() {
        // SAFETY: alive, by the caller's contract.
        let head = unsafe { header::of(object) };
        let local = head.local.load(Ordering::Relaxed);
        if local == IMMORTAL {
        } else if head.owner.load(Ordering::Relaxed) == header::this_thread() {
            head.local.store(local + 1, Ordering::Relaxed);
        } else {
            head.shared.fetch_add(1 << SHIFT, Ordering::Relaxed);
        }
        return;
    }
    // SAFETY: alive, by the caller's contract.
    unsafe { ffi::Py_INCREF(object) }
}

/// Lowers an object's count. May run a finalizer.
///
/// # Safety
/// The caller owns one count and does not use it afterwards.
#[inline]
pub(crate) unsafe fn release(object: *mut ffi::PyObject) {
    if header::known() {
        // SAFETY: alive, by the caller's contract.
        let head = unsafe { header::of(object) };
        let local = head.local.load(Ordering::Relaxed);
        if local == IMMORTAL {
            return;
        }
        let owner = head.owner.load(Ordering::Relaxed);
        if local > 1 && owner == header::this_thread() {
            head.local.store(local - 1, Ordering::Relaxed);
            return;
        }
        let shared = head.shared.load(Ordering::Relaxed);
        // A merged count that does not reach 0. All other cases are left to the interpreter.
        if owner == 0
            && shared & MERGED == MERGED
            && shared >> SHIFT > 1
            && head
                .shared
                .compare_exchange(
                    shared,
                    shared - (1 << SHIFT),
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                )
                .is_ok()
        {
            return;
        }
    }
    // SAFETY: the caller owns a count.
    unsafe { ffi::Py_DECREF(object) }
}

/// Raises the count of an object that may have been freed since this thread read its address
/// (`_Py_TryIncref`). Returns false if the object is gone.
///
/// # Safety
/// This thread read the address from a location that owned a count of the object, and has been
/// attached since. With a GIL, nothing else has run since.
#[inline]
pub(crate) unsafe fn try_retain(object: *mut ffi::PyObject) -> bool {
    if header::known() {
        // SAFETY: the memory of an object is reused only after every attached thread has passed a
        // quiescent state.
        let head = unsafe { header::of(object) };
        let local = head.local.load(Ordering::Relaxed);
        if local == IMMORTAL {
            return true;
        }
        if head.owner.load(Ordering::Relaxed) == header::this_thread() {
            head.local.store(local + 1, Ordering::Relaxed);
            return true;
        }
        let mut shared = head.shared.load(Ordering::Relaxed);
        while shared != 0 && shared != MERGED {
            let more = shared + (1 << SHIFT);
            match head.shared.compare_exchange_weak(
                shared,
                more,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => shared = now,
            }
        }
        return false;
    }
    if header::free_threaded() {
        // SAFETY: as above, with the interpreter's own function.
        return function(&TRY_RETAIN).is_some_and(|f| unsafe { f(object) } != 0);
    }
    // SAFETY: with a GIL nothing has run since the read, so the object is alive.
    unsafe { ffi::Py_INCREF(object) };
    true
}

/// Merges an object's count, so that every thread may change it alone
/// (`_Py_ExplicitMergeRefcount`). If another thread owns the object, only enables [`try_retain`]
/// for it. Returns true if the count is merged or need not be.
///
/// # Safety
/// The caller owns a count of `object`.
#[inline]
pub(crate) unsafe fn merge_count(object: *mut ffi::PyObject) -> bool {
    if !header::known() {
        if header::free_threaded()
            && let Some(allow) = function(&ALLOW_TRY)
        {
            // SAFETY: the caller owns a count.
            unsafe { allow(object) };
        }
        return !header::free_threaded();
    }
    // SAFETY: alive, by the caller's contract.
    let head = unsafe { header::of(object) };
    let local = head.local.load(Ordering::Relaxed);
    if local == IMMORTAL {
        return true;
    }
    let owner = head.owner.load(Ordering::Relaxed);
    if owner == header::this_thread() {
        merge_header(head, 0);
        return true;
    }
    allow_try(head);
    owner == 0
}

/// Merges the count and raises it by `more`. Only the owning thread may call it.
#[inline]
fn merge_header(head: &Header, more: isize) {
    let more = more + head.local.load(Ordering::Relaxed) as isize;
    let mut shared = head.shared.load(Ordering::Relaxed);
    while let Err(now) = head.shared.compare_exchange_weak(
        shared,
        (((shared >> SHIFT) + more) << SHIFT) | MERGED,
        Ordering::AcqRel,
        Ordering::Relaxed,
    ) {
        shared = now;
    }
    disown(head);
}

/// Clears the owner, as for every merged count.
#[inline]
fn disown(head: &Header) {
    head.local.store(0, Ordering::Relaxed);
    head.owner.store(0, Ordering::Relaxed);
}

/// Allows other threads to call [`try_retain`] on the object from now on (`_Py_REF_MAYBE_WEAKREF`),
/// unless they may already.
fn allow_try(head: &Header) {
    let mut shared = head.shared.load(Ordering::Relaxed);
    while shared & MERGED == 0
        && let Err(now) = head.shared.compare_exchange_weak(
            shared,
            shared | 1,
            Ordering::AcqRel,
            Ordering::Relaxed,
        )
    {
        shared = now;
    }
}

/// Raises the count of an object that this thread keeps owning, and enables [`try_retain`] for it.
/// Returns false and does nothing if another thread owns it.
///
/// # Safety
/// `object` is alive.
pub(crate) unsafe fn retain_own(object: *mut ffi::PyObject) -> bool {
    if !header::known() {
        return false;
    }
    // SAFETY: alive, by the caller's contract.
    let head = unsafe { header::of(object) };
    let local = head.local.load(Ordering::Relaxed);
    if local == IMMORTAL || head.owner.load(Ordering::Relaxed) != header::this_thread() {
        return false;
    }
    head.local.store(local + 1, Ordering::Relaxed);
    allow_try(head);
    true
}

/// Returns true if the only reference to an object is on the stack of the interpreter's innermost
/// frame.
///
/// # Safety
/// `object` is alive.
#[inline]
unsafe fn is_temporary(object: *mut ffi::PyObject) -> bool {
    let Some(function) = function(&IS_TEMPORARY) else { return false };
    // SAFETY: alive, by the caller's contract.
    unsafe { function(object) != 0 }
}

/// Raises an object's count by one and merges it: [`retain`] and [`merge_count`], in one step where
/// possible.
///
/// # Safety
/// `object` is alive, and this thread is attached.
#[inline]
pub(crate) unsafe fn retain_and_merge(object: *mut ffi::PyObject) {
    if header::known() {
        // SAFETY: alive, by the caller's contract.
        let head = unsafe { header::of(object) };
        let local = head.local.load(Ordering::Relaxed);
        if local == IMMORTAL {
            return;
        }
        if head.owner.load(Ordering::Relaxed) == header::this_thread() {
            // A temporary on the interpreter's stack cannot be reached by another thread before the
            // caller stores it, so no atomic exchange is needed.
            let is_unshared = local == 1 && head.shared.load(Ordering::Relaxed) == 0;
            // SAFETY: alive, by the caller's contract.
            if is_unshared && unsafe { is_temporary(object) } {
                head.shared.store((2 << SHIFT) | MERGED, Ordering::Relaxed);
                disown(head);
            } else {
                merge_header(head, 1);
            }
            return;
        }
    }
    // SAFETY: alive, by the caller's contract.
    unsafe {
        retain(object);
        merge_count(object);
    }
}

/// Defers the reference count of an object tracked by the collector: loading it from a variable, an
/// attribute or a container no longer touches the count, and only the collector frees it. Returns
/// false if it is not tracked or belongs to another thread.
pub(crate) fn defer(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the object is alive; the function checks the rest.
    function(&DEFER).is_some_and(|f| unsafe { f(object.as_ptr()) } != 0)
}

/// Merges an object's count as [`merge_count`] does.
pub(crate) fn merge_count_of(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: `object` owns a count.
    unsafe { merge_count(object.as_ptr()) }
}

/// Makes an object immortal: its count is never written again and it is never freed. Returns false
/// if another thread owns it.
///
/// The count is merged first, so that a thread that has begun to release a count of its own still
/// finds it.
pub(crate) fn immortalize(object: &Bound<'_, PyAny>) -> bool {
    if !header::known() || !merge_count_of(object) {
        return false;
    }
    // SAFETY: alive while `object` is borrowed; once the count is merged, no other thread writes
    // `local`.
    unsafe { header::of(object.as_ptr()) }.local.store(IMMORTAL, Ordering::Release);
    true
}

/// Returns true if the collector may track objects of this type.
pub(crate) fn may_be_tracked(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: types are alive while their instances are.
    unsafe { ffi::PyType_GetFlags(object.get_type_ptr()) & ffi::Py_TPFLAGS_HAVE_GC != 0 }
}

/// How an object is reference-counted.
pub(crate) enum CountState {
    Immortal,
    Deferred,
    Merged,
    Owned,
    OwnedByOtherThread,
    Plain,
}

/// Returns how an object is reference-counted.
pub(crate) fn count_state(object: &Bound<'_, PyAny>) -> CountState {
    if !header::known() {
        return CountState::Plain;
    }
    // SAFETY: alive while `object` is borrowed.
    let head = unsafe { header::of(object.as_ptr()) };
    if head.local.load(Ordering::Relaxed) == IMMORTAL {
        CountState::Immortal
    } else if head.gc_bits.load(Ordering::Relaxed) & header::DEFERRED != 0 {
        CountState::Deferred
    } else {
        match head.owner.load(Ordering::Relaxed) {
            0 => CountState::Merged,
            owner if owner == header::this_thread() => CountState::Owned,
            _ => CountState::OwnedByOtherThread,
        }
    }
}

/// Returns true if an object is immortal, so that its count is never written.
#[inline]
pub(crate) fn is_immortal(object: &Bound<'_, PyAny>) -> bool {
    if header::known() {
        // SAFETY: alive while `object` is borrowed.
        return unsafe { header::of(object.as_ptr()) }.local.load(Ordering::Relaxed) == IMMORTAL;
    }
    false
}
