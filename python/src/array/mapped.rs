//! `MappedArray`: a file of numbers as a read-only row that threads and processes share.
//!
//! Reading must not write anything that threads share, so a reader does not register. Closing
//! therefore does not unmap: it puts empty pages in the file's place and leaves the addresses
//! reserved until the object is gone. A reader that comes too late reads a zero, sees afterwards
//! that the array is closed, and says so.

#![allow(unsafe_code)]

use super::buffer;
use super::index::{self, Index, from_front};
use super::iter::{Row, SlotIterator};
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

/// A type of number, in `struct`'s letters.
#[derive(Clone, Copy)]
struct Format {
    letter: &'static str,
    name: &'static CStr,
    size: usize,
    read: unsafe fn(Python<'_>, *const u8) -> PyResult<Bound<'_, PyAny>>,
}

macro_rules! formats {
    ($($letter:literal $name:literal $number:ty),*) => {
        fn format(letter: &str) -> PyResult<Format> {
            $(if letter == $letter {
                return Ok(Format {
                    letter: $letter,
                    name: $name,
                    size: size_of::<$number>(),
                    // SAFETY: the caller's: there is such a number at that address, which need not
                    // be aligned.
                    read: |py, at| unsafe { at.cast::<$number>().read_unaligned() }.into_bound_py_any(py),
                });
            })*
            Err(PyValueError::new_err(format!(
                "the type of a MappedArray is one of b B h H i I q Q f d, not {letter:?}"
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

/// A file of numbers as a row that is read only, shared by all threads, and by all processes that
/// map the same file: it is in memory once.
///
/// `MappedArray(path, type='d', length=None, offset=0)`: `type` is one of the letters b B h H i I q
/// Q f d of `struct`, in the machine's own order of bytes; `length` is a number of items, by
/// default as many as the file has; `offset` is in bytes. It has the buffer protocol, so
/// `numpy.asarray(mapped)` copies nothing. It is pickled by its path, so that sending it to another
/// process costs nothing.
///
/// The file must not become shorter while it is mapped: the system ends a process that reads beyond
/// the end of a file (SIGBUS). What is written to the file meanwhile may or may not be seen.
///
/// Thread safety: atomic, each item; `close` while others read makes their reads raise
/// `ValueError`.
#[pyclass(frozen, module = "ungil", subclass, weakref)]
pub(crate) struct MappedArray {
    /// None if there is not a byte: such a mapping is not to be had.
    map: Option<Mmap>,
    format: Format,
    shape: [isize; 2],
    path: PathBuf,
    offset: u64,
    /// How many views there are, or [`CLOSED`].
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
        // pages are in its place.
        let item = unsafe { (self.format.read)(py, self.memory().add(i * self.format.size)) }?;
        fence(Ordering::SeqCst);
        if self.is_closed() { Err(closed()) } else { Ok(Some(item)) }
    }

    fn find(&self, value: &Bound<'_, PyAny>, start: isize, stop: isize) -> PyResult<usize> {
        index::find(value, (start, stop), self.len(), "MappedArray", |i| self.item(value.py(), i))
    }

    /// Puts empty pages in the file's place.
    fn unmap(&self) -> PyResult<()> {
        let Some(map) = &self.map else { return Ok(()) };
        let first = map.as_ptr().addr();
        let page = first & !(rustix::param::page_size() - 1);
        let flags = rustix::mm::MapFlags::PRIVATE
            | rustix::mm::MapFlags::FIXED
            | rustix::mm::MapFlags::NORESERVE;
        let length = map.len() + (first - page);
        // SAFETY: exactly the pages of this mapping, which nobody has a view of and whose readers
        // look whether it is closed.
        unsafe {
            rustix::mm::mmap_anonymous(page as *mut _, length, rustix::mm::ProtFlags::READ, flags)
                .map(drop)
                .map_err(|error| PyOSError::new_err(error.to_string()))
        }
    }
}

fn open(path: PathBuf, format: Format, length: Option<u64>, offset: u64) -> PyResult<MappedArray> {
    let shown = path.display().to_string();
    // Python chooses the subclass (FileNotFoundError, ...) by the number.
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
    let Some(there) = metadata.len().checked_sub(offset) else {
        return Err(PyValueError::new_err(format!(
            "the offset, {offset} bytes, is beyond the end of {shown}, which has {}",
            metadata.len()
        )));
    };
    let length = match length {
        Some(length) if length.checked_mul(size).is_some_and(|bytes| bytes <= there) => length,
        Some(length) => {
            return Err(PyValueError::new_err(format!(
                "{length} items of {size} bytes do not fit the {there} bytes of {shown} after the offset"
            )));
        }
        None if there % size == 0 => there / size,
        None => {
            return Err(PyValueError::new_err(format!(
                "the {there} bytes of {shown} after the offset are not a whole number of items of {size} bytes; \
                 another type, or a length, may be meant"
            )));
        }
    };
    let bytes = usize::try_from(length * size).map_err(|_| super::store::no_memory())?;
    let map = if bytes == 0 {
        None
    } else {
        // SAFETY: bytes are valid as any of the numbers; that the file may change or shrink is the
        // documented condition.
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
        crate::sharing::own(slf.as_any());
    }

    /// Gives the mapping up. A `BufferError` while a `memoryview` or a numpy array still shows it.
    ///
    /// Thread safety: atomic.
    fn close(&self) -> PyResult<()> {
        match self.views.compare_exchange(0, CLOSED, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => self.unmap(),
            Err(CLOSED) => Ok(()),
            Err(views) => Err(PyBufferError::new_err(format!(
                "the MappedArray cannot be closed: {views} views (memoryview, numpy) of it are still there; drop them first"
            ))),
        }
    }

    /// Whether `close` was called.
    #[getter(closed)]
    fn get_closed(&self) -> bool {
        self.is_closed()
    }

    /// The letter of the items' type.
    #[getter]
    fn r#type(&self) -> &'static str {
        self.format.letter
    }

    /// The file's path, from the root.
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
            Index::One(i) => {
                let i = from_front(i, this.len(), "MappedArray")?;
                this.item(slf.py(), i)?.ok_or_else(|| index::out_of_range("MappedArray"))
            }
            Index::Many(_) => PyMemoryView::from(slf.as_any())?.get_item(index),
        }
    }

    /// Where `value` first is, between `start` and `stop`; a `ValueError` if it is not there.
    #[pyo3(signature = (value, start = 0, stop = isize::MAX, /))]
    fn index(&self, value: &Bound<'_, PyAny>, start: isize, stop: isize) -> PyResult<usize> {
        self.find(value, start, stop)
    }

    /// How often `value` is there.
    #[pyo3(signature = (value, /))]
    fn count(&self, value: &Bound<'_, PyAny>) -> PyResult<usize> {
        index::count(value, self.len(), |i| self.item(value.py(), i))
    }

    fn __contains__(&self, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        index::contains(value, self.len(), |i| self.item(value.py(), i))
    }

    fn __iter__(slf: &Bound<'_, Self>) -> SlotIterator {
        SlotIterator::forward(Row::Mapped(slf.clone().unbind()))
    }

    fn __reversed__(slf: &Bound<'_, Self>) -> SlotIterator {
        SlotIterator::backward(Row::Mapped(slf.clone().unbind()))
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
        let made_of = (this.path.as_os_str(), this.r#type(), this.len(), this.offset);
        (slf.get_type(), made_of, cell::attributes(slf.as_any())?).into_pyobject(slf.py())
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
        // SAFETY: the interpreter gave the view; the mapping and its shape live as long as this
        // object, which the view holds.
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
