//! The Python class `PerThread`.

use crate::imported;
use crate::object::{Object, decode, encode, fastcall, word};
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit};
use ungil_sync::pool;
use ungil_sync::slot::Slot;

/// One value per thread, created by `factory()` when the thread first asks. Reading one's own value
/// needs no lock and no shared write. Values of ended threads are kept until they are taken out, so
/// nothing accumulated is lost.
///
/// ```python
/// hits = PerThread(list)
/// pool.parallel_for(lambda i: hits().append(i) if test(i) else None, range(n))
/// everything = hits.combine(operator.add, [])
/// ```
///
/// Thread safety: atomic.
#[pyclass(frozen, subclass, weakref, module = "ungil")]
pub(super) struct PerThread {
    values: pool::PerThread<Object>,
    factory: Slot<Object>,
}

impl PerThread {
    #[inline]
    fn current<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.values.current().and_then(Slot::load) {
            Some(value) => decode(py, value),
            None => self.create(py),
        }
    }

    #[cold]
    fn create<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let Some(factory) = word::load(py, &self.factory)? else {
            return Err(PyRuntimeError::new_err("this PerThread is being collected"));
        };
        let value = factory.call0()?;
        // If the factory itself asked for the value, the first value stays.
        match self.values.current().and_then(Slot::load) {
            Some(first) => decode(py, first),
            None => self.put(&value).map(|()| value),
        }
    }

    fn put(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        match self.values.put(word::encode_own(value)) {
            Ok(_) => Ok(()),
            Err(_) => Err(PyRuntimeError::new_err("this thread is ending")),
        }
    }
}

/// The fast entry point of `get`.
struct PerThreadGet;

impl fastcall::NoArgument for PerThreadGet {
    type Class = PerThread;
    const NAME: &str = "get";
    #[inline]
    fn call<'py>(this: &PerThread, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        this.current(py)
    }
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PerThread>()?;
    fastcall::replace_none::<PerThreadGet>(module)
}

#[pymethods]
impl PerThread {
    #[new]
    fn new(factory: &Bound<'_, PyAny>) -> PyResult<Self> {
        if !factory.is_callable() {
            return Err(PyTypeError::new_err("factory must be a callable"));
        }
        Ok(Self { values: pool::PerThread::default(), factory: Slot::new(encode(factory)) })
    }

    fn __init__(slf: &Bound<'_, Self>, factory: &Bound<'_, PyAny>) {
        let _ = factory;
        crate::sharing::defer_count(slf.as_any());
    }

    #[classmethod]
    fn __class_getitem__(cls: &Bound<'_, PyType>, item: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        Ok(imported::generic_alias(cls.py()).call1((cls, item))?.unbind())
    }

    /// Returns this thread's value, creating it if there is none.
    ///
    /// Thread safety: atomic.
    fn get<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.current(py)
    }

    /// Alias of `get`.
    fn __call__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.current(py)
    }

    /// Replaces this thread's value.
    ///
    /// Thread safety: atomic.
    fn set(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.put(value)
    }

    /// Returns the values of all threads, including ended ones, in no particular order. Values
    /// created concurrently may be missing.
    ///
    /// Thread safety: atomic for each value.
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.values.values().into_iter().map(|word| decode(py, word)).collect()
    }

    /// Takes all values out and returns them. Of several concurrent calls, each value is returned
    /// by exactly one. Threads then start again with a new value from `factory`.
    ///
    /// Thread safety: atomic for each value.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.values.take().into_iter().map(|word| decode(py, word)).collect()
    }

    /// Returns `fn(fn(a, b), c)` ... over all values, starting with `initial` if given; without it,
    /// raises `TypeError` if there are no values. The order is unspecified. A value that its thread
    /// is changing in place is seen in its current state.
    ///
    /// Thread safety: atomic for each value.
    #[pyo3(signature = (r#fn, /, *initial))]
    fn combine<'py>(
        &self,
        r#fn: &Bound<'py, PyAny>,
        initial: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if initial.len() > 1 {
            return Err(PyTypeError::new_err(
                "combine() takes a function and at most one initial value",
            ));
        }
        let mut values = self.values(r#fn.py())?.into_iter();
        let first = match initial.get_item(0) {
            Ok(initial) => initial,
            Err(_) => values.next().ok_or_else(|| {
                PyTypeError::new_err("combine() of no values with no initial value")
            })?,
        };
        values.try_fold(first, |so_far, value| r#fn.call1((so_far, value)))
    }

    /// Drops every value.
    ///
    /// Thread safety: atomic for each value.
    fn clear(&self) {
        drop(self.values.take());
    }

    fn __repr__(&self) -> String {
        let threads = self.values.slots().filter(|slot| !slot.is_empty()).count();
        format!(
            "<PerThread: values of {} threads>",
            threads + self.values.with_retired(|retired| retired.len())
        )
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        word::visit(&self.factory, visit)?;
        for slot in self.values.slots() {
            word::visit(slot, visit)?;
        }
        self.values.with_retired(|retired| {
            retired.iter().try_for_each(|word| word::visit_word(word, visit))
        })
    }

    fn __clear__(&self) {
        drop(self.factory.take());
        self.clear();
    }
}
