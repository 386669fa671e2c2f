//! Access to the interpreter that this library was loaded into: its API functions, its frames, and
//! memory that may be unmapped.
//!
//! Functions are found by symbol name in the process, so that one library serves every version and
//! build, static or shared. All are public or "unstable" but exported; none allocates or changes a
//! reference count.
#![allow(unsafe_code)] // Calls C functions found at run time, and reads structures by the interpreter's offsets.

use crate::allocator::Allocator;
use crate::wire::{MAX_TEXT, refusal};
use cpython_layout::{DebugOffsets, MAX_SIZE};
use std::ffi::{CStr, c_char, c_int, c_long, c_ulong, c_void};

/// Maximum number of frames; a longer chain is considered damaged.
const MAX_CHAIN: usize = 100_000;
/// Maximum size of a location table in bytes.
const MAX_LINE_TABLE: usize = 1 << 20;
const PR_GET_NAME: c_int = 16;
const CLOCK_MONOTONIC: c_int = 1;
const CLOCK_PROCESS_CPUTIME_ID: c_int = 2;
const CLOCK_THREAD_CPUTIME_ID: c_int = 3;

type Object = *const u8;

#[repr(C)]
struct IoVec {
    base: *mut c_void,
    len: usize,
}

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn process_vm_readv(
        pid: c_int,
        local: *const IoVec,
        local_count: c_ulong,
        remote: *const IoVec,
        remote_count: c_ulong,
        flags: c_ulong,
    ) -> isize;
    fn prctl(option: c_int, ...) -> c_int;
    fn gettid() -> c_int;
    fn clock_gettime(clock: c_int, time: *mut [i64; 2]) -> c_int;
}

/// The functions and data of the interpreter that are used.
pub(crate) struct PythonApi {
    pub(crate) offsets: DebugOffsets,
    code_type: u64,
    pid: c_int,
    current: unsafe extern "C" fn() -> Object,
    lasti: unsafe extern "C" fn(Object) -> c_int,
    length: unsafe extern "C" fn(Object) -> isize,
    character: unsafe extern "C" fn(Object, isize) -> u32,
    bytes_size: unsafe extern "C" fn(Object) -> isize,
    bytes: unsafe extern "C" fn(Object) -> Object,
    get_allocator: unsafe extern "C" fn(c_int, *mut Allocator),
    set_allocator: unsafe extern "C" fn(c_int, *const Allocator),
}

/// Fields that identify a code object, in case another one takes its address.
pub(crate) struct CodeIdentity {
    pub(crate) file: Object,
    pub(crate) name: Object,
    pub(crate) lines: Object,
    pub(crate) first: u32,
}

fn symbol(name: &CStr) -> Result<*mut c_void, u64> {
    // SAFETY: a null handle is RTLD_DEFAULT, and the name is NUL-terminated.
    let found = unsafe { dlsym(std::ptr::null_mut(), name.as_ptr()) };
    if found.is_null() { Err(refusal::SYMBOLS) } else { Ok(found) }
}

/// The function `name` as a pointer of the type that the caller needs.
macro_rules! function {
    ($name:literal) => {
        // SAFETY: CPython's headers declare `$name` with the type of the field that it is stored
        // in, on 3.13 to 3.15.
        unsafe { std::mem::transmute(symbol($name)?) }
    };
}

impl PythonApi {
    /// Finds all functions in the running process; returns the refusal code if one is missing.
    #[expect(clippy::missing_transmute_annotations, reason = "the field has the type")]
    pub(crate) fn find() -> Result<PythonApi, u64> {
        let runtime = symbol(c"_PyRuntime")?.cast::<u8>();
        // SAFETY: `_PyRuntime` is tens of KiB on every version, and its first bytes are constant.
        let offsets = DebugOffsets::parse(unsafe { std::slice::from_raw_parts(runtime, MAX_SIZE) });
        Ok(PythonApi {
            offsets: offsets.map_err(|_| refusal::LAYOUT)?,
            code_type: symbol(c"PyCode_Type")? as u64,
            pid: std::process::id() as c_int,
            current: function!(c"PyThreadState_GetUnchecked"),
            lasti: function!(c"PyUnstable_InterpreterFrame_GetLasti"),
            length: function!(c"PyUnicode_GetLength"),
            character: function!(c"PyUnicode_ReadChar"),
            bytes_size: function!(c"PyBytes_Size"),
            bytes: function!(c"PyBytes_AsString"),
            get_allocator: function!(c"PyMem_GetAllocator"),
            set_allocator: function!(c"PyMem_SetAllocator"),
        })
    }

    /// Calls `each` with every Python frame's code object and bytecode offset, innermost first,
    /// until it returns false.
    pub(crate) fn walk(&self, mut each: impl FnMut(u64, u32) -> bool) {
        let o = &self.offsets;
        // SAFETY: the allocator was called by a thread that is attached to the interpreter, as its
        // domain requires, so the thread state and its frame chain belong to this thread and do not
        // change; the offsets are the interpreter's.
        unsafe {
            let thread = (self.current)();
            if thread.is_null() {
                return;
            }
            let mut frame = word(thread, o.thread_state.current_frame) as Object;
            for _ in 0..MAX_CHAIN {
                if frame.is_null() {
                    return;
                }
                // The low bits of a stack reference are tags. The interpreter's internal frames
                // have None or nothing here.
                let executable = (word(frame, o.interpreter_frame.executable) & !7) as Object;
                if !executable.is_null() && word(executable, o.pyobject.ob_type) == self.code_type {
                    let at = (self.lasti)(frame).max(0) as u32;
                    if !each(executable as u64, at) {
                        return;
                    }
                }
                frame = word(frame, o.interpreter_frame.previous) as Object;
            }
        }
    }

