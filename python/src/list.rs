//! `AppendList`.

use crate::array::index::{self, Index, from_front};
use crate::array::iter::{Row, SlotIterator};
use crate::atomics::cell;
use crate::atomics::number::int;
use crate::object::lean::{self, Brackets};
use crate::object::{Object, encode, word};
use pyo3::exceptions::{PyMemoryError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple, PyType};
use pyo3::{PyTraverseError, PyTypeInfo, PyVisit};
use ungil_sync::list::{self, ListAllocError};
use ungil_sync::slot::Slot;

/// A list that only grows: many threads append without a lock, and an item stays at its index for
/// good.
///
/// `append` returns the index. Items can be read, and replaced in place, at any time by any thread;
/// none can be taken out. `len` counts every append that has claimed its index, and reading waits
/// for one that has only just done so. `extend` puts its items side by side.
///
/// It is a `collections.abc.Sequence`. A slice reads into a list. Iteration shows each item as it
/// is when it is reached, and goes on to items that are appended meanwhile.
///
/// Thread safety: atomic, each item. Shared: what visits many items.
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
    fn at(&self, i: isize) -> PyResult<&Slot<Object>> {
        // From the front, the length need not be known: all who append write it.
        let i = if i < 0 { from_front(i, self.len(), "AppendList")? } else { i.unsigned_abs() };
        self.list.slot(i).ok_or_else(|| index::out_of_range("AppendList"))
    }

    #[inline]
    fn place(&self, index: &Bound<'_, PyAny>) -> PyResult<&Slot<Object>> {
        match index::index(index, "AppendList", || self.len())? {
            Index::One(i) => self.at(i),
            Index::Many(_) => Err(PyTypeError::new_err("this takes one index, not a slice")),
        }
    }

    fn read<'py>(
        &self,
        py: Python<'py>,
        places: impl Iterator<Item = usize>,
    ) -> PyResult<Bound<'py, PyList>> {
        let items: PyResult<Vec<_>> = places.filter_map(|i| self.item(py, i).transpose()).collect();
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

impl Brackets for AppendList {
    #[inline]
    fn get<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match index::index(key, "AppendList", || self.len())? {
            Index::One(i) => cell::get(key.py(), self.at(i)?),
            Index::Many(places) => self.read(key.py(), places.iter()).map(Bound::into_any),
        }
    }

    #[inline]
    fn set(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        cell::set(self.place(key)?, value);
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
        crate::sharing::own(slf.as_any());
    }

    /// Appends `value` and returns its index.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (value, /))]
    fn append(&self, value: &Bound<'_, PyAny>) -> PyResult<usize> {
        self.put_one(value)
    }

    /// Appends all `values`, side by side, and returns the index of the first.
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

    /// Puts `value` at `index` and returns what was there.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (index, value, /))]
    fn get_and_set<'py>(
        &self,
        index: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        cell::swap(self.place(index)?, value)
    }

    /// Puts `new` at `index` if what is there equals `expected`; returns whether it did. Equal is
    /// the same object, or an int, float, str or bytes (not of a subclass) of the same type and
    /// value; floats are compared bit by bit.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (index, expected, new, /))]
    fn compare_and_set(
        &self,
        index: &Bound<'_, PyAny>,
        expected: &Bound<'_, PyAny>,
        new: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        cell::compare_and_set(self.place(index)?, expected, new)
    }

    /// Replaces what is at `index` by `function` of it and returns the result. If another thread
    /// changes it meanwhile the function is called again, so it should do nothing else.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (index, function, /))]
    fn update<'py>(
        &self,
        index: &Bound<'py, PyAny>,
        function: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Ok(cell::update(self.place(index)?, function)?.1)
    }

    /// The items that are there now, as a list.
    ///
    /// Thread safety: shared. All appends so far are in it; an item that is replaced meanwhile may
    /// be the old one or the new one.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.read(py, 0..self.len())
    }

    /// Where `value` first is, between `start` and `stop`; a `ValueError` if it is not there.
    ///
    /// Thread safety: shared.
    #[pyo3(signature = (value, start = 0, stop = isize::MAX, /))]
    fn index(&self, value: &Bound<'_, PyAny>, start: isize, stop: isize) -> PyResult<usize> {
        index::find(value, (start, stop), self.len(), "AppendList", |i| self.item(value.py(), i))
    }

    /// How often `value` is there.
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
        SlotIterator::forward(Row::List(slf.clone().unbind()))
    }

    fn __reversed__(slf: &Bound<'_, Self>) -> SlotIterator {
        SlotIterator::backward(Row::List(slf.clone().unbind()))
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
            cell::repr(slf.as_any(), || index::shown(this.len(), |i| this.item(slf.py(), i)))?;
        Ok(format!("{}({items})", slf.get_type().name()?))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        // The items are state and not an argument, so that one that refers back to this list can be
        // restored.
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
    lean::brackets::<AppendList>(module);
    lean::one!(module, AppendList, "append", |this, value| int(
        value.py(),
        this.put_one(value)? as i64
    ))
}
