//! Thread names.
//!
//! `threading` keeps its threads with their names by ident in `_active`, including threads it did
//! not start that called into it. Other threads have no name in Python. Their kernel name is shown
//! in brackets, as `ps` does for kernel threads, to distinguish it from Python names.

use super::ThreadDump;
use crate::python::{Interpreter, Python};
use rustc_hash::FxHashMap;

/// Returns thread names by the address of the thread state. A thread has the same name in all
/// interpreters it has entered.
#[must_use]
pub fn thread_names(python: &Python, dump: &ThreadDump) -> FxHashMap<u64, String> {
    let mut names: FxHashMap<u64, String> = FxHashMap::default();
    // The main interpreter is first, so a thread's name there takes precedence over its name in a
    // subinterpreter.
    let mut by_thread: FxHashMap<u32, String> = FxHashMap::default();
    for &interpreter in &dump.interpreters {
        let active = active_threads(python, interpreter).unwrap_or_default();
        for info in dump.threads.iter().filter(|info| info.thread.interpreter == interpreter.id) {
            let thread = info.thread;
            let name = by_thread
                .get(&thread.own_id)
                .or_else(|| active.by_ident.get(&thread.ident))
                // A subinterpreter registers the process's main thread as its own, by `get_ident()`
                // only.
                .or_else(|| active.by_native_id.get(&thread.listed_id))
                .cloned()
                .or_else(|| python.objects().thread_name(info.frames()));
            if let (Some(name), 1..) = (&name, thread.own_id) {
                by_thread.insert(thread.own_id, name.clone());
            }
            let name = name.or_else(|| kernel_name(python, thread.native_id));
            names.extend(name.map(|name| (thread.address, name)));
        }
    }
    names
}

/// `threading._active` of one interpreter.
#[derive(Default)]
struct ActiveThreads {
    by_ident: FxHashMap<u64, String>,
    by_native_id: FxHashMap<u32, String>,
}

fn active_threads(python: &Python, interpreter: Interpreter) -> Option<ActiveThreads> {
    let objects = python.objects();
    let modules =
        interpreter.address.checked_add(python.offsets().interpreter_state.imports_modules)?;
    let module = objects.item(python.memory().u64(modules).ok()?, "threading")?;
    let globals = python.memory().u64(module.checked_add(python.offsets().pyobject.size)?).ok()?;
    let threads = objects.entries(objects.item(globals, "_active")?).ok()?;
    // Attribute names are shared strings, so they are compared by address after the first match.
    let mut keys = [None; 2];
    let mut active = ActiveThreads::default();
    for (ident, thread) in threads {
        let attributes = objects.attributes(thread).unwrap_or_default();
        let mut attribute = |which: usize, name: &str| {
            let known =
                keys[which].and_then(|key| attributes.iter().find(|&&(found, _)| found == key));
            let is_it = |&&(key, _): &&(u64, u64)| objects.text(key).is_ok_and(|text| text == name);
            let &(key, value) = known.or_else(|| attributes.iter().find(is_it))?;
            keys[which] = Some(key);
            Some(value)
        };
        let Some(name) = attribute(0, "_name").and_then(|name| objects.text(name).ok()) else {
            continue;
        };
        let native_id = attribute(1, "_native_id").and_then(|id| objects.int(id));
        if let Some(ident) = objects.int(ident) {
            active.by_ident.insert(ident.cast_unsigned(), name.clone());
        }
        if let Some(native_id) = native_id.and_then(|id| u32::try_from(id).ok()) {
            active.by_native_id.insert(native_id, name);
        }
    }
    Some(active)
}

/// Returns the kernel's name of a thread in brackets.
fn kernel_name(python: &Python, tid: u32) -> Option<String> {
    Some(format!("[{}]", python.process().kernel_name(tid)?))
}
