//! The Python class `AtomicInt`.

use super::cell::attributes;
use super::number::{int, to_i64, too_large};
use crate::object::fastcall;
use crossbeam_utils::CachePadded;
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::pyclass::CompareOp;
use pyo3::types::PyTuple;
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::counter::Int;

/// A 64-bit int that many threads read and change atomically.
///
/// It never wraps: a result beyond 64 bits raises `OverflowError` and changes nothing. Each change
/// returns its result, so the threads contend on one cache line; where only the sum matters,
/// `Adder` is many times faster.
///
/// It compares with numbers by its current value, so it is not hashable.
///
/// Thread safety: atomic, all methods.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct AtomicInt {
    /// On a cache line of its own, because an adjacent int may be used by another thread.
    value: Box<CachePadded<Int>>,
}

const TAKES: &str = "AtomicInt takes";

impl AtomicInt {
    /// Adds `n`. Returns the old and the new value.
    #[inline]
    fn plus(&self, n: i64) -> PyResult<(i64, i64)> {
        let old = self.value.add(n).ok_or_else(|| {
            PyOverflowError::new_err(
                "the sum does not fit in the 64 bits of an AtomicInt; the value is unchanged",
            )
        })?;
        Ok((old, old + n))
    }

    /// Replaces the value by `function(value)`. Returns the old and the new value.
    fn change(&self, function: &Bound<'_, PyAny>) -> PyResult<(i64, i64)> {
        loop {
            let old = self.value.get();
            let new = to_i64(&function.call1((old,))?, TAKES)?;
            if self.value.compare_exchange(old, new).is_ok() {
                return Ok((old, new));
            }
        }
    }

    fn minus(n: &Bound<'_, PyAny>) -> PyResult<i64> {
        to_i64(n, TAKES)?.checked_neg().ok_or_else(|| too_large(TAKES))
    }
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<AtomicInt>()?;
    fastcall::none!(module, AtomicInt, "get", |this, py| int(py, this.value.get()))?;
    fastcall::none!(module, AtomicInt, "increment_and_get", |this, py| int(py, this.plus(1)?.1))?;
    fastcall::none!(module, AtomicInt, "get_and_increment", |this, py| int(py, this.plus(1)?.0))?;
    fastcall::one!(module, AtomicInt, "add_and_get", |this, n| int(
        n.py(),
        this.plus(to_i64(n, TAKES)?)?.1
    ))?;
    fastcall::one!(module, AtomicInt, "get_and_add", |this, n| int(
        n.py(),
        this.plus(to_i64(n, TAKES)?)?.0
    ))
}

#[pymethods]
impl AtomicInt {
    #[new]
    #[pyo3(signature = (value = None, /))]
    fn new(value: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let value = value.map_or(Ok(0), |value| to_i64(value, TAKES))?;
        Ok(Self { value: Box::new(CachePadded::new(Int::new(value))) })
    }

    #[pyo3(signature = (value = None, /))]
    fn __init__(slf: &Bound<'_, Self>, value: Option<&Bound<'_, PyAny>>) {
        let _ = value;
        crate::sharing::defer_count(slf.as_any());
    }

    /// Returns the value.
    fn get<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        int(py, self.value.get())
    }

    /// Replaces the value.
    #[pyo3(signature = (value, /))]
    fn set(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.value.set(to_i64(value, TAKES)?);
        Ok(())
    }

    /// Replaces the value and returns the previous one.
    #[pyo3(signature = (value, /))]
    fn get_and_set(&self, value: &Bound<'_, PyAny>) -> PyResult<i64> {
        Ok(self.value.swap(to_i64(value, TAKES)?))
    }

    /// Replaces the value by `new` if it is `expected`. Returns true if it was.
    #[pyo3(signature = (expected, new, /))]
    fn compare_and_set(
        &self,
        expected: &Bound<'_, PyAny>,
        new: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let new = to_i64(new, TAKES)?;
        match to_i64(expected, TAKES) {
            Ok(expected) => Ok(self.value.compare_exchange(expected, new).is_ok()),
            // A number that does not fit cannot be the value.
            Err(error) if error.is_instance_of::<PyOverflowError>(expected.py()) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Adds 1 and returns the result.
    fn increment_and_get<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        int(py, self.plus(1)?.1)
    }

    /// Subtracts 1 and returns the result.
    fn decrement_and_get<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        int(py, self.plus(-1)?.1)
    }

    /// Adds 1 and returns the previous value.
    fn get_and_increment<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        int(py, self.plus(1)?.0)
    }

    /// Subtracts 1 and returns the previous value.
    fn get_and_decrement<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        int(py, self.plus(-1)?.0)
    }

    /// Adds `n` and returns the result.
    #[pyo3(signature = (n, /))]
    fn add_and_get<'py>(&self, n: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        int(n.py(), self.plus(to_i64(n, TAKES)?)?.1)
    }

    /// Adds `n` and returns the previous value.
    #[pyo3(signature = (n, /))]
    fn get_and_add<'py>(&self, n: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        int(n.py(), self.plus(to_i64(n, TAKES)?)?.0)
    }

    /// Replaces the value by `function(value)` and returns the result. The function is called again
    /// if another thread changes the value meanwhile, so it should have no side effects.
    #[pyo3(signature = (function, /))]
    fn update_and_get(&self, function: &Bound<'_, PyAny>) -> PyResult<i64> {
        Ok(self.change(function)?.1)
    }

    /// As `update_and_get`, but returns the previous value.
    #[pyo3(signature = (function, /))]
    fn get_and_update(&self, function: &Bound<'_, PyAny>) -> PyResult<i64> {
        Ok(self.change(function)?.0)
    }

    /// Sets the bits of `mask` and returns the previous value.
    #[pyo3(signature = (mask, /))]
    fn get_and_or(&self, mask: &Bound<'_, PyAny>) -> PyResult<i64> {
        Ok(self.value.or(to_i64(mask, TAKES)?))
    }

    /// Clears the bits outside `mask` and returns the previous value.
    #[pyo3(signature = (mask, /))]
    fn get_and_and(&self, mask: &Bound<'_, PyAny>) -> PyResult<i64> {
        Ok(self.value.and(to_i64(mask, TAKES)?))
    }

    /// Flips the bits of `mask` and returns the previous value.
    #[pyo3(signature = (mask, /))]
    fn get_and_xor(&self, mask: &Bound<'_, PyAny>) -> PyResult<i64> {
        Ok(self.value.xor(to_i64(mask, TAKES)?))
    }

    /// `a += n` changes the shared int itself: other names of it see the sum.
    fn __iadd__(&self, n: &Bound<'_, PyAny>) -> PyResult<()> {
        self.plus(to_i64(n, TAKES)?).map(drop)
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
