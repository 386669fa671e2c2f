//! The few methods that are called millions of times a second, by the interpreter's shortest
//! calling conventions.
//!
//! PyO3 takes every argument through a general parser, notes in two thread-local variables that the
//! thread is attached, and catches panics: on a method that is one atomic instruction this is most
//! of the time. A class is defined with PyO3 as any other; here the entry of a method is then
//! replaced by one that does the same and only that. What is called so must not panic (that ends
//! the process), must not drop a `Py<T>` (PyO3 would take the thread for detached and put it off; a
//! `Bound` is fine), and must not call `Python::attach`.

#![allow(unsafe_code)]

use pyo3::PyClass;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::types::PyType;
use std::ffi::CString;
use std::ptr::null_mut;

/// A method of one argument.
pub(crate) trait OneArgument {
    type Class: PyClass<Frozen = True> + Sync;
    /// The name it has already.
    const NAME: &str;
    fn call<'py>(this: &Self::Class, argument: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>>;
}

/// A method without arguments.
pub(crate) trait NoArgument {
    type Class: PyClass<Frozen = True> + Sync;
    /// The name it has already.
    const NAME: &str;
    fn call<'py>(this: &Self::Class, py: Python<'py>) -> PyResult<Bound<'py, PyAny>>;
}

/// `__exit__`, of a class that takes no interest in the exception.
pub(crate) trait Exit: PyClass<Frozen = True> + Sync {
    fn exit(&self) -> PyResult<()>;
}

/// `object[key]` and `object[key] = value`.
pub(crate) trait Brackets: PyClass<Frozen = True> + Sync {
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
    // SAFETY: the caller's.
    unsafe { Bound::ref_from_ptr(py, object).cast_unchecked::<T>() }.get()
}

#[inline]
fn answer(py: Python<'_>, result: PyResult<Bound<'_, PyAny>>) -> *mut ffi::PyObject {
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
    // SAFETY: the interpreter calls, attached, with an instance (its descriptor looked) and an
    // argument that live through the call.
    unsafe {
        let py = Python::assume_attached();
        answer(py, M::call(this(py, &object), Bound::ref_from_ptr(py, &argument)))
    }
}

unsafe extern "C" fn no_argument<M: NoArgument>(
    object: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe {
        let py = Python::assume_attached();
        answer(py, M::call(this(py, &object), py))
    }
}

unsafe extern "C" fn leave<T: Exit>(
    object: *mut ffi::PyObject,
    _: *mut *mut ffi::PyObject,
    _: ffi::Py_ssize_t,
) -> *mut ffi::PyObject {
    // SAFETY: as above; the arguments are not looked at.
    unsafe {
        let py = Python::assume_attached();
        answer(py, this::<T>(py, &object).exit().map(|()| py.None().into_bound(py)))
    }
}

/// Replaces the entry of `__exit__`.
pub(crate) fn exit<T: Exit>(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let function = ffi::PyMethodDefPointer { PyCFunctionFast: leave::<T> };
    replace(&module.py().get_type::<T>(), "__exit__", function, ffi::METH_FASTCALL)
}

/// Replaces the entry of a method of one argument.
pub(crate) fn replace_one<M: OneArgument>(module: &Bound<'_, PyModule>) -> PyResult<()> {
    replace(
        &module.py().get_type::<M::Class>(),
        M::NAME,
        ffi::PyMethodDefPointer { PyCFunction: one_argument::<M> },
        ffi::METH_O,
    )
}

/// Replaces the entry of a method without arguments.
pub(crate) fn replace_none<M: NoArgument>(module: &Bound<'_, PyModule>) -> PyResult<()> {
    replace(
        &module.py().get_type::<M::Class>(),
        M::NAME,
        ffi::PyMethodDefPointer { PyCFunction: no_argument::<M> },
        ffi::METH_NOARGS,
    )
}

/// `one!(module, Class, "name", |this, argument| result)`: [`replace_one`] with the method written
/// out.
macro_rules! one {
    ($module:expr, $class:ty, $name:literal, |$this:ident, $argument:ident| $result:expr) => {{
        struct Method;
        impl $crate::object::lean::OneArgument for Method {
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
        $crate::object::lean::replace_one::<Method>($module)
    }};
}

/// `none!(module, Class, "name", |this, py| result)`: the same for [`replace_none`].
macro_rules! none {
    ($module:expr, $class:ty, $name:literal, |$this:ident, $py:ident| $result:expr) => {{
        struct Method;
        impl $crate::object::lean::NoArgument for Method {
            type Class = $class;
            const NAME: &str = $name;
            #[inline]
            fn call<'py>($this: &$class, $py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                $result
            }
        }
        $crate::object::lean::replace_none::<Method>($module)
    }};
}

pub(crate) use {none, one};

/// What a method returns that returns nothing.
#[inline]
pub(crate) fn nothing(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    Ok(py.None().into_bound(py))
}

fn replace(
    class: &Bound<'_, PyType>,
    name: &str,
    function: ffi::PyMethodDefPointer,
    convention: std::ffi::c_int,
) -> PyResult<()> {
    let was = class.getattr(name)?;
    let (signature, doc) = (was.getattr("__text_signature__")?, was.getattr("__doc__")?);
    // Both are as long-lived as the class, which is never given back.
    let doc = CString::new(format!("{name}{signature}\n--\n\n{doc}"))?.into_raw();
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: CString::new(name)?.into_raw(),
        ml_meth: function,
        ml_flags: convention,
        ml_doc: doc,
    }));
    // SAFETY: a class and a definition that lives for ever; a new reference, or null with an
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
unsafe extern "C" fn get<T: Brackets>(
    object: *mut ffi::PyObject,
    key: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls, attached, with an instance and a key that live through the
    // call.
    unsafe {
        let py = Python::assume_attached();
        answer(py, T::get(this(py, &object), Bound::ref_from_ptr(py, &key)))
    }
}

#[cfg(not(feature = "abi3t"))]
unsafe extern "C" fn set<T: Brackets>(
    object: *mut ffi::PyObject,
    key: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
) -> std::ffi::c_int {
    // SAFETY: as above; the value is null where the item is to be deleted.
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

/// Replaces what brackets do, where the type lies open. Before the class is published.
pub(crate) fn brackets<T: Brackets>(module: &Bound<'_, PyModule>) {
    #[cfg(not(feature = "abi3t"))]
    // SAFETY: the class is this library's own, has a mapping's entries since it has `__getitem__`,
    // and nobody else knows it yet.
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
