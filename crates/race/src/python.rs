//! Access to the interpreter that this library was loaded into: its functions, found by symbol name,
//! and its objects, read by the offsets of the free-threaded build.
#![allow(unsafe_code)] // Calls C functions found at run time, and reads structures by the interpreter's offsets.

use cpython_layout::{DebugOffsets, MAX_SIZE};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A `PyObject *`.
pub(crate) type Object = *mut u8;

/// `PyObject` of a free-threaded build.
pub(crate) const HEADER: usize = 32;
const OB_TID: usize = 0;
const OB_REF_SHARED: usize = 16;
const OB_TYPE: usize = 24;
/// Low bits of `ob_ref_shared` that are flags (`_Py_REF_SHARED_FLAG_MASK`).
const SHARED_FLAGS: i64 = 3;

/// Bits of `tp_flags`.
const LONG_SUBCLASS: u64 = 1 << 24;
const LIST_SUBCLASS: u64 = 1 << 25;
const DICT_SUBCLASS: u64 = 1 << 29;
const TYPE_SUBCLASS: u64 = 1 << 31;

static PYTHON: OnceLock<Python> = OnceLock::new();

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// `PyMethodDef`.
#[repr(C)]
pub(crate) struct MethodDef {
    pub(crate) name: *const c_char,
    pub(crate) function: *mut c_void,
    pub(crate) flags: c_int,
    pub(crate) doc: *const c_char,
}

// SAFETY: static data; the callback's definition is never changed.
unsafe impl Sync for MethodDef {}

/// `PyRefTracer`.
pub(crate) type RefTracer = unsafe extern "C" fn(Object, c_int, *mut c_void) -> c_int;

