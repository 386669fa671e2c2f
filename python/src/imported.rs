//! Python objects used at run time, looked up while this module is imported.
//!
//! Nothing is looked up for the first time during a call. A lookup in progress when another thread
//! forks stays in progress in the child forever: an import holds the lock of its module, and
//! [`pyo3::sync::PyOnceLock`] (the basis of `intern!` and of PyO3's own lookups) is marked as
//! running while it waits for the GIL, which is exactly when another thread can fork.

use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::types::{PyFunction, PyList, PyString, PyType};
use std::path::Path;
use std::sync::OnceLock;

/// Declares the objects and strings. `name = "module"` is the module, `name = "module"."attribute"`
/// its attribute; strings are interned.
macro_rules! imported {
    (
        objects { $($object:ident = $module:literal $(. $attribute:literal)?;)* }
        strings { $($string:ident = $text:literal;)* }
    ) => {
        struct Imported {
            $($object: Py<PyAny>,)*
            $($string: Py<PyString>,)*
        }

        impl Imported {
            fn find(py: Python<'_>) -> PyResult<Self> {
                Ok(Self {
                    $($object: py.import($module)?.into_any()$(.getattr($attribute)?)?.unbind(),)*
                    $($string: PyString::intern(py, $text).unbind(),)*
                })
            }
        }

        $(pub(crate) fn $object(py: Python<'_>) -> &Bound<'_, PyAny> {
            imported().$object.bind(py)
        })*

        $(pub(crate) fn $string(py: Python<'_>) -> &Bound<'_, PyString> {
            imported().$string.bind(py)
        })*
    };
}

imported! {
    objects {
        awaiting = "ungil._awaiting";
        broken_barrier = "threading"."BrokenBarrierError";
        broken_pool = "concurrent.futures.thread"."BrokenThreadPool";
        cancelled = "concurrent.futures"."CancelledError";
        empty = "queue"."Empty";
        full = "queue"."Full";
        gc = "gc";
        generic_alias = "types"."GenericAlias";
        invalid_state = "concurrent.futures"."InvalidStateError";
        logging = "logging";
        os = "os";
        range = "builtins"."range";
        shut_down = "queue"."ShutDown";
        threading = "threading";
        warnings = "warnings";
        zip = "builtins"."zip";
    }
    strings {
        acquire = "acquire";
        add_cancelled = "add_cancelled";
        add_exception = "add_exception";
        add_result = "add_result";
        append = "append";
        missing = "__missing__";
        notify_all = "notify_all";
        release = "release";
    }
}

static IMPORTED: OnceLock<Imported> = OnceLock::new();
static FUTURE: OnceLock<Py<PyType>> = OnceLock::new();

fn imported() -> &'static Imported {
    IMPORTED.get().expect("set by `register`, before anything can be called")
}

/// Returns `ungil.Future`: this library's future core combined with `concurrent.futures.Future`.
pub(crate) fn future_type(py: Python<'_>) -> &Bound<'_, PyType> {
    FUTURE.get().expect("set by `ungil.pools`, before anything can be called").bind(py)
}

/// Registers the class of the futures that pools create. Called by `ungil.pools`, which defines it.
#[pyfunction]
fn _set_future_type(class: Bound<'_, PyType>) {
    _ = FUTURE.set(class.unbind());
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    _ = IMPORTED.set(Imported::find(py)?);
    // PyO3 caches these on first use: for taking an error from the interpreter, returning a path,
    // and, with the stable ABI, recognizing functions and asking iterators for their length.
    py.get_type::<PanicException>();
    Path::new("").into_pyobject(py)?;
    py.get_type::<PyFunction>();
    PyList::empty(py).try_iter()?.size_hint();
    module.add_function(wrap_pyfunction!(_set_future_type, module)?)
}
