//! Process-wide state: the number of forks, and whether the interpreter is shutting down.

use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyCFunction};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Number of forks between the first process and this one. A pool belongs to the process that
/// created it.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// True once the interpreter is shutting down.
static SHUTTING_DOWN: AtomicBool = AtomicBool::new(false);

/// Returns the number of forks between the first process and this one.
pub(super) fn fork_count() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// Registers the handler that counts forks. Called when the module is imported.
pub(super) fn register_fork_handler(py: Python<'_>) -> PyResult<()> {
    let os = py.import("os")?;
    if os.hasattr("register_at_fork")? {
        let count = PyCFunction::new_closure(py, None, None, |_, _| {
            _ = FORKS.fetch_add(1, Ordering::Relaxed)
        })?;
        os.call_method(
            "register_at_fork",
            (),
            Some(&[("after_in_child", count)].into_py_dict(py)?),
        )?;
    }
    Ok(())
}

/// Returns true if the interpreter is shutting down.
#[inline]
pub(super) fn is_shutting_down() -> bool {
    SHUTTING_DOWN.load(Ordering::SeqCst)
}

/// Records that the interpreter is shutting down.
pub(super) fn set_shutting_down() {
    SHUTTING_DOWN.store(true, Ordering::SeqCst);
}