macro_rules! api {
    ($($field:ident: $name:literal fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions and data of the interpreter that are used.
        pub(crate) struct Python {
            pub(crate) offsets: DebugOffsets,
            pub(crate) types: Types,
            $(pub(crate) $field: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Python {
            fn find() -> Result<Python, String> {
                let runtime = symbol(c"_PyRuntime")?.cast::<u8>();
                // SAFETY: `_PyRuntime` is tens of KiB on every version, and its first bytes are
                // constant.
                let table = unsafe { std::slice::from_raw_parts(runtime, MAX_SIZE) };
                let offsets = DebugOffsets::parse(table).map_err(|error| error.to_string())?;
                Ok(Python {
                    offsets,
                    types: Types::find()?,
                    // SAFETY: CPython's headers declare the function with this type on 3.14 and 3.15.
                    $($field: unsafe {
                        std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($argument),*) $(-> $result)?>(symbol($name)?)
                    },)*
                })
            }
        }
    };
}

api! {
    current: c"PyThreadState_GetUnchecked" fn() -> Object;
    lasti: c"PyUnstable_InterpreterFrame_GetLasti" fn(Object) -> c_int;
    new_function: c"PyCFunction_NewEx" fn(*const MethodDef, Object, Object) -> Object;
    code_bytes: c"PyCode_GetCode" fn(Object) -> Object;
    location: c"PyCode_Addr2Location" fn(Object, c_int, *mut c_int, *mut c_int, *mut c_int, *mut c_int) -> c_int;
    bytes: c"PyBytes_AsString" fn(Object) -> *const u8;
    bytes_size: c"PyBytes_Size" fn(Object) -> isize;
    utf8: c"PyUnicode_AsUTF8AndSize" fn(Object, *mut isize) -> *const u8;
    attribute: c"PyObject_GetAttrString" fn(Object, *const c_char) -> Object;
    tuple_item: c"PyTuple_GetItem" fn(Object, isize) -> Object;
    tuple_size: c"PyTuple_Size" fn(Object) -> isize;
    new_tuple: c"PyTuple_New" fn(isize) -> Object;
    set_tuple_item: c"PyTuple_SetItem" fn(Object, isize, Object) -> c_int;
    dict_contains: c"PyDict_Contains" fn(Object, Object) -> c_int;
    dict_item: c"PyDict_GetItemString" fn(Object, *const c_char) -> Object;
    next_item: c"PyDict_Next" fn(Object, *mut isize, *mut Object, *mut Object) -> c_int;
    list_size: c"PyList_Size" fn(Object) -> isize;
    list_item: c"PyList_GetItem" fn(Object, isize) -> Object;
    class_attribute: c"_PyType_Lookup" fn(Object, Object) -> Object;
    is_subtype: c"PyType_IsSubtype" fn(Object, Object) -> c_int;
    own_attribute: c"PyObject_GenericGetAttr" fn(Object, Object) -> Object;
    module_dict: c"PyModule_GetDict" fn(Object) -> Object;
    hash: c"PyObject_Hash" fn(Object) -> isize;
    is_true: c"PyObject_IsTrue" fn(Object) -> c_int;
    call: c"PyObject_Call" fn(Object, Object, Object) -> Object;
    keep: c"Py_IncRef" fn(Object);
    release: c"Py_DecRef" fn(Object);
    capsule: c"PyCapsule_New" fn(*mut c_void, *const c_char, Option<unsafe extern "C" fn(Object)>) -> Object;
    capsule_pointer: c"PyCapsule_GetPointer" fn(Object, *const c_char) -> *mut c_void;
    set_tracer: c"PyRefTracer_SetTracer" fn(Option<RefTracer>, *mut c_void) -> c_int;
    tracer: c"PyRefTracer_GetTracer" fn(*mut *mut c_void) -> Option<RefTracer>;
    clear_error: c"PyErr_Clear" fn();
}

/// Addresses of types.
pub(crate) struct Types {
    pub(crate) code: usize,
    pub(crate) text: usize,
    pub(crate) integer: usize,
    pub(crate) boolean: usize,
    pub(crate) float: usize,
    pub(crate) bytes: usize,
    pub(crate) list: usize,
    pub(crate) dict: usize,
    pub(crate) set: usize,
    pub(crate) module: usize,
    pub(crate) none: usize,
    pub(crate) dict_views: [usize; 3],
    /// Types without an exported name, set at the start.
    pub(crate) deque: AtomicUsize,
    pub(crate) mapping_proxy: usize,
    pub(crate) tuple: usize,
}

impl Types {
    fn find() -> Result<Types, String> {
        let at = |name| symbol(name).map(|found| found as usize);
        Ok(Types {
            code: at(c"PyCode_Type")?,
            text: at(c"PyUnicode_Type")?,
            integer: at(c"PyLong_Type")?,
            boolean: at(c"PyBool_Type")?,
            float: at(c"PyFloat_Type")?,
            bytes: at(c"PyBytes_Type")?,
            list: at(c"PyList_Type")?,
            dict: at(c"PyDict_Type")?,
            set: at(c"PySet_Type")?,
            module: at(c"PyModule_Type")?,
            none: at(c"_Py_NoneStruct")?,
            dict_views: [
                at(c"PyDictKeys_Type")?,
                at(c"PyDictValues_Type")?,
                at(c"PyDictItems_Type")?,
            ],
            deque: AtomicUsize::new(0),
            mapping_proxy: at(c"PyDictProxy_Type")?,
            tuple: at(c"PyTuple_Type")?,
        })
    }
}

fn symbol(name: &CStr) -> Result<*mut c_void, String> {
    // SAFETY: a null handle is RTLD_DEFAULT, and the name is NUL-terminated.
    let found = unsafe { dlsym(std::ptr::null_mut(), name.as_ptr()) };
    if found.is_null() {
        return Err(format!("this interpreter does not export {}", name.to_string_lossy()));
    }
    Ok(found)
}

/// Finds the interpreter's functions.
///
/// # Errors
/// Says what is missing or unknown.
pub(crate) fn find() -> Result<&'static Python, String> {
    if let Some(python) = PYTHON.get() {
        return Ok(python);
    }
    let python = Python::find()?;
    if !python.offsets.free_threaded {
        return Err("this interpreter has the GIL".to_owned());
    }
    if python.offsets.interpreter_frame.stackpointer.is_none() {
        return Err(format!("CPython {} does not say where its stack is", python.offsets.version));
    }
    Ok(PYTHON.get_or_init(|| python))
}

/// Returns the interpreter's functions. Called only after [`find`] succeeded.
#[inline]
pub(crate) fn python() -> &'static Python {
    match PYTHON.get() {
        Some(python) => python,
        None => std::process::abort(),
    }
}

/// # Safety
/// `base + offset` is readable.
#[inline]
pub(crate) unsafe fn word(base: Object, offset: usize) -> usize {
    // SAFETY: the caller's contract.
    unsafe { base.add(offset).cast::<usize>().read_unaligned() }
}

