//! `AtomicInt`.

use super::cell::attributes;
use super::number::{int, too_large, whole};
use crate::object::lean;
use crossbeam_utils::CachePadded;
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::pyclass::CompareOp;
use pyo3::types::PyTuple;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::counter::Int;

/// An int of 64 bits that many threads read and change, each change at once and whole.
///
/// It never wraps: a result beyond 64 bits is an `OverflowError` and changes nothing. Each change
/// knows its result, and so the threads meet on one cache line; where only the sum matters, `Adder`
/// is many times faster.
///
/// It compares with numbers by its value of the moment, so it is not hashable.
///
/// Thread safety: atomic, all methods.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct AtomicInt {
    /// On a line of its own: an int beside it may be another thread's.
    value: Box<CachePadded<Int>>,
}

const TAKES: &str = "AtomicInt takes";

impl AtomicInt {
    /// Adds `n`; what was there, and what is.
    #[inline]
    fn plus(&self, n: i64) -> PyResult<(i64, i64)> {
        let old = self.value.add(n).ok_or_else(|| {
            PyOverflowError::new_err(
                "the sum does not fit the 64 bits of an AtomicInt, which was left as it is",
            )
        })?;
        Ok((old, old + n))
    }

    /// Replaces what is there by `function` of it.
    fn change(&self, function: &Bound<'_, PyAny>) -> PyResult<(i64, i64)> {
        loop {
            let old = self.value.get();
            let new = whole(&function.call1((old,))?, TAKES)?;
            if self.value.compare_exchange(old, new).is_ok() {
                return Ok((old, new));
            }
        }
    }

    fn minus(n: &Bound<'_, PyAny>) -> PyResult<i64> {
        whole(n, TAKES)?.checked_neg().ok_or_else(|| too_large(TAKES))
    }
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<AtomicInt>()?;
    lean::none!(module, AtomicInt, "get", |this, py| int(py, this.value.get()))?;
    lean::none!(module, AtomicInt, "increment_and_get", |this, py| int(py, this.plus(1)?.1))?;
    lean::none!(module, AtomicInt, "get_and_increment", |this, py| int(py, this.plus(1)?.0))?;
    lean::one!(module, AtomicInt, "add_and_get", |this, n| int(
        n.py(),
        this.plus(whole(n, TAKES)?)?.1
    ))?;
    lean::one!(module, AtomicInt, "get_and_add", |this, n| int(
        n.py(),
        this.plus(whole(n, TAKES)?)?.0
    ))
}

#[pymethods]
impl AtomicInt {
    #[new]
    #[pyo3(signature = (value = None, /))]
    fn new(value: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let value = value.map_or(Ok(0), |value| whole(value, TAKES))?;
        Ok(Self { value: Box::new(CachePadded::new(Int::new(value))) })
    }

    #[pyo3(signature = (value = None, /))]
    fn __init__(slf: &Bound<'_, Self>, value: Option<&Bound<'_, PyAny>>) {
        let _ = value;
        crate::sharing::own(slf.as_any());
    }

    /// The value.
    fn get<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        int(py, self.value.get())
    }

    /// Replaces the value.
    #[pyo3(signature = (value, /))]
    fn set(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.value.set(whole(value, TAKES)?);
        Ok(())
    }

    /// Replaces the value and returns the one before.
    #[pyo3(signature = (value, /))]
    fn get_and_set(&self, value: &Bound<'_, PyAny>) -> PyResult<i64> {
        Ok(self.value.swap(whole(value, TAKES)?))
    }

    /// Replaces the value by `new` if it is `expected`; returns whether it was.
    #[pyo3(signature = (expected, new, /))]
    fn compare_and_set(
        &self,
        expected: &Bound<'_, PyAny>,
        new: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let new = whole(new, TAKES)?;
        match whole(expected, TAKES) {
            Ok(expected) => Ok(self.value.compare_exchange(expected, new).is_ok()),
            // What does not fit cannot be the value.
            Err(error) if error.is_instance_of::<PyOverflowError>(expected.py()) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Adds 1 and returns the result.
    fn increment_and_get<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        int(py, self.plus(1)?.1)
    }

    /// Takes 1 away and returns the result.
    fn decrement_and_get<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        int(py, self.plus(-1)?.1)
    }

    /// Adds 1 and returns the value before.
    fn get_and_increment<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        int(py, self.plus(1)?.0)
    }

    /// Takes 1 away and returns the value before.
    fn get_and_decrement<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        int(py, self.plus(-1)?.0)
    }

    /// Adds `n` and returns the result.
    #[pyo3(signature = (n, /))]
    fn add_and_get<'py>(&self, n: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        int(n.py(), self.plus(whole(n, TAKES)?)?.1)
    }

    /// Adds `n` and returns the value before.
    #[pyo3(signature = (n, /))]
    fn get_and_add<'py>(&self, n: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        int(n.py(), self.plus(whole(n, TAKES)?)?.0)
    }

    /// Replaces the value by `function` of it and returns the result. If another thread changes the
    /// value meanwhile the function is called again, so it should do nothing else.
    #[pyo3(signature = (function, /))]
    fn update_and_get(&self, function: &Bound<'_, PyAny>) -> PyResult<i64> {
        Ok(self.change(function)?.1)
    }

    /// As `update_and_get`, but returns the value before.
    #[pyo3(signature = (function, /))]
    fn get_and_update(&self, function: &Bound<'_, PyAny>) -> PyResult<i64> {
        Ok(self.change(function)?.0)
    }

    /// Sets the bits of `mask` and returns the value before.
    #[pyo3(signature = (mask, /))]
    fn get_and_or(&self, mask: &Bound<'_, PyAny>) -> PyResult<i64> {
        Ok(self.value.or(whole(mask, TAKES)?))
    }

    /// Keeps only the bits of `mask` and returns the value before.
    #[pyo3(signature = (mask, /))]
    fn get_and_and(&self, mask: &Bound<'_, PyAny>) -> PyResult<i64> {
        Ok(self.value.and(whole(mask, TAKES)?))
    }

    /// Flips the bits of `mask` and returns the value before.
    #[pyo3(signature = (mask, /))]
    fn get_and_xor(&self, mask: &Bound<'_, PyAny>) -> PyResult<i64> {
        Ok(self.value.xor(whole(mask, TAKES)?))
    }

    /// `a += n` adds to the shared int itself: other names of it see the sum.
    fn __iadd__(&self, n: &Bound<'_, PyAny>) -> PyResult<()> {
        self.plus(whole(n, TAKES)?).map(drop)
    }

    fn __isub__(&self, n: &Bound<'_, PyAny>) -> PyResult<()> {
        self.plus(Self::minus(n)?).map(drop)
    }

    fn __int__(&self) -> i64 {
        self.value.get()
    }

    fn __index__(&self) -> i64 {
        self.value.get()
    }

    fn __bool__(&self) -> bool {
        self.value.get() != 0
    }

    fn __richcmp__<'py>(
        &self,
        other: &Bound<'py, PyAny>,
        op: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        let value = int(other.py(), self.value.get())?;
        match other.cast::<Self>() {
            Ok(other) => value.rich_compare(other.get().value.get(), op),
            Err(_) => value.rich_compare(other, op),
        }
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        Ok(format!("{}({})", slf.get_type().name()?, slf.get().value.get()))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        (slf.get_type(), (slf.get().value.get(),), attributes(slf.as_any())?)
            .into_pyobject(slf.py())
    }

    fn __traverse__(&self, _visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        Ok(())
    }
}
