//! `share`: makes an object graph cheap to read, replace and drop from every thread.
//!
//! Without a GIL, three things make a shared object slow: threads that load it write its reference
//! count, threads that drop an object created by another queue the release for that thread, and
//! threads that change it wait for its lock. The first two concern the count and can be avoided in
//! advance: objects tracked by the collector get deferred counts, and the owner merges the counts
//! of all others. (For the third there are the containers of this package.)

use crate::imported;
use crate::object::count::{self, CountState};
use crate::object::header;
use pyo3::exceptions::PyUserWarning;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyFunction, PyList, PyModule, PyTuple, PyType};
use std::collections::{HashMap, HashSet};

pyo3::create_exception!(
    ungil,
    ShareWarning,
    PyUserWarning,
    "Some objects that `share` visited could not be made cheap to share; the message says which and why."
);

/// Maximum number of objects per query to the collector, which stops the other threads while it
/// answers.
const BATCH: usize = 1024;

/// Defers the reference count of a new container. Called by the `__init__` of every class.
#[inline]
pub(crate) fn defer_count(object: &Bound<'_, PyAny>) {
    count::defer(object);
}

/// A traversal of an object graph.
struct GraphWalk<'py> {
    py: Python<'py>,
    immortal: bool,
    /// Addresses of the visited objects that the collector tracks.
    seen: HashSet<usize>,
    /// Visited objects whose referents have not been visited yet.
    open: Vec<Bound<'py, PyAny>>,
    /// Number of objects that could not be shared, by type name and reason.
    skipped: HashMap<(String, &'static str), usize>,
}

const NOT_DATA: &str = "it is execution state or a system resource, not data";
const OTHER_THREADS: &str = "another thread created it and owns its reference count: share it in that thread, or copy it first";
const OPAQUE: &str = "this interpreter does not let extensions merge its reference count";

impl<'py> GraphWalk<'py> {
    fn skip(&mut self, object: &Bound<'py, PyAny>, why: &'static str) -> PyResult<()> {
        let name = object.get_type().fully_qualified_name()?.to_string();
        *self.skipped.entry((name, why)).or_default() += 1;
        Ok(())
    }

    /// Shares one object and adds it to `open` if it may have referents.
    fn visit(&mut self, object: Bound<'py, PyAny>) -> PyResult<()> {
        let state = count::count_state(&object);
        if !count::may_be_tracked(&object) {
            return match state {
                CountState::Immortal => Ok(()),
                _ if self.immortal && count::immortalize(&object) => Ok(()),
                _ if count::merge_count_of(&object) => Ok(()),
                _ => self.skip(&object, if header::known() { OTHER_THREADS } else { OPAQUE }),
            };
        }
        if is_cheap_already(&object) || !self.seen.insert(object.as_ptr() as usize) {
            return Ok(());
        }
        if is_not_data(&object)? {
            return self.skip(&object, NOT_DATA);
        }
        if self.immortal && count::immortalize(&object) {
        } else if !matches!(state, CountState::Deferred | CountState::Immortal)
            && !count::defer(&object)
            && !count::merge_count_of(&object)
        {
            // A tuple of untracked values is untracked itself: its count can only be merged.
            self.skip(&object, OTHER_THREADS)?;
        }
        self.open.push(object);
        Ok(())
    }

    /// Shares all objects reachable from `root`.
    fn run(&mut self, root: &Bound<'py, PyAny>) -> PyResult<()> {
        self.visit(root.clone())?;
        let mut batch = Vec::new();
        while let Some(object) = self.open.pop() {
            if let Ok(list) = object.cast_exact::<PyList>() {
                list.iter().try_for_each(|item| self.visit(item))?;
            } else if let Ok(tuple) = object.cast_exact::<PyTuple>() {
                tuple.iter().try_for_each(|item| self.visit(item))?;
            } else if object.is_instance_of::<PyFunction>() {
                // Not its globals, through which the whole program is reachable.
                for name in ["__closure__", "__defaults__", "__kwdefaults__"] {
                    self.visit(object.getattr(name)?)?;
                }
            } else {
                batch.push(object);
            }
            if batch.len() == BATCH || self.open.is_empty() && !batch.is_empty() {
                let objects = PyTuple::new(self.py, batch.drain(..))?;
                let referents = imported::gc(self.py).call_method1("get_referents", objects)?;
                referents.cast::<PyList>()?.iter().try_for_each(|item| self.visit(item))?;
            }
            self.py.check_signals()?;
        }
        Ok(())
    }

