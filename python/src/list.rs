//! The Python class `AppendList`.

use crate::array::index::{self, Index, from_front};
use crate::array::iterator::{SlotIterator, SlotSource};
use crate::atomics::cell;
use crate::atomics::number::int;
use crate::object::fastcall::{self, Subscript};
use crate::object::{Object, encode, word};
use pyo3::exceptions::{PyMemoryError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple, PyType};
use pyo3::{PyTraverseError, PyTypeInfo, PyVisit};
use ungil_sync::list::{self, ListAllocError};
use ungil_sync::slot::Slot;

/// A list that only grows: many threads append without a lock, and the index of an item never
/// changes.
///
/// `append` returns the index. Any thread may read items, and replace them in place, at any time;
/// none can be removed. `len` includes every append that has claimed its index, and reading waits
/// for an append that has not stored its item yet. `extend` stores its items at consecutive
/// indices.
///
/// It is a `collections.abc.Sequence`. Reading a slice returns a list. Iteration yields each item
/// as it is when it is reached, and continues with items appended meanwhile.
///
/// Thread safety: atomic for each item; shared for operations on many items.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct AppendList {
    list: list::AppendList<Object>,
}

impl AppendList {
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn item<'py>(
        &self,
        py: Python<'py>,
        i: usize,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.list.slot(i).map(|slot| cell::get(py, slot)).transpose()
    }

    #[inline]
    fn slot_at(&self, i: isize) -> PyResult<&Slot<Object>> {
        // A non-negative index needs no length, which every append writes.
        let i = if i < 0 { from_front(i, self.len(), "AppendList")? } else { i.unsigned_abs() };
        self.list.slot(i).ok_or_else(|| index::out_of_range("AppendList"))
    }

    #[inline]
    fn slot_for(&self, index: &Bound<'_, PyAny>) -> PyResult<&Slot<Object>> {
        match index::index(index, "AppendList", || self.len())? {
            Index::Single(i) => self.slot_at(i),
            Index::Slice(_) => Err(PyTypeError::new_err("this takes one index, not a slice")),
        }
    }

    fn read<'py>(
        &self,
        py: Python<'py>,
        indices: impl Iterator<Item = usize>,
    ) -> PyResult<Bound<'py, PyList>> {
        let items: PyResult<Vec<_>> =
            indices.filter_map(|i| self.item(py, i).transpose()).collect();
        PyList::new(py, items?)
    }

    #[inline]
    fn put_one(&self, value: &Bound<'_, PyAny>) -> PyResult<usize> {
        self.list.push(encode(value)).map_err(no_memory)
    }

    fn put(&self, values: &Bound<'_, PyList>) -> PyResult<usize> {
        self.list.append(values.iter().map(|value| encode(&value)).collect()).map_err(no_memory)
    }
}

fn no_memory(_: ListAllocError) -> PyErr {
    PyMemoryError::new_err("no memory for so many items")
}

fn list_of<'py>(values: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
    match values.cast_exact::<PyList>() {
        Ok(list) => Ok(list.clone()),
        Err(_) => Ok(PyList::type_object(values.py()).call1((values,))?.cast_into()?),
    }
}

impl Subscript for AppendList {
    #[inline]
    fn get<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match index::index(key, "AppendList", || self.len())? {
            Index::Single(i) => cell::get(key.py(), self.slot_at(i)?),
            Index::Slice(indices) => self.read(key.py(), indices.iter()).map(Bound::into_any),
        }
    }

    #[inline]
    fn set(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        cell::set(self.slot_for(key)?, value);
        Ok(())
    }

    fn delete(&self, _: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(PyTypeError::new_err("an AppendList only grows: no item can be deleted"))
    }
}

#[pymethods]
impl AppendList {
    #[new]
    #[pyo3(signature = (items = None, /))]
    fn new(items: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let new = Self { list: list::AppendList::default() };
        if let Some(items) = items {
            new.put(&list_of(items)?)?;
        }
        Ok(new)
    }

    #[pyo3(signature = (items = None, /))]
    fn __init__(slf: &Bound<'_, Self>, items: Option<&Bound<'_, PyAny>>) {
        let _ = items;
        crate::sharing::defer_count(slf.as_any());
    }

    /// Appends `value` and returns its index.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (value, /))]
    fn append(&self, value: &Bound<'_, PyAny>) -> PyResult<usize> {
        self.put_one(value)
    }

