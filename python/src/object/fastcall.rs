//! Fast entry points for methods called millions of times per second, with the interpreter's
//! shortest calling conventions (`METH_O`, `METH_NOARGS`, `METH_FASTCALL`).
//!
//! PyO3 parses every argument with a general parser, records in two thread-local variables that the
//! thread is attached, and catches panics. For a method that is one atomic instruction, this takes
//! most of the time. A class is defined with PyO3 as usual; here the entry point of a method is
//! replaced by one that does only what the method needs. Such a method must not panic (that aborts
//! the process), must not drop a `Py<T>` (PyO3 would assume that the thread is detached and
//! postpone it; a `Bound` is fine), and must not call `Python::attach`.

#![allow(unsafe_code)]

use pyo3::PyClass;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::types::PyType;
use std::ffi::CString;
use std::ptr::null_mut;

/// A method with one argument.
pub(crate) trait OneArgument {
    type Class: PyClass<Frozen = True> + Sync;
    /// The method's existing name.
    const NAME: &str;
    fn call<'py>(this: &Self::Class, argument: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>>;
}

/// A method without arguments.
pub(crate) trait NoArgument {
    type Class: PyClass<Frozen = True> + Sync;
    /// The method's existing name.
    const NAME: &str;
    fn call<'py>(this: &Self::Class, py: Python<'py>) -> PyResult<Bound<'py, PyAny>>;
}

/// `__exit__` of a class that ignores the exception.
pub(crate) trait Exit: PyClass<Frozen = True> + Sync {
    fn exit(&self) -> PyResult<()>;
}

/// `object[key]` and `object[key] = value`.
pub(crate) trait Subscript: PyClass<Frozen = True> + Sync {
    fn get<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>>;
    fn set(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()>;
    /// `del object[key]`.
    fn delete(&self, key: &Bound<'_, PyAny>) -> PyResult<()>;
}

/// # Safety
/// `object` is an instance of the class or of a subclass, and lives as long as the result is used.
#[inline]
unsafe fn this<'a, T>(py: Python<'a>, object: &'a *mut ffi::PyObject) -> &'a T
where
    T: PyClass<Frozen = True> + Sync,
{
    // SAFETY: the caller's contract.
    unsafe { Bound::ref_from_ptr(py, object).cast_unchecked::<T>() }.get()
}

#[inline]
fn into_result(py: Python<'_>, result: PyResult<Bound<'_, PyAny>>) -> *mut ffi::PyObject {
    match result {
        Ok(value) => value.into_ptr(),
        Err(error) => {
            error.restore(py);
            null_mut()
        }
    }
}

unsafe extern "C" fn one_argument<M: OneArgument>(
    object: *mut ffi::PyObject,
    argument: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter while attached, with an instance (checked by the
    // descriptor) and an argument that live through the call.
    unsafe {
        let py = Python::assume_attached();
        into_result(py, M::call(this(py, &object), Bound::ref_from_ptr(py, &argument)))
    }
}

unsafe extern "C" fn no_argument<M: NoArgument>(
    object: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe {
        let py = Python::assume_attached();
        into_result(py, M::call(this(py, &object), py))
    }
}

unsafe extern "C" fn call_exit<T: Exit>(
    object: *mut ffi::PyObject,
    _: *mut *mut ffi::PyObject,
    _: ffi::Py_ssize_t,
) -> *mut ffi::PyObject {
    // SAFETY: as above; the arguments are not read.
    unsafe {
        let py = Python::assume_attached();
        into_result(py, this::<T>(py, &object).exit().map(|()| py.None().into_bound(py)))
    }
}

/// Replaces the entry point of `__exit__`.
pub(crate) fn replace_exit<T: Exit>(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let function = ffi::PyMethodDefPointer { PyCFunctionFast: call_exit::<T> };
    replace(&module.py().get_type::<T>(), "__exit__", function, ffi::METH_FASTCALL)
}

/// Replaces the entry point of a method with one argument.
pub(crate) fn replace_one<M: OneArgument>(module: &Bound<'_, PyModule>) -> PyResult<()> {
    replace(
        &module.py().get_type::<M::Class>(),
        M::NAME,
        ffi::PyMethodDefPointer { PyCFunction: one_argument::<M> },
        ffi::METH_O,
    )
}

/// Replaces the entry point of a method without arguments.
pub(crate) fn replace_none<M: NoArgument>(module: &Bound<'_, PyModule>) -> PyResult<()> {
    replace(
        &module.py().get_type::<M::Class>(),
        M::NAME,
        ffi::PyMethodDefPointer { PyCFunction: no_argument::<M> },
        ffi::METH_NOARGS,
    )
}

/// `one!(module, Class, "name", |this, argument| result)` implements a method with one argument and
/// calls [`replace_one`].
macro_rules! one {
    ($module:expr, $class:ty, $name:literal, |$this:ident, $argument:ident| $result:expr) => {{
        struct FastOneArgument;
        impl $crate::object::fastcall::OneArgument for FastOneArgument {
            type Class = $class;
            const NAME: &str = $name;
            #[inline]
            fn call<'py>(
                $this: &$class,
                $argument: &Bound<'py, PyAny>,
            ) -> PyResult<Bound<'py, PyAny>> {
                $result
            }
        }
        $crate::object::fastcall::replace_one::<FastOneArgument>($module)
    }};
}

/// `none!(module, Class, "name", |this, py| result)` implements a method without arguments and
/// calls [`replace_none`].
macro_rules! none {
    ($module:expr, $class:ty, $name:literal, |$this:ident, $py:ident| $result:expr) => {{
        struct FastNoArgument;
        impl $crate::object::fastcall::NoArgument for FastNoArgument {
            type Class = $class;
            const NAME: &str = $name;
            #[inline]
            fn call<'py>($this: &$class, $py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                $result
            }
        }
        $crate::object::fastcall::replace_none::<FastNoArgument>($module)
    }};
}

