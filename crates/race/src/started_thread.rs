//! Starting and joining threads: what the starter did happens before the thread, and what the thread
//! did before whoever joins it.
#![allow(unsafe_code)] // C functions of the interpreter's calling convention.

use crate::python::{MethodDef, Object, python};
use crate::thread::{Clocks, Thread};
use std::collections::HashMap;
use std::ffi::{CStr, c_int, c_void};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

const CAPSULE: &CStr = c"ungil.started_thread";
/// `METH_VARARGS | METH_KEYWORDS`.
const VARARGS_KEYWORDS: c_int = 3;

/// The clocks of a thread that has ended.
type Ended = Arc<Mutex<Option<Clocks>>>;

/// A thread between its start and its first instruction.
struct Started {
    function: Object,
    parent: Clocks,
    ended: Ended,
}

/// Threads by the address of their handle. A handle's address is used again only for a later thread.
static HANDLES: Mutex<Option<HashMap<usize, Ended>>> = Mutex::new(None);
static RUNNING: AtomicU32 = AtomicU32::new(0);
static RUN: MethodDef = MethodDef {
    name: c"ungil_run_thread".as_ptr(),
    function: run as *mut c_void,
    flags: VARARGS_KEYWORDS,
    doc: std::ptr::null(),
};

/// Returns the number of started threads that have not ended.
pub(crate) fn running() -> u32 {
    RUNNING.load(Ordering::Relaxed)
}

/// Returns the arguments for starting a thread whose function is wrapped, and what the thread's
/// handle is to be remembered with; `None` if they cannot be made.
pub(crate) fn wrap(arguments: Object) -> Option<(Object, Ended)> {
    let python = python();
    let parent = Thread::with(|thread| {
        let clocks = thread.clocks.clone();
        thread.advance();
        clocks
    })?;
    let ended = Ended::default();
    // SAFETY: the arguments of the call under way, a tuple. New references are given to the tuple.
    unsafe {
        let count = (python.tuple_size)(arguments);
        if count < 1 {
            return None;
        }
        let function = (python.tuple_item)(arguments, 0);
        (python.keep)(function);
        let started = Box::new(Started { function, parent, ended: ended.clone() });
        let capsule =
            (python.capsule)(Box::into_raw(started).cast(), CAPSULE.as_ptr(), Some(drop_started));
        let wrapper = (python.new_function)(&RUN, capsule, std::ptr::null_mut());
        (python.release)(capsule);
        let changed = (python.new_tuple)(count);
        (python.set_tuple_item)(changed, 0, wrapper);
        for index in 1..count {
            let argument = (python.tuple_item)(arguments, index);
            (python.keep)(argument);
            (python.set_tuple_item)(changed, index, argument);
        }
        Some((changed, ended))
    }
}

/// Remembers the handle of a started thread.
pub(crate) fn remember(handle: Object, ended: Ended) {
    if let Ok(mut handles) = HANDLES.lock() {
        handles.get_or_insert_default().insert(handle as usize, ended);
    }
}

/// Returns the argument `handle` of a call.
pub(crate) fn handle_argument(names: Object) -> Option<Object> {
    if names.is_null() {
        return None;
    }
    // SAFETY: the keywords of the call under way, a dict; the result is borrowed.
    let found = unsafe { (python().dict_item)(names, c"handle".as_ptr()) };
    (!found.is_null()).then_some(found)
}

/// Records that this thread has waited for the end of another one.
pub(crate) fn join(thread: &mut Thread, handle: Object) {
    let ended =
        HANDLES.lock().ok().and_then(|handles| handles.as_ref()?.get(&(handle as usize)).cloned());
    let Some(ended) = ended else { return };
    if let Ok(ended) = ended.lock()
        && let Some(clocks) = ended.as_ref()
    {
        thread.clocks.all.join(&clocks.all);
        thread.clocks.starts.join(&clocks.starts);
    }
}

unsafe extern "C" fn drop_started(capsule: Object) {
    // SAFETY: the capsule was made by `wrap`, and ends.
    unsafe {
        let started = (python().capsule_pointer)(capsule, CAPSULE.as_ptr()).cast::<Started>();
        if !started.is_null() {
            let started = Box::from_raw(started);
            (python().release)(started.function);
        }
    }
}

/// Runs a thread's function between its first and its last event.
unsafe extern "C" fn run(capsule: Object, arguments: Object, names: Object) -> Object {
    let python = python();
    // SAFETY: made by `wrap`; the function object holds the capsule during the call.
    unsafe {
        let started = (python.capsule_pointer)(capsule, CAPSULE.as_ptr()).cast::<Started>();
        if started.is_null() {
            return std::ptr::null_mut();
        }
        Thread::begin(&(*started).parent);
        RUNNING.fetch_add(1, Ordering::Relaxed);
        let result = (python.call)((*started).function, arguments, names);
        RUNNING.fetch_sub(1, Ordering::Relaxed);
        if let (Some(clocks), Ok(mut ended)) = (Thread::end(), (*started).ended.lock()) {
            *ended = Some(clocks);
        }
        result
    }
}
