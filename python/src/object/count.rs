//! What may be done to an object's count so that threads do not meet on it: merge it (any thread
//! may then drop the object at once), defer it (the interpreter's own loads then touch no count),
//! make it immortal.

#![allow(unsafe_code)]

use super::header::{self, Header, IMMORTAL, MERGED, SHIFT};
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

/// Functions of the interpreter that the headers of some builds leave out, looked up when the
/// module is imported.
static DEFER: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static TRY_RETAIN: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static ALLOW_TRY: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static IS_TEMPORARY: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

type OnObject = unsafe extern "C" fn(*mut ffi::PyObject) -> c_int;

/// Looks the functions up. Their absence only makes the answers of this file "no".
pub(crate) fn look_up() {
    for (place, name) in [
        (&DEFER, c"PyUnstable_Object_EnableDeferredRefcount"),
        (&TRY_RETAIN, c"PyUnstable_TryIncRef"),
        (&ALLOW_TRY, c"PyUnstable_EnableTryIncRef"),
        (&IS_TEMPORARY, c"PyUnstable_Object_IsUniqueReferencedTemporary"),
    ] {
        place.store(symbol(name), Ordering::Release);
    }
}

fn symbol(name: &CStr) -> *mut c_void {
    unsafe extern "C" {
        fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    }
    // SAFETY: a null handle is RTLD_DEFAULT on Linux: the program and the libraries it was linked
    // with.
    unsafe { dlsym(std::ptr::null_mut(), name.as_ptr()) }
}

fn function(place: &AtomicPtr<c_void>) -> Option<OnObject> {
    let address = place.load(Ordering::Relaxed);
    if address.is_null() {
        return None;
    }
    // SAFETY: the address of a function of exactly this type. (`PyUnstable_EnableTryIncRef` returns
    // nothing; its "result" is not read.)
    Some(unsafe { std::mem::transmute::<*mut c_void, OnObject>(address) })
}

