//! `share`: an object graph made cheap to read, replace and drop from every thread.
//!
//! Three things make a shared object slow without a GIL: threads that load it write its count,
//! threads that drop what another made queue for that one, and threads that change it wait for its
//! lock. The first two are the count's, and can be had out of the way beforehand: what the
//! collector tracks is counted by deference, the rest has its count merged by its owner. (For the
//! third there are the containers.)

use crate::imported;
use crate::object::count::{self, Standing};
use crate::object::header;
use pyo3::exceptions::PyUserWarning;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyFunction, PyList, PyModule, PyTuple, PyType};
use std::collections::{HashMap, HashSet};

pyo3::create_exception!(
    ungil,
    ShareWarning,
    PyUserWarning,
    "Some of what `share` met could not be made cheap to share; the message says what and why."
);

/// How many objects the collector is asked about at once: it stops the other threads while it
/// answers.
const BATCH: usize = 1024;

/// Defers the count of a container that has just been made. Called by every class's `__init__`.
#[inline]
pub(crate) fn own(object: &Bound<'_, PyAny>) {
    count::defer(object);
}

/// A walk over an object graph.
struct Walk<'py> {
    py: Python<'py>,
    immortal: bool,
    seen: HashSet<usize>,
    /// Tracked objects whose referents are still to be looked at.
    open: Vec<Bound<'py, PyAny>>,
    /// What could not be shared: type's name and reason, and how often.
    left: HashMap<(String, &'static str), usize>,
}

const NOT_DATA: &str = "it runs, waits or belongs to the system, and is not data";
const ANOTHERS: &str =
    "another thread made it and still owns its count: share it there, or copy it here first";
const OPAQUE: &str = "this interpreter does not let its counts be merged from outside";

impl<'py> Walk<'py> {
    fn leave(&mut self, object: &Bound<'py, PyAny>, why: &'static str) -> PyResult<()> {
        let name = object.get_type().fully_qualified_name()?.to_string();
        *self.left.entry((name, why)).or_default() += 1;
        Ok(())
    }

    /// Shares one object; what it refers to waits in `open`.
    fn meet(&mut self, object: Bound<'py, PyAny>) -> PyResult<()> {
        let standing = count::standing(&object);
        if !count::may_be_tracked(&object) {
            return match standing {
                Standing::Immortal => Ok(()),
                _ if self.immortal && count::immortalize(&object) => Ok(()),
                _ if count::give(&object) => Ok(()),
                _ => self.leave(&object, if header::known() { ANOTHERS } else { OPAQUE }),
            };
        }
        if is_furniture(&object) || !self.seen.insert(object.as_ptr() as usize) {
            return Ok(());
        }
        if is_no_data(&object)? {
            return self.leave(&object, NOT_DATA);
        }
        if self.immortal && count::immortalize(&object) {
        } else if !matches!(standing, Standing::Deferred | Standing::Immortal)
            && !count::defer(&object)
            && !count::give(&object)
        {
            // A tuple of plain values is untracked: its count can only be merged.
            self.leave(&object, ANOTHERS)?;
        }
        self.open.push(object);
        Ok(())
    }

    /// Shares everything that can be reached.
    fn run(&mut self, root: &Bound<'py, PyAny>) -> PyResult<()> {
        self.meet(root.clone())?;
        let mut batch = Vec::new();
        while let Some(object) = self.open.pop() {
            if let Ok(list) = object.cast_exact::<PyList>() {
                list.iter().try_for_each(|item| self.meet(item))?;
            } else if let Ok(tuple) = object.cast_exact::<PyTuple>() {
                tuple.iter().try_for_each(|item| self.meet(item))?;
            } else if object.is_instance_of::<PyFunction>() {
                // Not its globals: that would be the program.
                for name in ["__closure__", "__defaults__", "__kwdefaults__"] {
                    self.meet(object.getattr(name)?)?;
                }
            } else {
                batch.push(object);
            }
            if batch.len() == BATCH || self.open.is_empty() && !batch.is_empty() {
                let objects = PyTuple::new(self.py, batch.drain(..))?;
                let referents = imported::gc(self.py).call_method1("get_referents", objects)?;
                referents.cast::<PyList>()?.iter().try_for_each(|item| self.meet(item))?;
            }
            self.py.check_signals()?;
        }
        Ok(())
    }

    /// Says what was left and why, as one warning.
    fn say(self) -> PyResult<()> {
        if self.left.is_empty() {
            return Ok(());
        }
        let total: usize = self.left.values().sum();
        let mut kinds: Vec<_> = self.left.into_iter().collect();
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

/// What the interpreter shares cheaply by itself: types, modules, functions written in C.
fn is_furniture(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<PyType>()
        || object.is_instance_of::<PyModule>()
        || object.is_instance_of::<PyCFunction>()
}

/// Frames, generators and the like: to walk into them is to walk into the running program.
fn is_no_data(object: &Bound<'_, PyAny>) -> PyResult<bool> {
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
/// Returns it.
///
/// Walked once, by the thread that built it and before the others get it: what the collector tracks
/// (instances, dicts, lists, tuples, sets, closures) is counted by deference from then on, so that
/// reading it through a variable, attribute or index writes nothing, and *the collector alone frees
/// it*; everything else (str, bytes, int, float, ...) has its count merged, so that whichever
/// thread drops it last frees it itself. Types, modules and functions are left as they are: the
/// interpreter shares them well. What is added to the graph later is not shared by that.
///
/// With `immortal=True` everything met is never freed: for what lives as long as the process and is
/// read by all threads at once (configuration, vocabularies, models). It is what it takes when
/// threads read the *same* str, int or float over and over, or get the same object from a function
/// written in C, since those always count.
///
/// What could not be shared is told by a `ShareWarning`, with the reason. A constant of the source,
/// such as the tuple in `[1, (2, "x")]`, belongs to the thread that imported the module: share it
/// there, or make the tuple anew, `tuple([2, "x"])`. With a GIL there is nothing to do and nothing
/// is done.
///
/// Thread safety: distinct. (Call it before other threads change the graph.)
#[pyfunction]
#[pyo3(signature = (obj, /, *, immortal = false))]
fn share<'py>(obj: Bound<'py, PyAny>, immortal: bool) -> PyResult<Bound<'py, PyAny>> {
    if header::free_threaded() {
        let mut walk = Walk {
            py: obj.py(),
            immortal,
            seen: HashSet::new(),
            open: Vec::new(),
            left: HashMap::new(),
        };
        walk.run(&obj)?;
        walk.say()?;
    }
    Ok(obj)
}

/// How an object's count stands: "immortal", "deferred" (the collector frees it; loads are free),
/// "merged" (any thread may drop it at once), "owned" (this thread made it), "another's" (another
/// thread made it), or "counted" (a plain count: with a GIL, or where the interpreter does not
/// tell).
///
/// Thread safety: atomic.
#[pyfunction]
#[pyo3(signature = (obj, /))]
fn sharing_of(obj: &Bound<'_, PyAny>) -> &'static str {
    match count::standing(obj) {
        Standing::Immortal => "immortal",
        Standing::Deferred => "deferred",
        Standing::Merged => "merged",
        Standing::Owned => "owned",
        Standing::Anothers => "another's",
        Standing::Counted => "counted",
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("ShareWarning", module.py().get_type::<ShareWarning>())?;
    module.add_function(wrap_pyfunction!(share, module)?)?;
    module.add_function(wrap_pyfunction!(sharing_of, module)?)
}
