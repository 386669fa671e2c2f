//! What a reduction keeps besides its row: where accumulators begin, and those that are finished.

use crate::object::Object;
use crate::object::word::load;
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError};
use ungil_sync::slot::Slot;

/// The accumulators of a reduction.
pub(super) struct Fold {
    /// Where an accumulator begins: a value, or something to call for one.
    pub(super) initial: Slot<Object>,
    pub(super) is_factory: bool,
    /// One for each share, so that they can be put in order; otherwise one for each worker.
    pub(super) ordered: bool,
    pub(super) parts: Mutex<Vec<(usize, Py<PyAny>)>>,
}

impl Fold {
    pub(super) fn begin<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let initial = load(py, &self.initial)?.unwrap_or_else(|| py.None().into_bound(py));
        if self.is_factory { initial.call0() } else { Ok(initial) }
    }

    pub(super) fn keep(&self, start: usize, part: Bound<'_, PyAny>) {
        let part = part.unbind();
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).push((start, part));
    }
}
