//! The Python class `Adder`.

use super::cell::attributes;
use super::number::{Number, float, int, number};
use crate::object::fastcall;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{IntoPyObjectExt, PyTraverseError, PyVisit};
use ungil_sync::counter::{self, Sum};

/// A sum that many threads add to, each on a cache line of its own.
///
/// Threads that add do not contend, so adding is as fast on sixteen threads as on one. Reading the
/// sum visits every thread's line. Use it for counts that are updated often and read rarely; use
/// `AtomicInt` if each addition needs its result.
///
/// Ints are added exactly, however large the sum becomes; each int must fit in 64 bits. Once a
/// float was added, the sum is a float, and floats are added in no particular order.
///
/// Thread safety: atomic, except `sum`: it includes all additions that returned before the call,
/// and concurrent ones may or may not be included.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
#[derive(Default)]
pub(crate) struct Adder {
    sum: counter::Adder,
}

const TAKES: &str = "Adder takes";

impl Adder {
    #[inline]
    fn put(&self, n: &Bound<'_, PyAny>) -> PyResult<()> {
        match number(n, TAKES)? {
            Number::Whole(n) => self.sum.add(n),
            Number::Real(n) => self.sum.add_real(n),
        }
        Ok(())
    }
}

fn value(py: Python<'_>, sum: Sum) -> PyResult<Bound<'_, PyAny>> {
    match sum {
        Sum::Whole(sum) => match i64::try_from(sum) {
            Ok(sum) => int(py, sum),
            Err(_) => sum.into_bound_py_any(py),
        },
        Sum::Real(whole, real) => float(py, whole as f64 + real),
    }
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Adder>()?;
    fastcall::one!(module, Adder, "add", |this, n| {
        this.put(n)?;
        fastcall::none_result(n.py())
    })?;
    fastcall::none!(module, Adder, "increment", |this, py| {
        this.sum.add(1);
        fastcall::none_result(py)
    })
}

#[pymethods]
impl Adder {
    #[new]
    #[pyo3(signature = (initial = None, /))]
    fn new(initial: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let adder = Self::default();
        initial.map_or(Ok(()), |initial| adder.put(initial))?;
        Ok(adder)
    }

    #[pyo3(signature = (initial = None, /))]
    fn __init__(slf: &Bound<'_, Self>, initial: Option<&Bound<'_, PyAny>>) {
        let _ = initial;
        crate::sharing::defer_count(slf.as_any());
    }

    /// Adds `n`, an int or a float.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (n, /))]
    fn add(&self, n: &Bound<'_, PyAny>) -> PyResult<()> {
        self.put(n)
    }

    /// Adds 1.
    ///
    /// Thread safety: atomic.
    fn increment(&self) {
        self.sum.add(1);
    }

    /// Subtracts 1.
    ///
    /// Thread safety: atomic.
    fn decrement(&self) {
        self.sum.add(-1);
    }

    /// Returns the sum of all additions. Concurrent additions may or may not be included.
    ///
    /// Thread safety: shared.
    fn sum<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        value(py, self.sum.sum())
    }

    /// Returns the sum and resets it to 0. Each addition is in exactly one such sum.
    ///
    /// Thread safety: atomic for each addition.
    fn sum_then_reset<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        value(py, self.sum.take())
    }

    /// Resets the sum to 0.
    ///
    /// Thread safety: atomic for each addition.
    fn reset(&self) {
        self.sum.take();
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        Ok(format!("{}({})", slf.get_type().name()?, slf.get().sum(slf.py())?.repr()?))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        (slf.get_type(), (slf.get().sum(slf.py())?,), attributes(slf.as_any())?)
            .into_pyobject(slf.py())
    }

    fn __traverse__(&self, _visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        Ok(())
    }
}
