//! `MappedArray`: a file of numbers as a read-only sequence shared by threads and processes.
//!
//! Reading must not write anything that threads share, so readers do not register. Closing
//! therefore does not unmap the file: it replaces the file's pages by empty ones and keeps the
//! addresses reserved until the object is gone. A reader that comes too late reads a zero, then
//! sees that the array is closed and raises.

#![allow(unsafe_code)]

use super::buffer;
use super::index::{self, Index, from_front};
use super::iterator::{SlotIterator, SlotSource};
use crate::atomics::cell;
use memmap2::{Mmap, MmapOptions};
use pyo3::exceptions::{PyBufferError, PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyMemoryView, PyTuple};
use pyo3::{IntoPyObjectExt, PyTraverseError, PyVisit, ffi};
use std::ffi::{CStr, c_int};
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicIsize, Ordering, fence};

/// A number type, named by its `struct` letter.
#[derive(Clone, Copy)]
struct ItemFormat {
    letter: &'static str,
    name: &'static CStr,
    size: usize,
    read: unsafe fn(Python<'_>, *const u8) -> PyResult<Bound<'_, PyAny>>,
}

macro_rules! formats {
    ($($letter:literal $name:literal $number:ty),*) => {
        fn format(letter: &str) -> PyResult<ItemFormat> {
            $(if letter == $letter {
                return Ok(ItemFormat {
                    letter: $letter,
                    name: $name,
                    size: size_of::<$number>(),
                    // SAFETY: by the caller, such a number is at that address, possibly unaligned.
                    read: |py, at| unsafe { at.cast::<$number>().read_unaligned() }.into_bound_py_any(py),
                });
            })*
            Err(PyValueError::new_err(format!(
                "the type of a MappedArray must be one of b B h H i I q Q f d, not {letter:?}"
            )))
        }
    };
}

formats!(
    "b" c"b" i8,
    "B" c"B" u8,
    "h" c"h" i16,
    "H" c"H" u16,
    "i" c"i" i32,
    "I" c"I" u32,
    "q" c"q" i64,
    "Q" c"Q" u64,
    "f" c"f" f32,
    "d" c"d" f64
);

/// A file of numbers as a read-only sequence, shared by all threads, and by all processes that map
/// the same file: it is in memory once.
///
/// `MappedArray(path, type='d', length=None, offset=0)`: `type` is one of the `struct` letters b B
/// h H i I q Q f d, in native byte order; `length` is the number of items, by default all that the
/// file holds; `offset` is in bytes. It implements the buffer protocol, so `numpy.asarray(mapped)`
/// copies nothing. Pickling stores the path only, so sending it to another process is cheap.
///
/// The file must not become shorter while it is mapped: the system kills a process that reads
/// beyond the end of a file (SIGBUS). Writes to the file may or may not be visible.
///
/// Thread safety: atomic for each item. `close` makes concurrent and later reads raise
/// `ValueError`.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct MappedArray {
    /// None if the mapping would be empty, which the system does not support.
    map: Option<Mmap>,
    format: ItemFormat,
    shape: [isize; 2],
    path: PathBuf,
    offset: u64,
    /// Number of exported views, or [`CLOSED`]. SeqCst, so that a reader that misses the close is
    /// ordered before it.
    views: AtomicIsize,
}

const CLOSED: isize = isize::MIN;

fn closed() -> PyErr {
    PyValueError::new_err("the MappedArray is closed")
}

impl MappedArray {
    pub(crate) fn len(&self) -> usize {
        self.shape[0].unsigned_abs()
    }

    fn memory(&self) -> *const u8 {
        self.map.as_ref().map_or(std::ptr::dangling::<u64>().cast(), |map| map.as_ptr())
    }

    fn is_closed(&self) -> bool {
        self.views.load(Ordering::Acquire) == CLOSED
    }

