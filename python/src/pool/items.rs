//! The arguments of a row of calls. A range is not written out; everything else is taken from its iterables beforehand, handed over, and taken
//! out item by item.

use super::watch::{empty, take};
use crate::object::encode;
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use ungil_sync::slot::Slot;

/// The arguments, in order.
pub(super) enum Items {
    /// Of `range`.
    Range { start: i64, step: i64, len: usize },
    /// One argument each.
    Single(Box<[Slot]>),
    /// A tuple of arguments each.
    Tuples(Box<[Slot]>),
}

impl Items {
    /// Takes everything from the iterables, as `zip` does if there are several.
    pub(super) fn collect(py: Python<'_>, iterables: &Bound<'_, PyTuple>) -> PyResult<Self> {
        if iterables.len() == 1 {
            let one = iterables.get_item(0)?;
            if let Some(range) = Self::range(py, &one)? {
                return Ok(range);
            }
            return Ok(Self::Single(words(&one)?));
        }
        let zip = py.import("builtins")?.getattr("zip")?.call1(iterables)?;
        Ok(Self::Tuples(words(&zip)?))
    }

    fn range(py: Python<'_>, iterable: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        if !iterable.get_type().is(&py.import("builtins")?.getattr("range")?) {
            return Ok(None);
        }
        let bound = |name| iterable.getattr(name).and_then(|bound| bound.extract::<i64>());
        // One that leaves 64 bits is written out like any other iterable.
        let (Ok(start), Ok(_), Ok(step), Ok(len)) =
            (bound("start"), bound("stop"), bound("step"), iterable.len())
        else {
            return Ok(None);
        };
        Ok(Some(Self::Range { start, step, len }))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Range { len, .. } => *len,
            Self::Single(slots) | Self::Tuples(slots) => slots.len(),
        }
    }

    /// The argument at `index`, taken out, and whether it is a tuple of several.
    #[inline]
    pub(super) fn take<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyAny>> {
        match self {
            // Within the range, so within 64 bits.
            Self::Range { start, step, .. } => {
                Ok(start.wrapping_add(step.wrapping_mul(index as i64)).into_pyobject(py)?.into_any())
            }
            Self::Single(slots) | Self::Tuples(slots) => take(py, &slots[index])?
                .ok_or_else(|| pyo3::exceptions::PyRuntimeError::new_err("an item was taken twice")),
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

impl Drop for Items {
    fn drop(&mut self) {
        if let Self::Single(slots) | Self::Tuples(slots) = self {
            slots.iter().for_each(empty);
        }
    }
}

/// Slots of what an iterable yields. If it raises, what it has yielded goes again.
fn words(iterable: &Bound<'_, PyAny>) -> PyResult<Box<[Slot]>> {
    let mut slots = Vec::new();
    let mut fill = || {
        for item in iterable.try_iter()? {
            let item = item?;
            slots.try_reserve(1).map_err(|_| PyMemoryError::new_err("too many items"))?;
            slots.push(Slot::new(encode(&item)));
        }
        Ok(())
    };
    if let Err(error) = fill() {
        slots.iter().for_each(empty);
        return Err(error);
    }
    Ok(slots.into())
}