/// Raises an object's count.
///
/// # Safety
/// `object` is alive.
#[inline]
pub(crate) unsafe fn retain(object: *mut ffi::PyObject) {
    if header::known() {
        // SAFETY: alive, by the caller.
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
    // SAFETY: alive, by the caller.
    unsafe { ffi::Py_INCREF(object) }
}

/// Lowers an object's count. May run a finalizer.
///
/// # Safety
/// The caller owns that count, and forgets it.
#[inline]
pub(crate) unsafe fn release(object: *mut ffi::PyObject) {
    if header::known() {
        // SAFETY: alive, by the caller.
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
        // Not the last of a merged count: the rest is the interpreter's to do.
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
/// (`_Py_TryIncref`).
///
/// # Safety
/// The address was read by this thread, attached since, from a place that owned a count of it. With
/// a GIL, nothing else has run since.
#[inline]
pub(crate) unsafe fn try_retain(object: *mut ffi::PyObject) -> bool {
    if header::known() {
        // SAFETY: the memory of objects is given back only after every attached thread has passed a
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
        // SAFETY: as above, by the interpreter's own function.
        return function(&TRY_RETAIN).is_some_and(|f| unsafe { f(object) } != 0);
    }
    // SAFETY: with a GIL nothing ran between the read and here, so the object is alive.
    unsafe { ffi::Py_INCREF(object) };
    true
}

/// Hands an object over: its count becomes one that every thread may change alone
/// (`_Py_ExplicitMergeRefcount`). If another thread owns it, it is only made fit for
/// [`try_retain`]. True if the count is merged now, or need not be.
///
/// # Safety
/// The caller owns a count of `object`.
#[inline]
pub(crate) unsafe fn hand_over(object: *mut ffi::PyObject) -> bool {
    if !header::known() {
        if header::free_threaded()
            && let Some(allow) = function(&ALLOW_TRY)
        {
            // SAFETY: the caller owns a count.
            unsafe { allow(object) };
        }
        return !header::free_threaded();
    }
    // SAFETY: alive, by the caller.
    let head = unsafe { header::of(object) };
    let local = head.local.load(Ordering::Relaxed);
    if local == IMMORTAL {
        return true;
    }
    let owner = head.owner.load(Ordering::Relaxed);
    if owner == header::this_thread() {
        merge(head, 0);
        return true;
    }
    allow_try(head);
    owner == 0
}

/// Merges the count, raised by `more`. Only the owner may.
#[inline]
fn merge(head: &Header, more: isize) {
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

/// Whose count is merged has no owner.
#[inline]
fn disown(head: &Header) {
    head.local.store(0, Ordering::Relaxed);
    head.owner.store(0, Ordering::Relaxed);
}

/// Lets a count be taken from now on without knowing that there is one (`_Py_REF_MAYBE_WEAKREF`),
/// unless that is so already.
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

/// Raises the count of an object that stays this thread's, and makes it fit for [`try_retain`].
/// False, and nothing done, if it is not this thread's.
///
/// # Safety
/// `object` is alive.
pub(crate) unsafe fn retain_own(object: *mut ffi::PyObject) -> bool {
    if !header::known() {
        return false;
    }
    // SAFETY: alive, by the caller.
    let head = unsafe { header::of(object) };
    let local = head.local.load(Ordering::Relaxed);
    if local == IMMORTAL || head.owner.load(Ordering::Relaxed) != header::this_thread() {
        return false;
    }
    head.local.store(local + 1, Ordering::Relaxed);
    allow_try(head);
    true
}

/// Whether an object's only reference is a place on the stack of the interpreter's innermost frame,
/// which nothing else shares.
///
/// # Safety
/// The object is alive.
#[inline]
unsafe fn is_temporary(object: *mut ffi::PyObject) -> bool {
    let Some(ask) = function(&IS_TEMPORARY) else { return false };
    // SAFETY: alive, by the caller.
    unsafe { ask(object) != 0 }
}

/// Raises an object's count by one and hands the object over: [`retain`] and [`hand_over`], in one
/// step where that is possible.
///
/// # Safety
/// `object` is alive, and this thread is attached.
#[inline]
pub(crate) unsafe fn retain_and_hand_over(object: *mut ffi::PyObject) {
    if header::known() {
        // SAFETY: alive, by the caller.
        let head = unsafe { header::of(object) };
        let local = head.local.load(Ordering::Relaxed);
        if local == IMMORTAL {
            return;
        }
        if head.owner.load(Ordering::Relaxed) == header::this_thread() {
            // What has just been computed and lies on the interpreter's stack only, nobody else can
            // reach: no other thread looks at its count before the caller has put it somewhere.
            // SAFETY: alive, by the caller.
            if local == 1
                && head.shared.load(Ordering::Relaxed) == 0
                && unsafe { is_temporary(object) }
            {
                head.shared.store((2 << SHIFT) | MERGED, Ordering::Relaxed);
                disown(head);
            } else {
                merge(head, 1);
            }
            return;
        }
    }
    // SAFETY: alive, by the caller.
    unsafe {
        retain(object);
        hand_over(object);
    }
}

/// Defers the count of an object that the collector tracks: loading it from a variable, an
/// attribute or a container touches no count from then on, and the collector alone frees it. False
/// if it is not tracked, or another thread's.
pub(crate) fn defer(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the object is alive; the function checks the rest.
    function(&DEFER).is_some_and(|f| unsafe { f(object.as_ptr()) } != 0)
}

/// Hands an object over, as [`hand_over`].
pub(crate) fn give(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: `object` owns a count.
    unsafe { hand_over(object.as_ptr()) }
}

/// Makes an object immortal: its count is never written again and it is never freed. False if
/// another thread owns it.
///
/// The count is merged first, so that a thread that had begun to drop a count of its own still
/// finds it.
pub(crate) fn immortalize(object: &Bound<'_, PyAny>) -> bool {
    if !header::known() || !give(object) {
        return false;
    }
    // SAFETY: alive while `object` is borrowed; with the count merged, nobody else writes `local`.
    unsafe { header::of(object.as_ptr()) }.local.store(IMMORTAL, Ordering::Release);
    true
}

/// Whether the collector may track objects of this type.
pub(crate) fn may_be_tracked(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: types are alive while their instances are.
    unsafe { ffi::PyType_GetFlags(object.get_type_ptr()) & ffi::Py_TPFLAGS_HAVE_GC != 0 }
}

/// How an object's count stands.
pub(crate) enum Standing {
    Immortal,
    Deferred,
    Merged,
    Owned,
    Anothers,
    Counted,
}

/// How an object's count stands.
pub(crate) fn standing(object: &Bound<'_, PyAny>) -> Standing {
    if !header::known() {
        return Standing::Counted;
    }
    // SAFETY: alive while `object` is borrowed.
    let head = unsafe { header::of(object.as_ptr()) };
    if head.local.load(Ordering::Relaxed) == IMMORTAL {
        Standing::Immortal
    } else if head.gc_bits.load(Ordering::Relaxed) & header::DEFERRED != 0 {
        Standing::Deferred
    } else {
        match head.owner.load(Ordering::Relaxed) {
            0 => Standing::Merged,
            owner if owner == header::this_thread() => Standing::Owned,
            _ => Standing::Anothers,
        }
    }
}

/// Whether an object is immortal: its count is never touched.
#[inline]
pub(crate) fn is_immortal(object: &Bound<'_, PyAny>) -> bool {
    if header::known() {
        // SAFETY: alive while `object` is borrowed.
        return unsafe { header::of(object.as_ptr()) }.local.load(Ordering::Relaxed) == IMMORTAL;
    }
    false
}