    pub(crate) fn item<'py>(
        &self,
        py: Python<'py>,
        i: usize,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        if i >= self.len() {
            return Ok(None);
        }
        // SAFETY: the mapping has `len` items and lives as long as this object; once closed, empty
        // pages replace the file.
        let item = unsafe { (self.format.read)(py, self.memory().add(i * self.format.size)) }?;
        fence(Ordering::SeqCst);
        if self.is_closed() { Err(closed()) } else { Ok(Some(item)) }
    }

    fn find(&self, value: &Bound<'_, PyAny>, start: isize, stop: isize) -> PyResult<usize> {
        index::find(value, (start, stop), self.len(), "MappedArray", |i| self.item(value.py(), i))
    }

    /// Replaces the file's pages by empty ones.
    fn unmap(&self) -> PyResult<()> {
        let Some(map) = &self.map else { return Ok(()) };
        let first = map.as_ptr().addr();
        let page = first & !(rustix::param::page_size() - 1);
        let flags = rustix::mm::MapFlags::PRIVATE
            | rustix::mm::MapFlags::FIXED
            | rustix::mm::MapFlags::NORESERVE;
        let length = map.len() + (first - page);
        // SAFETY: exactly the pages of this mapping, which has no exported view and whose readers
        // check whether it is closed.
        unsafe {
            rustix::mm::mmap_anonymous(page as *mut _, length, rustix::mm::ProtFlags::READ, flags)
                .map(drop)
                .map_err(|error| PyOSError::new_err(error.to_string()))
        }
    }
}

fn open(
    path: PathBuf,
    format: ItemFormat,
    length: Option<u64>,
    offset: u64,
) -> PyResult<MappedArray> {
    let shown = path.display().to_string();
    // Python chooses the subclass (FileNotFoundError, ...) by the error number.
    let io = |error: std::io::Error| match error.raw_os_error() {
        Some(code) => PyOSError::new_err((code, error.to_string(), shown.clone())),
        None => PyOSError::new_err(format!("{shown}: {error}")),
    };
    let file = File::open(&path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(PyValueError::new_err(format!(
            "{shown} is not a regular file, and cannot be mapped"
        )));
    }
    let size = format.size as u64;
    let Some(available) = metadata.len().checked_sub(offset) else {
        return Err(PyValueError::new_err(format!(
            "the offset, {offset} bytes, is beyond the end of {shown}, which has {}",
            metadata.len()
        )));
    };
    let length = match length {
        Some(length) if length.checked_mul(size).is_some_and(|bytes| bytes <= available) => length,
        Some(length) => {
            return Err(PyValueError::new_err(format!(
                "{length} items of {size} bytes do not fit in the {available} bytes of {shown} after the offset"
            )));
        }
        None if available % size == 0 => available / size,
        None => {
            return Err(PyValueError::new_err(format!(
                "the {available} bytes of {shown} after the offset are not a whole number of items of {size} bytes; \
                 pass another type, or a length"
            )));
        }
    };
    let bytes = usize::try_from(length * size).map_err(|_| super::store::no_memory())?;
    let map = if bytes == 0 {
        None
    } else {
        // SAFETY: all bytes are valid as any of the number types; the documentation requires that
        // the file does not shrink.
        Some(unsafe { MmapOptions::new().offset(offset).len(bytes).map(&file) }.map_err(io)?)
    };
    let path = std::path::absolute(path).map_err(io)?;
    let shape = [length as isize, format.size as isize];
    Ok(MappedArray { map, format, shape, path, offset, views: AtomicIsize::new(0) })
}

