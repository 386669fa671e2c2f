//! What the whole process has been through: its forks, and the end of its interpreter.

use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyCFunction};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// How often the process has been forked on the way here. A pool belongs to the process it was made
/// in.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// The interpreter ends.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Returns how often the process has been forked on the way here.
pub(super) fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// Counts forks from now on. Called when the module is imported.
pub(super) fn count_forks(py: Python<'_>) -> PyResult<()> {
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

/// Returns whether the interpreter ends.
#[inline]
pub(super) fn is_ending() -> bool {
    ENDING.load(Ordering::SeqCst)
}

/// Notes that the interpreter ends.
pub(super) fn end() {
    ENDING.store(true, Ordering::SeqCst);
}
