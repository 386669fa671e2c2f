//! The state of a reduction: how accumulators begin, and the finished ones.

use crate::object::Object;
use crate::object::word::load;
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError};
use ungil_sync::slot::Slot;

/// The accumulators of a reduction.
pub(super) struct Fold {
    /// The initial accumulator, or a function that returns one.
    pub(super) initial: Slot<Object>,
    pub(super) is_factory: bool,
    /// True if there is one part per chunk, so that parts can be combined in order; false if there
    /// is one per worker.
    pub(super) ordered: bool,
    /// The index of each part's first item, and the part.
    pub(super) parts: Mutex<Vec<(usize, Py<PyAny>)>>,
}

impl Fold {
    pub(super) fn initial<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let initial = load(py, &self.initial)?.unwrap_or_else(|| py.None().into_bound(py));
        if self.is_factory { initial.call0() } else { Ok(initial) }
    }

    pub(super) fn store(&self, start: usize, part: Bound<'_, PyAny>) {
        let part = part.unbind();
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).push((start, part));
    }
}