#[pymethods]
impl MappedArray {
    #[new]
    #[pyo3(signature = (path, /, r#type = "d", length = None, offset = 0))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        r#type: &str,
        length: Option<u64>,
        offset: u64,
    ) -> PyResult<Self> {
        let format = format(r#type)?;
        py.detach(|| open(path, format, length, offset))
    }

    #[pyo3(signature = (path, /, r#type = None, length = None, offset = None))]
    fn __init__(
        slf: &Bound<'_, Self>,
        path: &Bound<'_, PyAny>,
        r#type: Option<&Bound<'_, PyAny>>,
        length: Option<&Bound<'_, PyAny>>,
        offset: Option<&Bound<'_, PyAny>>,
    ) {
        let _ = (path, r#type, length, offset);
        crate::sharing::defer_count(slf.as_any());
    }

    /// Releases the mapping. Raises `BufferError` while a `memoryview` or a numpy array still uses
    /// it.
    ///
    /// Thread safety: atomic.
    fn close(&self) -> PyResult<()> {
        match self.views.compare_exchange(0, CLOSED, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => self.unmap(),
            Err(CLOSED) => Ok(()),
            Err(views) => Err(PyBufferError::new_err(format!(
                "the MappedArray cannot be closed: {views} views of it (memoryview, numpy) still exist; delete them first"
            ))),
        }
    }

    /// True if `close` was called.
    #[getter(closed)]
    fn get_closed(&self) -> bool {
        self.is_closed()
    }

    /// The `struct` letter of the item type.
    #[getter]
    fn r#type(&self) -> &'static str {
        self.format.letter
    }

    /// The absolute path of the file.
    #[getter]
    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        if slf.get().is_closed() { Err(closed()) } else { Ok(slf) }
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close()
    }

    fn __len__(&self) -> usize {
        self.len()
    }

    fn __getitem__<'py>(
        slf: &Bound<'py, Self>,
        index: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        match index::index(index, "MappedArray", || this.len())? {
            Index::Single(i) => {
                let i = from_front(i, this.len(), "MappedArray")?;
                this.item(slf.py(), i)?.ok_or_else(|| index::out_of_range("MappedArray"))
            }
            Index::Slice(_) => PyMemoryView::from(slf.as_any())?.get_item(index),
        }
    }

    /// Returns the first index of `value` between `start` and `stop`. Raises `ValueError` if it is
    /// not there.
    #[pyo3(signature = (value, start = 0, stop = isize::MAX, /))]
    fn index(&self, value: &Bound<'_, PyAny>, start: isize, stop: isize) -> PyResult<usize> {
        self.find(value, start, stop)
    }

    /// Returns the number of occurrences of `value`.
    #[pyo3(signature = (value, /))]
    fn count(&self, value: &Bound<'_, PyAny>) -> PyResult<usize> {
        index::count(value, self.len(), |i| self.item(value.py(), i))
    }

    fn __contains__(&self, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        index::contains(value, self.len(), |i| self.item(value.py(), i))
    }

    fn __iter__(slf: &Bound<'_, Self>) -> SlotIterator {
        SlotIterator::forward(SlotSource::Mapped(slf.clone().unbind()))
    }

    fn __reversed__(slf: &Bound<'_, Self>) -> SlotIterator {
        SlotIterator::backward(SlotSource::Mapped(slf.clone().unbind()))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let this = slf.get();
        let closed = if this.is_closed() { ", closed" } else { "" };
        Ok(format!(
            "<{} {:?}, type='{}', length={}{closed}>",
            slf.get_type().name()?,
            this.path,
            this.r#type(),
            this.len()
        ))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let this = slf.get();
        if this.is_closed() {
            return Err(closed());
        }
        let arguments = (this.path.as_os_str(), this.r#type(), this.len(), this.offset);
        (slf.get_type(), arguments, cell::attributes(slf.as_any())?).into_pyobject(slf.py())
    }

    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let this = slf.get();
        let added = this
            .views
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| (n != CLOSED).then(|| n + 1));
        if added.is_err() {
            return Err(closed());
        }
        let shape = &raw const this.shape;
        // SAFETY: the interpreter passed the view; mapping and shape live as long as this object,
        // which the view keeps alive.
        let filled = unsafe {
            buffer::fill(
                slf.clone().into_any(),
                view,
                flags,
                this.memory(),
                this.format.name,
                shape.cast(),
                true,
            )
        };
        if filled.is_err() {
            this.views.fetch_sub(1, Ordering::SeqCst);
        }
        filled
    }

    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {
        self.views.fetch_sub(1, Ordering::SeqCst);
    }

    fn __traverse__(&self, _visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        Ok(())
    }
}
