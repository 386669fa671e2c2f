//! The Python class `Array`.

#![allow(unsafe_code)]

use super::index::{self, Index, from_front, same};
use super::iterator::{SlotIterator, SlotSource};
use super::store::{ElementType, Store};
use crate::atomics::cell;
use crate::object::fastcall::{self, Subscript};
use crate::object::word;
use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pyclass::CompareOp;
use pyo3::types::{PyList, PySlice, PyTuple, PyType};
use pyo3::{IntoPyObjectExt, PyTraverseError, PyTypeInfo, PyVisit};

/// A fixed number of slots, each of which many threads may read, write, swap and compare without a
/// lock.
///
/// `Array(items)` copies the items; `Array(length, fill=value)` has `length` slots with the same
/// value. With `type='q'` (64-bit ints) or `type='d'` (floats) it stores plain numbers, supports
/// atomic addition, and implements the buffer protocol: `memoryview` and numpy see and change the
/// same memory.
///
/// A program that shares a list whose items threads change in place needs one more line: `records =
/// Array(records)`. Threads that work on disjoint ranges do not slow each other down.
///
/// It is a `collections.abc.Sequence`. Reading a slice returns a list; assigning to a slice takes
/// exactly as many items as it has slots. Each slot is atomic; slices, copies and comparisons as a
/// whole are not. Iteration yields each item as it is when it is reached.
///
/// Thread safety: atomic for each slot; shared for operations on many slots.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct Array {
    store: Store,
    /// Length and stride in bytes, for the buffer protocol.
    shape: [isize; 2],
}

impl Array {
    pub(crate) fn len(&self) -> usize {
        self.store.len()
    }

    pub(crate) fn item<'py>(
        &self,
        py: Python<'py>,
        i: usize,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        if i < self.len() { self.store.get(py, i).map(Some) } else { Ok(None) }
    }

    fn from_store(store: Store) -> Self {
        let shape = [store.len() as isize, 8];
        Self { store, shape }
    }

    #[inline]
    fn single_index(&self, index: &Bound<'_, PyAny>) -> PyResult<usize> {
        match index::index(index, "Array", || self.len())? {
            Index::Single(i) => from_front(i, self.len(), "Array"),
            Index::Slice(_) => Err(PyTypeError::new_err("this takes one index, not a slice")),
        }
    }

    fn read<'py>(
        &self,
        py: Python<'py>,
        indices: impl Iterator<Item = usize>,
    ) -> PyResult<Bound<'py, PyList>> {
        let items: PyResult<Vec<_>> = indices.map(|i| self.store.get(py, i)).collect();
        PyList::new(py, items?)
    }

    fn equals(&self, other: &Self, py: Python<'_>) -> PyResult<bool> {
        if self.len() != other.len() {
            return Ok(false);
        }
        for i in 0..self.len() {
            if !same(&self.store.get(py, i)?, &other.store.get(py, i)?)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn assign(&self, indices: index::SliceIndices, values: &Bound<'_, PyAny>) -> PyResult<()> {
        // Collected first: iterating may run Python code, and the number of items must be checked
        // before anything changes.
        let values = match values.cast_exact::<PyList>() {
            Ok(list) => list.clone(),
            Err(_) => PyList::type_object(values.py()).call1((values,))?.cast_into::<PyList>()?,
        };
        if values.len() != indices.len {
            return Err(PyValueError::new_err(format!(
                "cannot assign {} items to a slice of {} slots: the length of an Array is fixed",
                values.len(),
                indices.len
            )));
        }
        indices.iter().zip(values.iter()).try_for_each(|(i, value)| self.store.set(i, &value))
    }
}

impl Subscript for Array {
    #[inline]
    fn get<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match index::index(key, "Array", || self.len())? {
            Index::Single(i) => self.store.get(key.py(), from_front(i, self.len(), "Array")?),
            Index::Slice(indices) => self.read(key.py(), indices.iter()).map(Bound::into_any),
        }
    }

    #[inline]
    fn set(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        match index::index(key, "Array", || self.len())? {
            Index::Single(i) => self.store.set(from_front(i, self.len(), "Array")?, value),
            Index::Slice(indices) => self.assign(indices, value),
        }
    }

    fn delete(&self, _: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(PyTypeError::new_err("cannot delete items of an Array: its length is fixed"))
    }
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Array>()?;
    fastcall::replace_subscript::<Array>(module);
    Ok(())
}

#[pymethods]
impl Array {
    #[new]
    #[pyo3(signature = (items, /, r#type = None, *, fill = None))]
    fn new(
        items: &Bound<'_, PyAny>,
        r#type: Option<&str>,
        fill: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        super::build::build(items, ElementType::named(r#type)?, fill).map(Self::from_store)
    }

    #[pyo3(signature = (items, /, r#type = None, *, fill = None))]
    fn __init__(
        slf: &Bound<'_, Self>,
        items: &Bound<'_, PyAny>,
        r#type: Option<&Bound<'_, PyAny>>,
        fill: Option<&Bound<'_, PyAny>>,
    ) {
        let _ = (items, r#type, fill);
        crate::sharing::defer_count(slf.as_any());
    }

    /// `'q'`, `'d'`, or `None` for any values.
    #[getter]
    fn r#type(&self) -> Option<&'static str> {
        self.store.kind().name()
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
        self.store.swap(self.single_index(index)?, value)
    }

    /// An alias of `get_and_set`.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (index, value, /))]
    fn swap<'py>(
        &self,
        index: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.store.swap(self.single_index(index)?, value)
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
        self.store.compare_and_set(self.single_index(index)?, expected, new)
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
        self.store.update(self.single_index(index)?, function)
    }

    /// Adds `n` to the number at `index`. Only for types `'q'` and `'d'`. An int result beyond 64
    /// bits raises `OverflowError` and changes nothing.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (index, n, /))]
    fn add<'py>(&self, index: &Bound<'py, PyAny>, n: &Bound<'py, PyAny>) -> PyResult<()> {
        self.store.add(self.single_index(index)?, n).map(drop)
    }