    /// Appends all `values` at consecutive indices and returns the first index.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (values, /))]
    fn extend(&self, values: &Bound<'_, PyAny>) -> PyResult<usize> {
        self.put(&list_of(values)?)
    }

    fn __iadd__(&self, values: &Bound<'_, PyAny>) -> PyResult<()> {
        self.extend(values).map(drop)
    }

    fn __len__(&self) -> usize {
        self.len()
    }

    fn __getitem__<'py>(&self, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.get(index)
    }

    fn __setitem__(&self, index: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.set(index, value)
    }

    fn __delitem__(&self, index: &Bound<'_, PyAny>) -> PyResult<()> {
        self.delete(index)
    }

    /// Stores `value` at `index` and returns the previous item.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (index, value, /))]
    fn get_and_set<'py>(
        &self,
        index: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        cell::swap(self.slot_for(index)?, value)
    }

    /// Stores `new` at `index` if the item equals `expected`. Returns true if it did. Two values
    /// are equal if they are the same object, or ints, floats, strs or bytes (not of a subclass) of
    /// the same type and value; floats are compared bit by bit.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (index, expected, new, /))]
    fn compare_and_set(
        &self,
        index: &Bound<'_, PyAny>,
        expected: &Bound<'_, PyAny>,
        new: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        cell::compare_and_set(self.slot_for(index)?, expected, new)
    }

    /// Replaces the item at `index` by `function(item)` and returns the result. The function is
    /// called again if another thread changes the item meanwhile, so it should have no side
    /// effects.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (index, function, /))]
    fn update<'py>(
        &self,
        index: &Bound<'py, PyAny>,
        function: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Ok(cell::update(self.slot_for(index)?, function)?.1)
    }

    /// Returns the current items as a list.
    ///
    /// Thread safety: shared. Includes all appends so far; an item replaced meanwhile may be the
    /// old or the new one.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.read(py, 0..self.len())
    }

    /// Returns the first index of `value` between `start` and `stop`. Raises `ValueError` if it is
    /// not there.
    ///
    /// Thread safety: shared.
    #[pyo3(signature = (value, start = 0, stop = isize::MAX, /))]
    fn index(&self, value: &Bound<'_, PyAny>, start: isize, stop: isize) -> PyResult<usize> {
        index::find(value, (start, stop), self.len(), "AppendList", |i| self.item(value.py(), i))
    }

    /// Returns the number of occurrences of `value`.
    ///
    /// Thread safety: shared.
    #[pyo3(signature = (value, /))]
    fn count(&self, value: &Bound<'_, PyAny>) -> PyResult<usize> {
        index::count(value, self.len(), |i| self.item(value.py(), i))
    }

    fn __contains__(&self, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        index::contains(value, self.len(), |i| self.item(value.py(), i))
    }

    fn __iter__(slf: &Bound<'_, Self>) -> SlotIterator {
        SlotIterator::forward(SlotSource::List(slf.clone().unbind()))
    }

    fn __reversed__(slf: &Bound<'_, Self>) -> SlotIterator {
        SlotIterator::backward(SlotSource::List(slf.clone().unbind()))
    }

    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        cell::generic(class, item)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let this = slf.get();
        let items =
            cell::repr(slf.as_any(), || index::repr_items(this.len(), |i| this.item(slf.py(), i)))?;
        Ok(format!("{}({items})", slf.get_type().name()?))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        // The items are state, not an argument, so that an item that refers back to this list can
        // be restored.
        let state = (slf.get().snapshot(slf.py())?, cell::attributes(slf.as_any())?);
        (slf.get_type(), PyTuple::empty(slf.py()), state).into_pyobject(slf.py())
    }

    fn __setstate__(slf: &Bound<'_, Self>, state: &Bound<'_, PyAny>) -> PyResult<()> {
        let (items, attributes): (Bound<'_, PyAny>, Bound<'_, PyAny>) = state.extract()?;
        slf.get().extend(&items)?;
        cell::set_attributes(slf.as_any(), &attributes)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.list.filled().try_for_each(|slot| word::visit(slot, visit))
    }

    fn __clear__(&self) {
        drop(self.list.take_all());
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<AppendList>()?;
    fastcall::replace_subscript::<AppendList>(module);
    fastcall::one!(module, AppendList, "append", |this, value| int(
        value.py(),
        this.put_one(value)? as i64
    ))
}
