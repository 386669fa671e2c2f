//! The arguments of a bulk operation. A range is not expanded. All other iterables are consumed in
//! advance and their items stored in slots, from which workers take them.

use crate::imported;
use crate::object::word::{load, take};
use crate::object::{Object, encode};
use pyo3::exceptions::{PyMemoryError, PyOverflowError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use ungil_sync::slot::Slot;

/// Error for a `range` whose length does not fit in `len()`.
const TOO_LONG: &str =
    "the range has 2**63 items or more, which no call can finish; pass a shorter range";

/// The arguments, in order.
pub(super) enum Items {
    /// The items of a `range` within 64 bits.
    Range { start: i64, step: i64, len: usize },
    /// The items of any other `range`, which computes them itself.
    WideRange { range: Slot<Object>, len: usize },
    /// One argument each.
    Single(Box<[Slot<Object>]>),
    /// A tuple of arguments each.
    Tuples(Box<[Slot<Object>]>),
}

impl Items {
    /// Consumes the iterables, zipped if there are several.
    pub(super) fn collect(py: Python<'_>, iterables: &Bound<'_, PyTuple>) -> PyResult<Self> {
        if iterables.len() == 1 {
            let one = iterables.get_item(0)?;
            if let Some(range) = Self::range(py, &one)? {
                return Ok(range);
            }
            return Ok(Self::Single(to_slots(&one)?));
        }
        let zip = imported::zip(py).call1(iterables)?;
        Ok(Self::Tuples(to_slots(&zip)?))
    }

    fn range(py: Python<'_>, iterable: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        if !iterable.get_type().is(imported::range(py)) {
            return Ok(None);
        }
        let len = iterable.len().map_err(|_| PyOverflowError::new_err(TOO_LONG))?;
        let bound = |name| iterable.getattr(name).and_then(|bound| bound.extract::<i64>());
        Ok(Some(match (bound("start"), bound("stop"), bound("step")) {
            (Ok(start), Ok(_), Ok(step)) => Self::Range { start, step, len },
            _ => Self::WideRange { range: Slot::new(encode(iterable)), len },
        }))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Range { len, .. } | Self::WideRange { len, .. } => *len,
            Self::Single(slots) | Self::Tuples(slots) => slots.len(),
        }
    }

    /// Takes the argument at `index`; for `Tuples`, a tuple of arguments.
    #[inline]
    pub(super) fn take<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyAny>> {
        match self {
            // An item of the range, so within 64 bits.
            Self::Range { start, step, .. } => Ok(start
                .wrapping_add(step.wrapping_mul(index as i64))
                .into_pyobject(py)?
                .into_any()),
            Self::WideRange { range, .. } => match load(py, range)? {
                Some(range) => range.get_item(index),
                None => Err(PyRuntimeError::new_err("the range was dropped")),
            },
            Self::Single(slots) | Self::Tuples(slots) => take(py, &slots[index])?
                .ok_or_else(|| PyRuntimeError::new_err("an item was taken twice")),
        }
    }

    /// Calls `function` with the argument or arguments at `index`.
    #[inline]
    pub(super) fn call<'py>(
        &self,
        function: &Bound<'py, PyAny>,
        index: usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        let item = self.take(function.py(), index)?;
        match self {
            Self::Tuples(_) => function.call(item.cast_into::<PyTuple>()?, None),
            _ => function.call1((item,)),
        }
    }
}

/// Stores the items of an iterable in slots.
fn to_slots(iterable: &Bound<'_, PyAny>) -> PyResult<Box<[Slot<Object>]>> {
    let mut slots = Vec::new();
    for item in iterable.try_iter()? {
        let item = item?;
        slots.try_reserve(1).map_err(|_| PyMemoryError::new_err("too many items"))?;
        slots.push(Slot::new(encode(&item)));
    }
    Ok(slots.into())
}