/// Returns the value by which `ob_tid` names this thread (`_Py_ThreadId`).
#[inline]
pub(crate) fn thread_word() -> usize {
    let word: usize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the first word of the thread's own block is its address, in every C library.
    unsafe {
        std::arch::asm!("mov {}, fs:0", out(reg) word, options(nostack, readonly, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: reads a register.
    unsafe {
        std::arch::asm!("mrs {}, tpidr_el0", out(reg) word, options(nostack, nomem, preserves_flags));
    }
    word
}

/// Returns whether only this thread has ever had a counted reference to the object that still exists.
///
/// # Safety
/// `object` is alive.
#[inline]
pub(crate) unsafe fn is_thread_local(object: Object, thread: usize) -> bool {
    // SAFETY: the caller's contract; other threads change the shared count atomically.
    unsafe {
        word(object, OB_TID) == thread
            && object.add(OB_REF_SHARED).cast::<i64>().read_volatile() & !SHARED_FLAGS == 0
    }
}

/// # Safety
/// `object` is alive.
#[inline]
pub(crate) unsafe fn type_of(object: Object) -> usize {
    // SAFETY: the caller's contract.
    unsafe { word(object, OB_TYPE) }
}

/// What kind of container an object is, subclasses included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Container {
    List,
    Dict,
    Set,
    Deque,
    Other,
}

impl Python {
    /// Returns `tp_flags` of a type.
    unsafe fn flags(&self, class: usize) -> u64 {
        // SAFETY: the caller passes a type.
        unsafe { word(class as Object, self.offsets.type_object.tp_flags as usize) as u64 }
    }

    /// Returns whether `class` is `base` or derived from it.
    pub(crate) fn is_subclass(&self, class: usize, base: usize) -> bool {
        // SAFETY: both are types that exist; neither runs Python code.
        base != 0 && unsafe { (self.is_subtype)(class as Object, base as Object) } != 0
    }

    /// # Safety
    /// `object` is alive.
    pub(crate) unsafe fn container(&self, object: Object) -> Container {
        // SAFETY: the caller's contract.
        unsafe {
            let class = type_of(object);
            let types = &self.types;
            if class == types.dict {
                return Container::Dict;
            }
            if class == types.list {
                return Container::List;
            }
            if class == types.set {
                return Container::Set;
            }
            if class == types.deque.load(Ordering::Relaxed) {
                return Container::Deque;
            }
            match self.flags(class) {
                flags if flags & DICT_SUBCLASS != 0 => Container::Dict,
                flags if flags & LIST_SUBCLASS != 0 => Container::List,
                _ => Container::Other,
            }
        }
    }

    /// # Safety
    /// `object` is alive.
    pub(crate) unsafe fn is_class(&self, object: Object) -> bool {
        // SAFETY: the caller's contract.
        unsafe { self.flags(type_of(object)) & TYPE_SUBCLASS != 0 }
    }

    /// Returns whether instances of a type may have attributes of their own.
    ///
    /// # Safety
    /// `class` is a type.
    pub(crate) unsafe fn is_heap_type(&self, class: usize) -> bool {
        // SAFETY: the caller's contract.
        unsafe { self.flags(class) & cpython_layout::structures::type_flags::HEAP_TYPE != 0 }
    }

    /// Returns the value of an int that fits one digit.
    ///
    /// # Safety
    /// `object` is alive.
    pub(crate) unsafe fn small_int(&self, object: Object) -> Option<i64> {
        // SAFETY: the caller's contract; the layout is that of every int.
        unsafe {
            if self.flags(type_of(object)) & LONG_SUBCLASS == 0 {
                return None;
            }
            let tag = word(object, HEADER);
            // Three bits of sign and flags, then the number of digits.
            let digit = i64::from(object.add(HEADER + 8).cast::<u32>().read());
            (tag < 2 << 3).then(|| digit * (1 - (tag & 3) as i64))
        }
    }

    /// Returns the text of a str.
    ///
    /// # Safety
    /// `object` is alive, and the thread attached.
    pub(crate) unsafe fn string(&self, object: Object) -> Option<String> {
        // SAFETY: the caller's contract.
        unsafe {
            if object.is_null() || type_of(object) != self.types.text {
                return None;
            }
            let mut length = 0;
            let text = (self.utf8)(object, &mut length);
            if text.is_null() {
                (self.clear_error)();
                return None;
            }
            let text = std::slice::from_raw_parts(text, usize::try_from(length).unwrap_or(0));
            Some(String::from_utf8_lossy(text).into_owned())
        }
    }

    /// Returns the name of a type.
    ///
    /// # Safety
    /// `class` is a type.
    pub(crate) unsafe fn type_name(&self, class: usize) -> String {
        // SAFETY: `tp_name` is a C string that lives as long as its type.
        unsafe {
            let name = word(class as Object, self.offsets.type_object.tp_name as usize);
            let name = CStr::from_ptr(name as *const c_char).to_string_lossy();
            name.rsplit('.').next().unwrap_or_default().to_owned()
        }
    }

    /// Returns whether an instance lacks an attribute. False if that cannot be determined without
    /// running Python code.
    ///
    /// # Safety
    /// `object` is alive, `name` an interned str, and the thread attached.
    pub(crate) unsafe fn lacks_attribute(&self, object: Object, name: Object) -> bool {
        // SAFETY: the caller's contract. Where the class has no such attribute, the generic lookup
        // reads the instance's own only.
        unsafe {
            let class = type_of(object) as Object;
            if name.is_null()
                || self.is_class(object)
                || !(self.class_attribute)(class, name).is_null()
            {
                return false;
            }
            let found = (self.own_attribute)(object, name);
            if found.is_null() {
                (self.clear_error)();
                return true;
            }
            (self.release)(found);
            false
        }
    }
}
