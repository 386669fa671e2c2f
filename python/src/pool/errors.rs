//! The exceptions of `concurrent.futures`, and logging to its logger.

use crate::imported;
use pyo3::prelude::*;

macro_rules! exceptions {
    ($($function:ident = $class:ident;)*) => {$(
        pub(super) fn $function(py: Python<'_>, message: impl Into<String>) -> PyErr {
            imported::$class(py).call1((message.into(),)).map_or_else(|error| error, PyErr::from_value)
        }
    )*};
}

exceptions! {
    invalid_state = invalid_state;
    cancelled = cancelled;
    broken = broken_pool;
}

/// Returns the logger that the standard library's executors write to.
pub(super) fn logger(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    imported::logging(py).call_method1("getLogger", ("concurrent.futures",))
}

/// Logs an error that cannot be raised in any caller.
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