pub(crate) use {none, one};

/// Returns Python's `None`, as the result of a method.
#[inline]
pub(crate) fn none_result(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    Ok(py.None().into_bound(py))
}

fn replace(
    class: &Bound<'_, PyType>,
    name: &str,
    function: ffi::PyMethodDefPointer,
    convention: std::ffi::c_int,
) -> PyResult<()> {
    let original = class.getattr(name)?;
    let (signature, doc) = (original.getattr("__text_signature__")?, original.getattr("__doc__")?);
    // Leaked, because the class, which is never freed, refers to both.
    let doc = CString::new(format!("{name}{signature}\n--\n\n{doc}"))?.into_raw();
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: CString::new(name)?.into_raw(),
        ml_meth: function,
        ml_flags: convention,
        ml_doc: doc,
    }));
    // SAFETY: a class and a definition that lives forever; returns a new reference, or null with an
    // exception set.
    let method = unsafe {
        Bound::from_owned_ptr_or_err(
            class.py(),
            ffi::PyDescr_NewMethod(class.as_type_ptr(), definition),
        )?
    };
    class.setattr(name, method)
}

#[cfg(not(feature = "abi3t"))]
unsafe extern "C" fn get<T: Subscript>(
    object: *mut ffi::PyObject,
    key: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter while attached, with an instance and a key that live
    // through the call.
    unsafe {
        let py = Python::assume_attached();
        into_result(py, T::get(this(py, &object), Bound::ref_from_ptr(py, &key)))
    }
}

#[cfg(not(feature = "abi3t"))]
unsafe extern "C" fn set<T: Subscript>(
    object: *mut ffi::PyObject,
    key: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
) -> std::ffi::c_int {
    // SAFETY: as above; the value is null to delete the item.
    let result = unsafe {
        let py = Python::assume_attached();
        let (this, key) = (this::<T>(py, &object), Bound::ref_from_ptr(py, &key));
        if value.is_null() {
            this.delete(key)
        } else {
            this.set(key, Bound::ref_from_ptr(py, &value))
        }
        .map_err(|error| error.restore(py))
    };
    if result.is_ok() { 0 } else { -1 }
}

/// Replaces the subscription functions of a class, unless the stable ABI hides its type structure.
/// Must be called before the class is published.
pub(crate) fn replace_subscript<T: Subscript>(module: &Bound<'_, PyModule>) {
    #[cfg(not(feature = "abi3t"))]
    // SAFETY: the class belongs to this library, has mapping functions because it defines
    // `__getitem__`, and is not used by any other thread yet.
    unsafe {
        let class = module.py().get_type::<T>();
        if let Some(mapping) = (*class.as_type_ptr()).tp_as_mapping.as_mut() {
            mapping.mp_subscript = Some(get::<T>);
            mapping.mp_ass_subscript = Some(set::<T>);
        }
    }
    #[cfg(feature = "abi3t")]
    let _ = module;
}
