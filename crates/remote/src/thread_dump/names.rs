//! Names of threads.
//!
//! `threading` keeps its threads by number in `_active`, with their names, and those it did not
//! start too once they asked. A thread below `threading` has no name in Python. The kernel's name
//! for it stands in brackets then, as `ps` shows kernel threads, so that it cannot be taken for
//! Python's.

use super::ThreadDump;
use crate::python::{Interpreter, Python};
use rustc_hash::FxHashMap;

/// Names by the address of the thread state. A thread that has entered another interpreter has the
/// same name there.
#[must_use]
pub fn thread_names(python: &Python, dump: &ThreadDump) -> FxHashMap<u64, String> {
    let mut names: FxHashMap<u64, String> = FxHashMap::default();
    // The main interpreter is the first, so that a thread's name there comes before what a
    // subinterpreter calls it.
    let mut by_thread: FxHashMap<u32, String> = FxHashMap::default();
    for &interpreter in &dump.interpreters {
        let active = active(python, interpreter).unwrap_or_default();
        for info in dump.threads.iter().filter(|info| info.thread.interpreter == interpreter.id) {
            let thread = info.thread;
            let name = by_thread
                .get(&thread.own_id)
                .or_else(|| active.by_ident.get(&thread.ident))
                // A subinterpreter takes the process's main thread for its own, by `get_ident()`
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
struct Active {
    by_ident: FxHashMap<u64, String>,
    by_native_id: FxHashMap<u32, String>,
}

fn active(python: &Python, interpreter: Interpreter) -> Option<Active> {
    let objects = python.objects();
    let modules =
        interpreter.address.checked_add(python.offsets().interpreter_state.imports_modules)?;
    let module = objects.item(python.memory().u64(modules).ok()?, "threading")?;
    let globals = python.memory().u64(module.checked_add(python.offsets().pyobject.size)?).ok()?;
    let threads = objects.entries(objects.item(globals, "_active")?).ok()?;
    // Names of attributes are shared strings: the one found once is found again by its address.
    let mut keys = [None; 2];
    let mut active = Active::default();
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

/// The kernel's name for a thread, in brackets.
fn kernel_name(python: &Python, tid: u32) -> Option<String> {
    Some(format!("[{}]", python.process().kernel_name(tid)?))
}
