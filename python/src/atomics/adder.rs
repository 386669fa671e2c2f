//! `Adder`.

use super::cell::attributes;
use super::number::{Number, float, int, number};
use crate::object::lean;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{IntoPyObjectExt, PyTraverseError, PyVisit};
use ungil_sync::counter::{self, Sum};

/// A sum that many threads add to, each on a cache line of its own.
///
/// Adding touches nothing that another thread touches, so it is as fast on sixteen threads as on
/// one; reading the sum visits every thread's line. Use it for what is counted often and read
/// seldom; use `AtomicInt` where each addition must know its result.
///
/// Ints are added exactly, however large the sum becomes; each one added must fit 64 bits. Once a
/// float was added the sum is a float, in which the floats were added in no particular order.
///
/// Thread safety: atomic, all methods but `sum`: additions that run meanwhile may or may not be in
/// it. (Additions that returned are.)
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
    lean::one!(module, Adder, "add", |this, n| {
        this.put(n)?;
        lean::nothing(n.py())
    })?;
    lean::none!(module, Adder, "increment", |this, py| {
        this.sum.add(1);
        lean::nothing(py)
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
        crate::sharing::own(slf.as_any());
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

    /// Takes 1 away.
    ///
    /// Thread safety: atomic.
    fn decrement(&self) {
        self.sum.add(-1);
    }

    /// The sum of all that was added. Of additions that run meanwhile some may be in it and others
    /// not.
    ///
    /// Thread safety: shared.
    fn sum<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        value(py, self.sum.sum())
    }

    /// The sum, which starts again from 0. Each addition is in exactly one such sum.
    ///
    /// Thread safety: atomic, as to each addition.
    fn sum_then_reset<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        value(py, self.sum.take())
    }

    /// Starts again from 0.
    ///
    /// Thread safety: atomic, as to each addition.
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
