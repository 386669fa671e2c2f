//! The storage of an `Array`: slots for any value, or plain 64-bit numbers.

use crate::atomics::cell;
use crate::atomics::number::{float, int, to_f64, to_i64};
use crate::object::{Object, encode};
use pyo3::exceptions::{PyMemoryError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use std::ffi::CStr;
use std::sync::atomic::{AtomicU64, Ordering};
use ungil_sync::counter::Int;
use ungil_sync::slot::Slot;
use ungil_sync::zeroed::zeroed_slice;

pub(super) enum Store {
    /// Neighbouring slots share cache lines on purpose: threads that work on disjoint ranges
    /// contend only at the ends of the ranges.
    Objects(Vec<Slot<Object>>),
    Ints(Box<[Int]>),
    /// The bits of floats. Loads are Acquire, stores Release, read-modify-writes AcqRel.
    Floats(Box<[AtomicU64]>),
}

/// The element type of an array, from its `type` argument.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ElementType {
    Objects,
    Ints,
    Floats,
}

impl ElementType {
    pub(super) fn named(name: Option<&str>) -> PyResult<Self> {
        match name {
            None => Ok(Self::Objects),
            Some("q") => Ok(Self::Ints),
            Some("d") => Ok(Self::Floats),
            Some(other) => Err(PyValueError::new_err(format!(
                "the type of an Array must be None (any values), 'q' (64-bit ints) or 'd' (floats), not {other:?}"
            ))),
        }
    }

    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Objects => None,
            Self::Ints => Some("q"),
            Self::Floats => Some("d"),
        }
    }
}

const INTS_TAKE: &str = "an Array of type 'q' takes";
const FLOATS_TAKE: &str = "an Array of type 'd' takes";

pub(super) fn no_memory() -> PyErr {
    PyMemoryError::new_err("not enough memory for that many items")
}

fn bits(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    to_f64(value, FLOATS_TAKE).map(f64::to_bits)
}

