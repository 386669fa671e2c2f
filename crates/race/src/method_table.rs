//! Wrappers put into the interpreter's `PyMethodDef`s, one for each slot and calling convention.
//!
//! A method's definition is static data that every call goes through: from Python, whether
//! specialized or not, and from C. It is changed once and restored at the end, so that objects and
//! bound methods that exist already are covered too.
#![allow(unsafe_code)] // Writes the interpreter's method definitions, and calls what they held.

use crate::method::{Arguments, Effect, after, before};
use crate::python::{HEADER, MethodDef, Object, python, word};
use crate::started_thread;
use std::ffi::{CStr, c_int, c_void};
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicUsize, Ordering};

/// Largest number of methods that can be wrapped.
const SLOTS: usize = 96;

const VARARGS: c_int = 0x1;
const KEYWORDS: c_int = 0x2;
const NOARGS: c_int = 0x4;
const ONE: c_int = 0x8;
const FASTCALL: c_int = 0x80;
const METHOD: c_int = 0x200;
/// `METH_CLASS | METH_STATIC | METH_COEXIST`: how the method is found, not how it is called.
const BINDING: c_int = 0x10 | 0x20 | 0x40;

static ORIGINAL: [AtomicPtr<c_void>; SLOTS] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; SLOTS];
static DEFINITION: [AtomicPtr<MethodDef>; SLOTS] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; SLOTS];
static EFFECT: [AtomicU8; SLOTS] = [const { AtomicU8::new(0) }; SLOTS];
static USED: AtomicUsize = AtomicUsize::new(0);

type One = unsafe extern "C" fn(Object, Object) -> Object;
type Fast = unsafe extern "C" fn(Object, *const Object, isize) -> Object;
type FastKeywords = unsafe extern "C" fn(Object, *const Object, isize, Object) -> Object;
type FastMethod = unsafe extern "C" fn(Object, Object, *const Object, isize, Object) -> Object;
type Keywords = unsafe extern "C" fn(Object, Object, Object) -> Object;

fn effect<const SLOT: usize>() -> Effect {
    Effect::from_number(EFFECT.get(SLOT).map_or(0, |effect| effect.load(Ordering::Relaxed)))
}

fn original<const SLOT: usize>() -> *mut c_void {
    ORIGINAL.get(SLOT).map_or(std::ptr::null_mut(), |original| original.load(Ordering::Relaxed))
}

macro_rules! wrapper {
    ($name:ident, $type:ty, ($($parameter:ident: $kind:ty),*), $self:ident, $arguments:expr) => {
        unsafe extern "C" fn $name<const SLOT: usize>($($parameter: $kind),*) -> Object {
            let arguments = $arguments;
            let effect = effect::<SLOT>();
            before(effect, $self, &arguments);
            // SAFETY: `wrap` stored the function that the definition held, whose flags say that it
            // has this type; it is called with the arguments that it was to get.
            let result = unsafe {
                std::mem::transmute::<*mut c_void, $type>(original::<SLOT>())($($parameter),*)
            };
            after(effect, $self, result);
            result
        }
    };
}

wrapper!(one, One, (receiver: Object, argument: Object), receiver, Arguments::One(argument));
wrapper!(fast, Fast, (receiver: Object, arguments: *const Object, count: isize), receiver, Arguments::Array(arguments, count));
wrapper!(fast_keywords, FastKeywords, (receiver: Object, arguments: *const Object, count: isize, names: Object), receiver, Arguments::ArrayKeywords(arguments, count, names));
wrapper!(fast_method, FastMethod, (receiver: Object, class: Object, arguments: *const Object, count: isize, names: Object), receiver, Arguments::ArrayKeywords(arguments, count, names));
wrapper!(tuple, One, (receiver: Object, arguments: Object), receiver, Arguments::Tuple(arguments));
/// Starts a thread, whose function is called between its first and its last event.
unsafe extern "C" fn start<const SLOT: usize>(
    receiver: Object,
    arguments: Object,
    names: Object,
) -> Object {
    let changed = started_thread::wrap(arguments);
    let handle = started_thread::handle_argument(names);
    let (passed, ended) =
        changed.map_or((arguments, None), |(changed, ended)| (changed, Some(ended)));
    if let (Some(handle), Some(ended)) = (handle, &ended) {
        started_thread::remember(handle, ended.clone());
    }
    // SAFETY: as in `wrapper!`. A function without keywords ignores the third argument.
    let result = unsafe {
        std::mem::transmute::<*mut c_void, Keywords>(original::<SLOT>())(receiver, passed, names)
    };
    if let Some(ended) = ended {
        if handle.is_none() && !result.is_null() {
            started_thread::remember(result, ended);
        }
        // SAFETY: the tuple made by `wrap`.
        unsafe { (python().release)(passed) };
    }
    result
}

