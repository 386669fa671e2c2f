//! Where an `Array` keeps its values: any value a slot, or 64-bit numbers as they are.

use crate::atomics::cell;
use crate::atomics::number::{float, int, real, whole};
use crate::object::{Object, encode};
use pyo3::exceptions::{PyMemoryError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use std::ffi::CStr;
use std::sync::atomic::{AtomicU64, Ordering};
use ungil_sync::counter::Int;
use ungil_sync::slot::Slot;
use ungil_sync::zeroed::zeroed_slice;

pub(super) enum Store {
    /// Neighbouring slots share cache lines on purpose: threads that work on ranges of their own
    /// meet only at the ranges' ends.
    Objects(Vec<Slot<Object>>),
    Ints(Box<[Int]>),
    /// The bits of floats.
    Floats(Box<[AtomicU64]>),
}

/// What an array holds, as its `type` argument says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Objects,
    Ints,
    Floats,
}

impl Kind {
    pub(super) fn named(name: Option<&str>) -> PyResult<Self> {
        match name {
            None => Ok(Self::Objects),
            Some("q") => Ok(Self::Ints),
            Some("d") => Ok(Self::Floats),
            Some(other) => Err(PyValueError::new_err(format!(
                "the type of an Array is None (any values), 'q' (ints of 64 bits) or 'd' (floats), not {other:?}"
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
    PyMemoryError::new_err("no memory for so many items")
}

fn bits(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    real(value, FLOATS_TAKE).map(f64::to_bits)
}

/// Places `i` below are below [`Store::len`]: the caller has looked.
impl Store {
    /// `len` places, all holding `fill`.
    pub(super) fn filled(
        py: Python<'_>,
        kind: Kind,
        len: usize,
        fill: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let store = match kind {
            Kind::Objects => {
                let none = py.None().into_bound(py);
                let fill = fill.unwrap_or(&none);
                let mut slots = Vec::new();
                slots.try_reserve_exact(len).map_err(|_| no_memory())?;
                slots.extend((0..len).map(|_| Slot::new(encode(fill))));
                return Ok(Self::Objects(slots));
            }
            Kind::Ints => Self::Ints(zeroed_slice(len).ok_or_else(no_memory)?),
            Kind::Floats => Self::Floats(zeroed_slice(len).ok_or_else(no_memory)?),
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

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Objects(_) => Kind::Objects,
            Self::Ints(_) => Kind::Ints,
            Self::Floats(_) => Kind::Floats,
        }
    }

    #[inline]
    pub(super) fn get<'py>(&self, py: Python<'py>, i: usize) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Objects(slots) => cell::get(py, &slots[i]),
            Self::Ints(ints) => int(py, ints[i].get()),
            Self::Floats(floats) => float(py, f64::from_bits(floats[i].load(Ordering::Acquire))),
        }
    }

    #[inline]
    pub(super) fn set(&self, i: usize, value: &Bound<'_, PyAny>) -> PyResult<()> {
        match self {
            Self::Objects(slots) => cell::set(&slots[i], value),
            Self::Ints(ints) => ints[i].set(whole(value, INTS_TAKE)?),
            Self::Floats(floats) => floats[i].store(bits(value)?, Ordering::Release),
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
            Self::Ints(ints) => int(py, ints[i].swap(whole(value, INTS_TAKE)?)),
            Self::Floats(floats) => {
                float(py, f64::from_bits(floats[i].swap(bits(value)?, Ordering::AcqRel)))
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
                let new = whole(new, INTS_TAKE)?;
                match whole(expected, INTS_TAKE) {
                    Ok(expected) => Ok(ints[i].compare_exchange(expected, new).is_ok()),
                    // What does not fit cannot be there.
                    Err(error) if error.is_instance_of::<PyOverflowError>(expected.py()) => {
                        Ok(false)
                    }
                    Err(error) => Err(error),
                }
            }
            Self::Floats(floats) => {
                let (expected, new) = (bits(expected)?, bits(new)?);
                Ok(floats[i]
                    .compare_exchange(expected, new, Ordering::AcqRel, Ordering::Acquire)
                    .is_ok())
            }
        }
    }

    /// Replaces what is at `i` by `function` of it, and returns that.
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

    /// A value as it reads once it has been stored: `True` in an array of ints is 1.
    fn converted<'py>(&self, value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Objects(_) => Ok(value),
            Self::Ints(_) => int(value.py(), whole(&value, INTS_TAKE)?),
            Self::Floats(_) => float(value.py(), real(&value, FLOATS_TAKE)?),
        }
    }

    /// Adds `n` to the number at `i`.
    #[inline]
    pub(super) fn add(&self, i: usize, n: &Bound<'_, PyAny>) -> PyResult<Change> {
        match self {
            Self::Objects(_) => Err(PyTypeError::new_err(
                "adding is for an Array of type 'q' or 'd'; with any values use update(index, lambda value: value + n)",
            )),
            Self::Ints(ints) => {
                let n = whole(n, INTS_TAKE)?;
                let old = ints[i].add(n).ok_or_else(|| {
                    PyOverflowError::new_err(
                        "the sum does not fit 64 bits; the number was left as it is",
                    )
                })?;
                Ok(Change::Int(old, old + n))
            }
            Self::Floats(floats) => {
                let n = real(n, FLOATS_TAKE)?;
                let mut old = floats[i].load(Ordering::Relaxed);
                loop {
                    let new = f64::from_bits(old) + n;
                    match floats[i].compare_exchange_weak(
                        old,
                        new.to_bits(),
                        Ordering::AcqRel,
                        Ordering::Relaxed,
                    ) {
                        Ok(_) => return Ok(Change::Float(f64::from_bits(old), new)),
                        Err(now) => old = now,
                    }
                }
            }
        }
    }

    /// The numbers' memory and their format, for the buffer protocol.
    pub(super) fn memory(&self) -> Option<(*const u8, &'static CStr)> {
        match self {
            Self::Objects(_) => None,
            Self::Ints(ints) => Some((ints.as_ptr().cast(), c"q")),
            Self::Floats(floats) => Some((floats.as_ptr().cast(), c"d")),
        }
    }

    /// The int at `i`, for what is done to bits.
    pub(super) fn bits_of(&self, i: usize, mask: &Bound<'_, PyAny>) -> PyResult<(&Int, i64)> {
        match self {
            Self::Ints(ints) => Ok((&ints[i], whole(mask, INTS_TAKE)?)),
            _ => Err(PyTypeError::new_err(
                "bits are set in an Array of type 'q' only; elsewhere use update",
            )),
        }
    }
}

/// A number before and after.
pub(super) enum Change {
    Int(i64, i64),
    Float(f64, f64),
}

impl Change {
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
