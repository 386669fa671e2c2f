//! What threads are called.
//!
//! `threading` keeps its threads by number in `_active`, with their names, and those it did not start too once they asked. A thread
//! below `threading` has no name in Python; what the kernel calls it stands in.

use super::Scene;
use crate::python::{Interpreter, Python};
use rustc_hash::FxHashMap;

/// Names by the address of the thread state.
#[must_use]
pub fn thread_names(python: &Python, scene: &Scene) -> FxHashMap<u64, String> {
    let mut names = FxHashMap::default();
    for &interpreter in &scene.interpreters {
        let active = active(python, interpreter).unwrap_or_default();
        for seen in scene.threads.iter().filter(|seen| seen.thread.interpreter == interpreter.id) {
            let thread = seen.thread;
            let name = active
                .get(&thread.ident)
                .cloned()
                .or_else(|| python.objects().thread_name(&seen.stack.frames))
                .or_else(|| comm(python.process().pid, thread.native_id));
            names.extend(name.map(|name| (thread.address, name)));
        }
    }
    names
}

/// `threading._active` of an interpreter: names by `get_ident()`.
fn active(python: &Python, interpreter: Interpreter) -> Option<FxHashMap<u64, String>> {
    let objects = python.objects();
    let modules = interpreter.address.checked_add(python.offsets().interpreter_state.imports_modules)?;
    let module = objects.item(python.memory().u64(modules).ok()?, "threading")?;
    let globals = python.memory().u64(module.checked_add(python.offsets().pyobject.size)?).ok()?;
    let active = objects.entries(objects.item(globals, "_active")?).ok()?;
    let mut key = None;
    let names = active.into_iter().filter_map(|(ident, thread)| {
        let attributes = objects.attributes(thread).ok()?;
        // Names of attributes are shared strings: the one found once is found again by its address.
        let is_name = |&&(name, _): &&(u64, u64)| match key {
            Some(known) => name == known,
            None => objects.text(name).is_ok_and(|text| text == "_name"),
        };
        let &(found, value) = attributes.iter().find(is_name)?;
        key = Some(found);
        Some((objects.int(ident)?.cast_unsigned(), objects.text(value).ok()?))
    });
    Some(names.collect())
}

/// What the kernel calls a thread.
fn comm(pid: u32, tid: u32) -> Option<String> {
    let name = std::fs::read(format!("/proc/{pid}/task/{tid}/comm")).ok()?;
    Some(String::from_utf8_lossy(&name).trim_end_matches('\n').to_owned())
}