/// As [`start`], for a function without keywords.
unsafe extern "C" fn start_plain<const SLOT: usize>(receiver: Object, arguments: Object) -> Object {
    // SAFETY: the caller's contract.
    unsafe { start::<SLOT>(receiver, arguments, std::ptr::null_mut()) }
}

wrapper!(keywords, Keywords, (receiver: Object, arguments: Object, names: Object), receiver, Arguments::TupleKeywords(arguments, names));

macro_rules! table {
    ($function:ident, $type:ty: $($slot:literal)*) => {
        [$($function::<$slot> as $type as *mut c_void,)*]
    };
}

macro_rules! all_slots {
    ($function:ident, $type:ty) => {
        table!($function, $type:
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
            32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60
            61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79 80 81 82 83 84 85 86 87 88 89
            90 91 92 93 94 95)
    };
}

/// Returns the wrapper of a slot for a calling convention.
fn wrapper(slot: usize, flags: c_int, effect: Effect) -> Option<*mut c_void> {
    let all: [*mut c_void; SLOTS] = match flags & !BINDING {
        VARARGS if effect == Effect::Start => all_slots!(start_plain, One),
        f if f == VARARGS | KEYWORDS && effect == Effect::Start => all_slots!(start, Keywords),
        _ if effect == Effect::Start => return None,
        NOARGS | ONE => all_slots!(one, One),
        FASTCALL => all_slots!(fast, Fast),
        f if f == FASTCALL | KEYWORDS => all_slots!(fast_keywords, FastKeywords),
        f if f == METHOD | FASTCALL | KEYWORDS => all_slots!(fast_method, FastMethod),
        VARARGS => all_slots!(tuple, One),
        f if f == VARARGS | KEYWORDS => all_slots!(keywords, Keywords),
        _ => return None,
    };
    all.get(slot).copied()
}

/// Wraps a method descriptor or built-in function.
///
/// # Errors
/// Says why it cannot be wrapped.
///
/// # Safety
/// `method` is a live object of one of these types.
pub(crate) unsafe fn wrap(
    method: Object,
    is_descriptor: bool,
    name: &CStr,
    effect: Effect,
) -> Result<(), String> {
    // A descriptor's type, name and qualified name precede its definition.
    let at = if is_descriptor { HEADER + 24 } else { HEADER };
    // SAFETY: the caller's contract; the name is compared before anything is written.
    unsafe {
        let definition = word(method, at) as *mut MethodDef;
        if definition.is_null() || CStr::from_ptr((*definition).name) != name {
            return Err(format!(
                "the definition of {} is not where it should be",
                name.to_string_lossy()
            ));
        }
        let known = DEFINITION.iter().take(USED.load(Ordering::Relaxed));
        if known.into_iter().any(|other| other.load(Ordering::Relaxed) == definition) {
            return Ok(());
        }
        let slot = USED.load(Ordering::Relaxed);
        let Some(function) = wrapper(slot, (*definition).flags, effect) else {
            return Err(format!("{} has an unknown calling convention", name.to_string_lossy()));
        };
        let (Some(original), Some(place), Some(number)) =
            (ORIGINAL.get(slot), DEFINITION.get(slot), EFFECT.get(slot))
        else {
            return Err("too many methods".to_owned());
        };
        number.store(effect as u8, Ordering::Relaxed);
        original.store((*definition).function, Ordering::Relaxed);
        place.store(definition, Ordering::Relaxed);
        USED.store(slot + 1, Ordering::Release);
        AtomicPtr::from_ptr(&raw mut (*definition).function).store(function, Ordering::Release);
    }
    Ok(())
}

/// Puts the original functions back.
pub(crate) fn restore() {
    for (definition, original) in DEFINITION.iter().zip(&ORIGINAL) {
        let definition = definition.swap(std::ptr::null_mut(), Ordering::AcqRel);
        if !definition.is_null() {
            // SAFETY: static data of the interpreter or of an extension module, which is never
            // unloaded. Calls under way in a wrapper still find the original.
            unsafe { AtomicPtr::from_ptr(&raw mut (*definition).function) }
                .store(original.load(Ordering::Relaxed), Ordering::Release);
        }
    }
}
