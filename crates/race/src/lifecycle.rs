//! Starting and stopping the detector: the functions that the runner's Python code calls.
#![allow(unsafe_code)] // The C entry points.

use crate::finding;
use crate::instruction::{Opcodes, Scope};
use crate::lock_order;
use crate::method::Effect;
use crate::method_table;
use crate::monitor::{CALLBACK, KNOWN, Known};
use crate::pause::PAUSE_CHANCE;
use crate::python::{Object, find, python};
use crate::quiet;
use crate::shadow;
use crate::thread::{self, ON, Thread};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::str::FromStr;
use std::sync::atomic::Ordering;

unsafe extern "C" {
    fn pthread_atfork(
        prepare: Option<extern "C" fn()>,
        parent: Option<extern "C" fn()>,
        child: Option<extern "C" fn()>,
    ) -> c_int;
}

/// Runs before a fork, after the functions of `os.register_at_fork`.
extern "C" fn before_fork() {
    Thread::with(lock_order::on_fork);
}

/// Runs in a forked child, which is not watched.
extern "C" fn on_fork() {
    ON.store(false, Ordering::Relaxed);
    method_table::restore();
}

/// Returns a message that the caller shows; it is never freed.
fn message(text: &str) -> *const c_char {
    CString::new(text.replace('\0', " ")).unwrap_or_default().into_raw()
}

fn number<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

/// The configuration: a line for each setting, `name value`.
fn start(config: &str) -> Result<(), String> {
    if KNOWN.get().is_some() {
        return Err("the detector is running already".to_owned());
    }
    let python = find()?;
    let mut opcodes = Opcodes::default();
    let mut known = Known::default();
    let (mut exclude, mut include) = (Vec::new(), Vec::new());
    for line in config.lines() {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        match name {
            "shared" => quiet::share(),
            "report" => finding::open(value)?,
            "seed" => thread::set_seed(number(value)?),
            "pause" => PAUSE_CHANCE.store(number(value)?, Ordering::Relaxed),
            "exclude" => exclude.push(value.to_owned()),
            "include" => include.push(value.to_owned()),
            "deque" => python.types.deque.store(number(value)?, Ordering::Relaxed),
            "len" => known.len = number(value)?,
            "append" => known.append = number(value)?,
            "list_iterator" => known.list_iterator = number(value)?,
            "set_iterator" => known.set_iterator = number(value)?,
            "local" => known.local = number(value)?,
            "reentrant_lock" => known.reentrant_lock = number(value)?,
            "dict_iterators" => {
                for (slot, text) in known.dict_iterators.iter_mut().zip(value.split(' ')) {
                    *slot = number(text)?;
                }
            }
            "opcode" => {
                let (opcode, value) = value.split_once(' ').unwrap_or((value, ""));
                opcodes.set(opcode, number(value)?);
            }
            other => return Err(format!("unknown setting {other}")),
        }
    }
    quiet::set_marker(opcodes.get("INSTRUMENTED_INSTRUCTION")?);
    Scope::new(&opcodes, exclude, include)?.set();
    let _ = KNOWN.set(known);
    shadow::prepare()?;
    // SAFETY: called by a thread attached to the interpreter, whose functions these are.
    unsafe {
        let mut data = std::ptr::null_mut();
        if (python.tracer)(&mut data).is_some() {
            return Err("another tool traces the creation of objects (PyRefTracer); the interpreter has one place for it".to_owned());
        }
        if (python.set_tracer)(Some(shadow::on_reference), std::ptr::null_mut()) != 0 {
            return Err("the interpreter refused the reference tracer".to_owned());
        }
        pthread_atfork(Some(before_fork), None, Some(on_fork));
    }
    ON.store(true, Ordering::Release);
    Ok(())
}

/// Starts the detector. Returns NULL, or why it cannot be started.
///
/// # Safety
/// `config` is NUL-terminated, and the calling thread is attached to the interpreter.
#[cfg_attr(feature = "library", unsafe(no_mangle))]
pub unsafe extern "C" fn ungil_race_start(config: *const c_char) -> *const c_char {
    // SAFETY: the caller's contract.
    let config = unsafe { CStr::from_ptr(config) };
    match start(&config.to_string_lossy()) {
        Ok(()) => std::ptr::null(),
        Err(why) => message(&why),
    }
}

/// Returns the callback for `sys.monitoring`'s INSTRUCTION events, a new reference.
///
/// # Safety
/// [`ungil_race_start`] succeeded, and the calling thread is attached to the interpreter.
#[cfg_attr(feature = "library", unsafe(no_mangle))]
pub unsafe extern "C" fn ungil_race_callback() -> *mut c_void {
    // SAFETY: a static definition.
    unsafe { (python().new_function)(&CALLBACK, std::ptr::null_mut(), std::ptr::null_mut()).cast() }
}

/// Wraps a C method. Returns NULL, or why it cannot be wrapped.
///
/// # Safety
/// `method` is a method descriptor, or a built-in function if `is_descriptor` is 0; the strings are
/// NUL-terminated, and the calling thread is attached to the interpreter.
#[cfg_attr(feature = "library", unsafe(no_mangle))]
pub unsafe extern "C" fn ungil_race_patch(
    method: *mut c_void,
    is_descriptor: c_int,
    name: *const c_char,
    effect: *const c_char,
) -> *const c_char {
    // SAFETY: the caller's contract.
    let (name, effect) = unsafe { (CStr::from_ptr(name), CStr::from_ptr(effect)) };
    let Some(effect) = Effect::from_name(&effect.to_string_lossy()) else {
        return message("unknown effect");
    };
    // SAFETY: the caller's contract.
    match unsafe { method_table::wrap(method as Object, is_descriptor != 0, name, effect) } {
        Ok(()) => std::ptr::null(),
        Err(why) => message(&why),
    }
}

/// Stops recording and restores what was changed.
///
/// # Safety
/// The calling thread is attached to the interpreter.
#[cfg_attr(feature = "library", unsafe(no_mangle))]
pub unsafe extern "C" fn ungil_race_stop() {
    if !ON.swap(false, Ordering::AcqRel) {
        return;
    }
    method_table::restore();
    // SAFETY: the caller's contract.
    unsafe { (python().set_tracer)(None, std::ptr::null_mut()) };
    finding::write_line("{\"kind\":\"end\"}");
}