    /// Returns the identifying fields of a code object that [`walk`](Self::walk) has just passed.
    pub(crate) fn code(&self, address: u64) -> CodeIdentity {
        let (at, code) = (&self.offsets.code_object, address as Object);
        // SAFETY: a frame of this thread references the code object, and the offsets are the
        // interpreter's.
        unsafe {
            CodeIdentity {
                file: word(code, at.filename) as Object,
                name: word(code, at.qualname) as Object,
                lines: word(code, at.linetable) as Object,
                first: word(code, at.firstlineno) as u32,
            }
        }
    }

    /// Converts a string of a code object to UTF-8, truncated to [`MAX_TEXT`] bytes; returns its
    /// length.
    pub(crate) fn text(&self, string: Object, out: &mut [u8; MAX_TEXT]) -> usize {
        let mut used = 0;
        // SAFETY: file and qualified names are str objects, referenced by their code object.
        let length = unsafe { (self.length)(string) };
        for at in 0..length {
            // SAFETY: as above, and `at` is below the length.
            let read = unsafe { (self.character)(string, at) };
            // A lone surrogate has no UTF-8 encoding. It is mapped to the private character that
            // ungil-remote uses for it.
            let character = char::from_u32(read)
                .or_else(|| char::from_u32(read + 0x10_0000))
                .unwrap_or(char::REPLACEMENT_CHARACTER);
            match out.get_mut(used..used + character.len_utf8()) {
                Some(target) => used += character.encode_utf8(target).len(),
                None => break,
            }
        }
        used
    }

    /// Returns the bytes of a code object's location table; empty if it is unreasonably long.
    pub(crate) fn lines(&self, bytes: Object) -> &[u8] {
        // SAFETY: a location table is a bytes object, referenced by its code object as long as the
        // frame is on the stack.
        unsafe {
            let size = (self.bytes_size)(bytes);
            let start = (self.bytes)(bytes);
            match usize::try_from(size) {
                Ok(size) if size <= MAX_LINE_TABLE && !start.is_null() => {
                    std::slice::from_raw_parts(start, size)
                }
                _ => &[],
            }
        }
    }

    /// Fills `out` from this process's memory; returns false if it is unmapped. The kernel does the
    /// copy, so it cannot fault.
    pub(crate) fn read(&self, address: u64, out: &mut [u8]) -> bool {
        let local = IoVec { base: out.as_mut_ptr().cast(), len: out.len() };
        let remote = IoVec { base: address as *mut c_void, len: out.len() };
        // SAFETY: `local` is our own buffer; only the kernel reads `remote`, and checks it.
        let got = unsafe { process_vm_readv(self.pid, &local, 1, &remote, 1, 0) };
        got == out.len() as isize
    }

    /// Returns the allocator of a domain. The caller holds the GIL, or is attached.
    pub(crate) fn allocator(&self, domain: c_int) -> Allocator {
        let mut found = Allocator::none();
        // SAFETY: a valid domain, and space for its result.
        unsafe { (self.get_allocator)(domain, &mut found) };
        found
    }

    /// Sets the allocator of a domain. The caller holds the GIL, or is attached.
    pub(crate) fn set_allocator(&self, domain: c_int, allocator: &Allocator) {
        // SAFETY: the functions in it live as long as the process: this library is never unloaded.
        unsafe { (self.set_allocator)(domain, allocator) }
    }
}

/// # Safety
/// `base + offset` is readable and part of a live structure.
unsafe fn word(base: Object, offset: u64) -> u64 {
    // SAFETY: the caller's contract; unaligned because first lines are 32 bits wide.
    unsafe { base.add(offset as usize).cast::<u64>().read_unaligned() }
}

/// Returns this thread's kernel id.
pub(crate) fn thread_id() -> u64 {
    // SAFETY: takes no arguments, cannot fail.
    unsafe { gettid() as u64 }
}

/// Returns this thread's kernel name, as two words.
pub(crate) fn thread_name() -> [u64; 2] {
    let mut name = [0u64; 2];
    // SAFETY: PR_GET_NAME writes 16 bytes to its first argument.
    unsafe {
        prctl(PR_GET_NAME, name.as_mut_ptr() as c_long, 0 as c_long, 0 as c_long, 0 as c_long)
    };
    name
}

/// Returns the monotonic clock in nanoseconds.
pub(crate) fn monotonic_ns() -> u64 {
    clock(CLOCK_MONOTONIC)
}

/// Returns the CPU time of this process in nanoseconds.
pub(crate) fn process_cpu_ns() -> u64 {
    clock(CLOCK_PROCESS_CPUTIME_ID)
}

/// Returns the CPU time of this thread in nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    clock(CLOCK_THREAD_CPUTIME_ID)
}

fn clock(which: c_int) -> u64 {
    let mut time = [0i64; 2];
    // SAFETY: a clock that always exists, and space for seconds and nanoseconds.
    unsafe { clock_gettime(which, &mut time) };
    let [seconds, nanoseconds] = time;
    (seconds * 1_000_000_000 + nanoseconds) as u64
}
