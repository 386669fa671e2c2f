//! What is known of the objects that several threads reach: a record for each, found by address.
#![allow(unsafe_code)] // A sparse table of pointers.

use crate::cell::Cells;
use crate::python::{Object, type_of};
use crate::thread::{Clocks, ON};
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bits of an address that select a leaf, and an object within a leaf (16-byte aligned).
const ADDRESS_BITS: u32 = 47;
const LEAF_BITS: u32 = 20;
const LEAVES: usize = 1 << (ADDRESS_BITS - LEAF_BITS);
const LEAF_SIZE: usize = 1 << (LEAF_BITS - 4);

const PROT_READ_WRITE: c_int = 3;
/// `MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE` on Linux.
const MAP_SPARSE: c_int = 0x2 | 0x20 | 0x4000;
/// `PyRefTracer_DESTROY`.
const DESTROY: c_int = 1;

type Leaf = AtomicPtr<Record>;

static TOP: AtomicPtr<AtomicPtr<Leaf>> = AtomicPtr::new(null_mut());
static SERIAL: AtomicU64 = AtomicU64::new(1);
/// Records of objects that have ended.
static UNUSED: Mutex<Vec<&'static Record>> = Mutex::new(Vec::new());

unsafe extern "C" {
    fn mmap(
        at: *mut c_void,
        len: usize,
        prot: c_int,
        flags: c_int,
        fd: c_int,
        offset: i64,
    ) -> *mut c_void;
}

/// What is known of one object.
///
/// The memory of a record is used again for other objects but never given back: a thread that keeps
/// a record beyond its event finds a valid one, and sees by the number whether it is still the same.
#[derive(Default)]
pub(crate) struct Record {
    /// Unique over the run, unlike the address; 0 if the object has ended.
    serial: AtomicU64,
    class: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    /// The accesses to its parts.
    pub(crate) cells: Cells,
    /// The clocks of the threads that released it.
    pub(crate) released: Clocks,
}

impl Record {
    /// Returns the number of the object, unique over the run.
    pub(crate) fn serial(&self) -> u64 {
        self.serial.load(Ordering::Acquire)
    }

    /// Returns the object's type.
    pub(crate) fn class(&self) -> usize {
        self.class.load(Ordering::Relaxed)
    }

    /// Locks the record. Callers run no Python code while they hold it.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn map(length: usize) -> *mut c_void {
    // SAFETY: a new private mapping.
    let at = unsafe { mmap(null_mut(), length, PROT_READ_WRITE, MAP_SPARSE, -1, 0) };
    if at as isize == -1 { null_mut() } else { at }
}

/// Reserves the table.
///
/// # Errors
/// There is no address space for it.
pub(crate) fn prepare() -> Result<(), String> {
    let top = map(LEAVES * size_of::<AtomicPtr<Leaf>>());
    if top.is_null() {
        return Err(
            "there is no address space for the table of objects (1 GiB, not used as memory)"
                .to_owned(),
        );
    }
    TOP.store(top.cast(), Ordering::Release);
    Ok(())
}

#[inline]
fn leaf(object: Object) -> Option<&'static AtomicPtr<Leaf>> {
    let index = object as usize >> LEAF_BITS;
    let top = TOP.load(Ordering::Relaxed);
    // SAFETY: the table has an entry for every address of a process; it is never unmapped, and zero
    // pages are null pointers.
    (!top.is_null() && index < LEAVES).then(|| unsafe { &*top.add(index) })
}

#[inline]
fn slot(leaf: *mut Leaf, object: Object) -> &'static Leaf {
    // SAFETY: a leaf has an entry for every aligned address in its part of memory.
    unsafe { &*leaf.add(object as usize >> 4 & (LEAF_SIZE - 1)) }
}

/// Returns the record of an object.
#[inline]
pub(crate) fn find(object: Object) -> Option<&'static Record> {
    let leaf = leaf(object)?.load(Ordering::Acquire);
    if leaf.is_null() {
        return None;
    }
    // SAFETY: records are never freed.
    unsafe { slot(leaf, object).load(Ordering::Acquire).as_ref() }
}

/// Returns the record of an object, made if there is none.
pub(crate) fn find_or_create(object: Object) -> Option<&'static Record> {
    if let Some(record) = find(object) {
        return Some(record);
    }
    let at = leaf(object)?;
    let mut entries = at.load(Ordering::Acquire);
    if entries.is_null() {
        let new = map(LEAF_SIZE * size_of::<Leaf>()).cast::<Leaf>();
        if new.is_null() {
            return None;
        }
        // A lost race leaves an untouched mapping behind, which costs no memory.
        entries = match at.compare_exchange(null_mut(), new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => new,
            Err(other) => other,
        };
    }
    let unused = UNUSED.lock().ok().and_then(|mut unused| unused.pop());
    let record: &'static Record = unused.unwrap_or_else(|| Box::leak(Box::default()));
    // SAFETY: the caller's object is alive.
    record.class.store(unsafe { type_of(object) }, Ordering::Relaxed);
    record.serial.store(SERIAL.fetch_add(1, Ordering::Relaxed), Ordering::Release);
    let slot = slot(entries, object);
    let pointer = std::ptr::from_ref(record).cast_mut();
    match slot.compare_exchange(null_mut(), pointer, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Some(record),
        Err(other) => {
            put_back(record);
            // SAFETY: as in `find`.
            unsafe { other.as_ref() }
        }
    }
}

/// Makes a record available for another object.
fn put_back(record: &'static Record) {
    record.serial.store(0, Ordering::Release);
    *record.state() = State::default();
    if let Ok(mut unused) = UNUSED.lock() {
        unused.push(record);
    }
}

/// The interpreter's reference tracer: forgets an object that ends.
pub(crate) unsafe extern "C" fn on_reference(
    object: Object,
    event: c_int,
    _: *mut c_void,
) -> c_int {
    if event == DESTROY
        && ON.load(Ordering::Relaxed)
        && let Some(leaf) = leaf(object)
    {
        let leaf = leaf.load(Ordering::Acquire);
        if !leaf.is_null() {
            let slot = slot(leaf, object);
            if !slot.load(Ordering::Relaxed).is_null() {
                let record = slot.swap(null_mut(), Ordering::AcqRel);
                // SAFETY: records are never freed.
                if let Some(record) = unsafe { record.as_ref() } {
                    put_back(record);
                }
            }
        }
    }
    0
}