    /// As `add`, but returns the previous number.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (index, n, /))]
    fn get_and_add<'py>(
        &self,
        index: &Bound<'py, PyAny>,
        n: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.store.add(self.single_index(index)?, n)?.before(n.py())
    }

    /// As `add`, but returns the result.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (index, n, /))]
    fn add_and_get<'py>(
        &self,
        index: &Bound<'py, PyAny>,
        n: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.store.add(self.single_index(index)?, n)?.after(n.py())
    }

    /// Sets the bits of `mask` in the int at `index` and returns the previous value. Only for type
    /// `'q'`.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (index, mask, /))]
    fn get_and_or(&self, index: &Bound<'_, PyAny>, mask: &Bound<'_, PyAny>) -> PyResult<i64> {
        self.store.bits_of(self.single_index(index)?, mask).map(|(int, mask)| int.or(mask))
    }

    /// Clears the bits outside `mask` in the int at `index` and returns the previous value. Only
    /// for type `'q'`.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (index, mask, /))]
    fn get_and_and(&self, index: &Bound<'_, PyAny>, mask: &Bound<'_, PyAny>) -> PyResult<i64> {
        self.store.bits_of(self.single_index(index)?, mask).map(|(int, mask)| int.and(mask))
    }

    /// Flips the bits of `mask` in the int at `index` and returns the previous value. Only for type
    /// `'q'`.
    ///
    /// Thread safety: atomic.
    #[pyo3(signature = (index, mask, /))]
    fn get_and_xor(&self, index: &Bound<'_, PyAny>, mask: &Bound<'_, PyAny>) -> PyResult<i64> {
        self.store.bits_of(self.single_index(index)?, mask).map(|(int, mask)| int.xor(mask))
    }

    /// Returns the first index of `value` between `start` and `stop`. Raises `ValueError` if it is
    /// not there.
    ///
    /// Thread safety: shared.
    #[pyo3(signature = (value, start = 0, stop = isize::MAX, /))]
    fn index(&self, value: &Bound<'_, PyAny>, start: isize, stop: isize) -> PyResult<usize> {
        index::find(value, (start, stop), self.len(), "Array", |i| self.item(value.py(), i))
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
        SlotIterator::forward(SlotSource::Array(slf.clone().unbind()))
    }

    fn __reversed__(slf: &Bound<'_, Self>) -> SlotIterator {
        SlotIterator::backward(SlotSource::Array(slf.clone().unbind()))
    }

    /// Returns the items as a list.
    ///
    /// Thread safety: shared.
    fn tolist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.read(py, 0..self.len())
    }

    /// Returns a new `Array` of the same type with the same items.
    ///
    /// Thread safety: shared.
    fn copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, Self>> {
        let copy = Bound::new(
            py,
            Self::from_store(super::build::from_list(&self.tolist(py)?, self.store.kind())?),
        )?;
        crate::sharing::defer_count(copy.as_any());
        Ok(copy)
    }

    fn __richcmp__(&self, other: &Bound<'_, PyAny>, op: CompareOp) -> PyResult<Py<PyAny>> {
        let py = other.py();
        match (op, other.cast::<Self>()) {
            (CompareOp::Eq, Ok(other)) => self.equals(other.get(), py)?.into_py_any(py),
            (CompareOp::Ne, Ok(other)) => (!self.equals(other.get(), py)?).into_py_any(py),
            _ => Ok(py.NotImplemented()),
        }
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
        let kind = this.r#type().map_or_else(String::new, |name| format!(", type='{name}'"));
        Ok(format!("{}({items}{kind})", slf.get_type().name()?))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let (py, this) = (slf.py(), slf.get());
        // The items are state, not an argument, so that an item that refers back to this array can
        // be restored.
        let state = (this.tolist(py)?, cell::attributes(slf.as_any())?);
        (slf.get_type(), (this.len(), this.r#type()), state).into_pyobject(py)
    }

    fn __setstate__(slf: &Bound<'_, Self>, state: &Bound<'_, PyAny>) -> PyResult<()> {
        let (items, attributes): (Bound<'_, PyAny>, Bound<'_, PyAny>) = state.extract()?;
        slf.get().__setitem__(PySlice::full(slf.py()).as_any(), &items)?;
        cell::set_attributes(slf.as_any(), &attributes)
    }

    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: std::ffi::c_int,
    ) -> PyResult<()> {
        let this = slf.get();
        let Some((memory, format)) = this.store.memory() else {
            return Err(PyBufferError::new_err(
                "an Array of any values has no buffer; use type 'q' or 'd'",
            ));
        };
        let shape = &raw const this.shape;
        // SAFETY: the interpreter passed the view; memory and shape live, unmoved, as long as the
        // array, which the view keeps alive.
        unsafe {
            super::buffer::fill(
                slf.clone().into_any(),
                view,
                flags,
                memory,
                format,
                shape.cast(),
                false,
            )
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.store {
            Store::Objects(slots) => slots.iter().try_for_each(|slot| word::visit(slot, visit)),
            _ => Ok(()),
        }
    }

    fn __clear__(&self) {
        if let Store::Objects(slots) = &self.store {
            slots.iter().for_each(|slot| drop(slot.take()));
        }
    }
}