/// Callers pass indices below [`Store::len`].
impl Store {
    /// Creates `len` slots that all hold `fill`.
    pub(super) fn filled(
        py: Python<'_>,
        kind: ElementType,
        len: usize,
        fill: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let store = match kind {
            ElementType::Objects => {
                let none = py.None().into_bound(py);
                let fill = fill.unwrap_or(&none);
                let mut slots = Vec::new();
                slots.try_reserve_exact(len).map_err(|_| no_memory())?;
                slots.extend((0..len).map(|_| Slot::new(encode(fill))));
                return Ok(Self::Objects(slots));
            }
            ElementType::Ints => Self::Ints(zeroed_slice(len).ok_or_else(no_memory)?),
            ElementType::Floats => Self::Floats(zeroed_slice(len).ok_or_else(no_memory)?),
        };
        if let Some(fill) = fill {
            (0..len).try_for_each(|i| store.set(i, fill))?;
        }
        Ok(store)
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Objects(slots) => slots.len(),
            Self::Ints(ints) => ints.len(),
            Self::Floats(floats) => floats.len(),
        }
    }

    pub(super) fn kind(&self) -> ElementType {
        match self {
            Self::Objects(_) => ElementType::Objects,
            Self::Ints(_) => ElementType::Ints,
            Self::Floats(_) => ElementType::Floats,
        }
    }

    #[inline]
    pub(super) fn get<'py>(&self, py: Python<'py>, i: usize) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Objects(slots) => cell::get(py, &slots[i]),
            Self::Ints(ints) => int(py, ints[i].get()),
            Self::Floats(floats) => float(py, f64::from_bits(floats[i].load(Ordering::SeqCst))),
        }
    }

    #[inline]
    pub(super) fn set(&self, i: usize, value: &Bound<'_, PyAny>) -> PyResult<()> {
        match self {
            Self::Objects(slots) => cell::set(&slots[i], value),
            Self::Ints(ints) => ints[i].set(to_i64(value, INTS_TAKE)?),
            Self::Floats(floats) => floats[i].store(bits(value)?, Ordering::SeqCst),
        }
        Ok(())
    }

    pub(super) fn swap<'py>(
        &self,
        i: usize,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = value.py();
        match self {
            Self::Objects(slots) => cell::swap(&slots[i], value),
            Self::Ints(ints) => int(py, ints[i].swap(to_i64(value, INTS_TAKE)?)),
            Self::Floats(floats) => {
                float(py, f64::from_bits(floats[i].swap(bits(value)?, Ordering::SeqCst)))
            }
        }
    }

    pub(super) fn compare_and_set(
        &self,
        i: usize,
        expected: &Bound<'_, PyAny>,
        new: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        match self {
            Self::Objects(slots) => cell::compare_and_set(&slots[i], expected, new),
            Self::Ints(ints) => {
                let new = to_i64(new, INTS_TAKE)?;
                match to_i64(expected, INTS_TAKE) {
                    Ok(expected) => Ok(ints[i].compare_exchange(expected, new).is_ok()),
                    // A value that does not fit cannot be stored here.
                    Err(error) if error.is_instance_of::<PyOverflowError>(expected.py()) => {
                        Ok(false)
                    }
                    Err(error) => Err(error),
                }
            }
            Self::Floats(floats) => {
                let (expected, new) = (bits(expected)?, bits(new)?);
                Ok(floats[i]
                    .compare_exchange(expected, new, Ordering::SeqCst, Ordering::SeqCst)
                    .is_ok())
            }
        }
    }

    /// Replaces the item at `i` by `function(item)` and returns the result.
    pub(super) fn update<'py>(
        &self,
        i: usize,
        function: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Self::Objects(slots) = self {
            return Ok(cell::update(&slots[i], function)?.1);
        }
        loop {
            let old = self.get(function.py(), i)?;
            let new = function.call1((&old,))?;
            if self.compare_and_set(i, &old, &new)? {
                return self.converted(new);
            }
        }
    }

    /// Returns the value as it reads after being stored: `True` in an array of ints is 1.
    fn converted<'py>(&self, value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Objects(_) => Ok(value),
            Self::Ints(_) => int(value.py(), to_i64(&value, INTS_TAKE)?),
            Self::Floats(_) => float(value.py(), to_f64(&value, FLOATS_TAKE)?),
        }
    }

    /// Adds `n` to the number at `i`.
    #[inline]
    pub(super) fn add(&self, i: usize, n: &Bound<'_, PyAny>) -> PyResult<AddOutcome> {
        match self {
            Self::Objects(_) => Err(PyTypeError::new_err(
                "add() needs an Array of type 'q' or 'd'; for any values use update(index, lambda value: value + n)",
            )),
            Self::Ints(ints) => {
                let n = to_i64(n, INTS_TAKE)?;
                let old = ints[i].add(n).ok_or_else(|| {
                    PyOverflowError::new_err(
                        "the sum does not fit in 64 bits; the number is unchanged",
                    )
                })?;
                Ok(AddOutcome::Int(old, old + n))
            }
            Self::Floats(floats) => {
                let n = to_f64(n, FLOATS_TAKE)?;
                let mut old = floats[i].load(Ordering::Relaxed);
                loop {
                    let new = f64::from_bits(old) + n;
                    match floats[i].compare_exchange_weak(
                        old,
                        new.to_bits(),
                        Ordering::SeqCst,
                        Ordering::Relaxed,
                    ) {
                        Ok(_) => return Ok(AddOutcome::Float(f64::from_bits(old), new)),
                        Err(now) => old = now,
                    }
                }
            }
        }
    }

    /// Returns the memory of the numbers and their format, for the buffer protocol.
    pub(super) fn memory(&self) -> Option<(*const u8, &'static CStr)> {
        match self {
            Self::Objects(_) => None,
            Self::Ints(ints) => Some((ints.as_ptr().cast(), c"q")),
            Self::Floats(floats) => Some((floats.as_ptr().cast(), c"d")),
        }
    }

    /// Returns the int at `i` and the mask, for bit operations.
    pub(super) fn bits_of(&self, i: usize, mask: &Bound<'_, PyAny>) -> PyResult<(&Int, i64)> {
        match self {
            Self::Ints(ints) => Ok((&ints[i], to_i64(mask, INTS_TAKE)?)),
            _ => Err(PyTypeError::new_err(
                "bit operations need an Array of type 'q'; otherwise use update()",
            )),
        }
    }
}

/// The number before and after an addition.
pub(super) enum AddOutcome {
    Int(i64, i64),
    Float(f64, f64),
}

impl AddOutcome {
    pub(super) fn before(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        match self {
            Self::Int(old, _) => int(py, old),
            Self::Float(old, _) => float(py, old),
        }
    }

    pub(super) fn after(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        match self {
            Self::Int(_, new) => int(py, new),
            Self::Float(_, new) => float(py, new),
        }
    }
}