    /// Issues one warning about the skipped objects, if any.
    fn warn(self) -> PyResult<()> {
        if self.skipped.is_empty() {
            return Ok(());
        }
        let total: usize = self.skipped.values().sum();
        let mut kinds: Vec<_> = self.skipped.into_iter().collect();
        kinds.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let shown: Vec<_> = kinds
            .iter()
            .take(5)
            .map(|((name, why), n)| format!("{n} of type {name}: {why}"))
            .collect();
        let more = if kinds.len() > shown.len() {
            format!("; and {} more kinds", kinds.len() - shown.len())
        } else {
            String::new()
        };
        let message = format!(
            "{total} object{} could not be shared: {}{more}",
            if total == 1 { "" } else { "s" },
            shown.join("; ")
        );
        imported::warnings(self.py)
            .call_method1("warn", (message, self.py.get_type::<ShareWarning>(), 2))?;
        Ok(())
    }
}

/// Returns true for objects that the interpreter shares cheaply by itself: types, modules, and
/// functions written in C.
fn is_cheap_already(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<PyType>()
        || object.is_instance_of::<PyModule>()
        || object.is_instance_of::<PyCFunction>()
}

/// Returns true for frames, generators and the like, through which the running program is
/// reachable.
fn is_not_data(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let name = object.get_type().name()?;
    let builtin = object
        .get_type()
        .module()
        .is_ok_and(|m| m == "builtins" || m == "_thread" || m == "_io" || m == "_asyncio");
    Ok(builtin
        && matches!(
            &*name.to_cow()?,
            "frame"
                | "generator"
                | "coroutine"
                | "async_generator"
                | "traceback"
                | "code"
                | "lock"
                | "RLock"
                | "Task"
                | "Future"
                | "_local"
                | "TextIOWrapper"
                | "BufferedReader"
                | "BufferedWriter"
                | "BufferedRandom"
                | "FileIO"
        ))
}

/// Makes an object, and everything it refers to, cheap to read, replace and drop from every thread.
/// Returns the object.
///
/// Call it in the thread that built the graph, before other threads get it. Objects tracked by the
/// collector (instances, dicts, lists, tuples, sets, closures) get deferred reference counts:
/// reading them through a variable, attribute or index writes nothing, and *only the collector
/// frees them*. All other objects (str, bytes, int, float, ...) have their counts merged, so the
/// thread that drops the last reference frees them directly. Types, modules and functions are left
/// as they are, because the interpreter already shares them well. Objects added to the graph later
/// are not shared.
///
/// With `immortal=True`, no visited object is ever freed. Use it for objects that live as long as
/// the process and are read by all threads at once (configuration, vocabularies, models). It is
/// needed when threads read the *same* str, int or float over and over, or get the same object from
/// a function written in C, because those accesses always change the count.
///
/// Objects that could not be shared are reported in a `ShareWarning`, with the reason. A constant
/// in the source, such as the tuple in `[1, (2, "x")]`, belongs to the thread that imported the
/// module: share it there, or create a new tuple with `tuple([2, "x"])`. With a GIL, `share` does
/// nothing.
///
/// Thread safety: distinct. (Call it before other threads change the graph.)
#[pyfunction]
#[pyo3(signature = (obj, /, *, immortal = false))]
fn share<'py>(obj: Bound<'py, PyAny>, immortal: bool) -> PyResult<Bound<'py, PyAny>> {
    if header::free_threaded() {
        let mut walk = GraphWalk {
            py: obj.py(),
            immortal,
            seen: HashSet::new(),
            open: Vec::new(),
            skipped: HashMap::new(),
        };
        walk.run(&obj)?;
        walk.warn()?;
    }
    Ok(obj)
}

/// Returns how an object is reference-counted: "immortal", "deferred" (the collector frees it;
/// loads do not change the count), "merged" (any thread may drop it directly), "owned" (by this
/// thread), "another's" (owned by another thread), or "counted" (an ordinary count: with a GIL, or
/// if the interpreter does not expose it).
///
/// Thread safety: atomic.
#[pyfunction]
#[pyo3(signature = (obj, /))]
fn sharing_of(obj: &Bound<'_, PyAny>) -> &'static str {
    match count::count_state(obj) {
        CountState::Immortal => "immortal",
        CountState::Deferred => "deferred",
        CountState::Merged => "merged",
        CountState::Owned => "owned",
        CountState::OwnedByOtherThread => "another's",
        CountState::Plain => "counted",
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("ShareWarning", module.py().get_type::<ShareWarning>())?;
    module.add_function(wrap_pyfunction!(share, module)?)?;
    module.add_function(wrap_pyfunction!(sharing_of, module)?)
}
