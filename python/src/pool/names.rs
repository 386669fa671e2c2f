//! The standard library's names that are used here, imported once.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

macro_rules! exceptions {
    ($($function:ident = $module:literal . $name:literal;)*) => {$(
        pub(super) fn $function(py: Python<'_>, message: impl Into<String>) -> PyErr {
            static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
            match TYPE.import(py, $module, $name) {
                Ok(kind) => PyErr::from_type(kind.clone(), (message.into(),)),
                Err(error) => error,
            }
        }
    )*};
}

exceptions! {
    invalid_state = "concurrent.futures"."InvalidStateError";
    cancelled = "concurrent.futures"."CancelledError";
    broken = "concurrent.futures.thread"."BrokenThreadPool";
}

/// `ungil.Future`: the core of this library under `concurrent.futures.Future`.
pub(super) fn future_type(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    TYPE.import(py, "ungil.pools", "Future")
}

/// The logger that the standard library's executors write to.
pub(super) fn logger(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.import("logging")?.call_method1("getLogger", ("concurrent.futures",))
}

/// Logs an error that nobody is there to be raised to.
pub(super) fn log(
    py: Python<'_>,
    level: &str,
    message: &str,
    about: Option<&Bound<'_, PyAny>>,
    error: PyErr,
) {
    let write = || {
        let info = pyo3::types::PyDict::new(py);
        info.set_item("exc_info", error.value(py))?;
        let logger = logger(py)?;
        match about {
            Some(about) => logger.call_method(level, (message, about), Some(&info)),
            None => logger.call_method(level, (message,), Some(&info)),
        }
    };
    if let Err(failure) = write() {
        failure.write_unraisable(py, about);
    }
}
