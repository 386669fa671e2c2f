//! The threads of the process and their vector clocks.
#![allow(unsafe_code)] // The current thread's record is reached through a raw pointer.

use crate::frame::Frame;
use crate::instruction::CodeTable;
use crate::lock_order::LockSetId;
use crate::pause::PendingPause;
use crate::python::{Object, python, thread_word, word};
use crate::quiet::QuietSites;
use crate::stack::{self, Site, StackId};
use std::cell::Cell;
use std::ffi::{c_int, c_long, c_ulong};
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const PR_GET_NAME: c_int = 16;
/// Entries of the thread's cache of stacks, a power of two.
const CACHED_STACKS: usize = 64;
/// Entries of the thread's cache of code tables, a power of two.
const CACHED: usize = 256;

static SERIAL: AtomicU64 = AtomicU64::new(0);

/// Whether events are recorded.
pub(crate) static ON: AtomicBool = AtomicBool::new(false);

unsafe extern "C" {
    fn prctl(option: c_int, ...) -> c_int;
}

/// Number of a thread. Numbers of ended threads are used again.
pub(crate) type ThreadNumber = u16;

/// A vector clock: the time of each thread, 0 if never heard of.
#[derive(Clone, Default, Debug)]
pub(crate) struct Clock(Vec<u32>);

impl Clock {
    #[inline]
    pub(crate) fn of(&self, thread: ThreadNumber) -> u32 {
        self.0.get(usize::from(thread)).copied().unwrap_or(0)
    }

    fn set(&mut self, thread: ThreadNumber, time: u32) {
        let index = usize::from(thread);
        if self.0.len() <= index {
            self.0.resize(index + 1, 0);
        }
        if let Some(slot) = self.0.get_mut(index) {
            *slot = time;
        }
    }

    /// Takes the later time of each thread.
    pub(crate) fn join(&mut self, other: &Clock) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = (*mine).max(*theirs);
        }
    }

    pub(crate) fn times(&self) -> &[u32] {
        &self.0
    }
}

/// Both clocks of a moment.
#[derive(Clone, Default, Debug)]
pub(crate) struct Clocks {
    /// Happens-before by all synchronization.
    pub(crate) all: Clock,
    /// Happens-before by starting and joining threads alone: what no schedule can change.
    pub(crate) starts: Clock,
}

/// A lock that the thread holds.
#[derive(Clone, Copy)]
pub(crate) struct HeldLock {
    pub(crate) object: Object,
    pub(crate) serial: u64,
    pub(crate) depth: u32,
    pub(crate) acquired: StackId,
}

/// A stack, identified by a frame, its place and the place that it was called from.
#[derive(Clone, Copy, Default)]
struct CapturedStack {
    frame: usize,
    site: Site,
    caller: Site,
    stack: StackId,
}

/// What the detector knows of the thread that runs.
pub(crate) struct Thread {
    pub(crate) number: ThreadNumber,
    /// Unique over the run, unlike the number.
    pub(crate) serial: u64,
    /// As `ob_tid` names it.
    pub(crate) word: usize,
    pub(crate) clocks: Clocks,
    /// The thread's own time when it began: earlier marks under its number are another thread's.
    pub(crate) began: u32,
    pub(crate) held: Vec<HeldLock>,
    /// The set of the locks in `held`, if it is known.
    pub(crate) lock_set: Option<LockSetId>,
    /// Stacks captured last, by the place of their innermost frame.
    stacks: [CapturedStack; CACHED_STACKS],
    pub(crate) quiet: QuietSites,
    /// The detector is at work: events of what it calls itself are not recorded.
    pub(crate) busy: bool,
    /// A pause that the thread makes at its next event.
    pub(crate) pause: Option<PendingPause>,
    random: u64,
    marks: u64,
    named: bool,
    tables: [(usize, Option<&'static CodeTable>); CACHED],
}

thread_local! {
    static CURRENT: Cell<Option<NonNull<Thread>>> = const { Cell::new(None) };
}

#[derive(Default)]
struct Registry {
    names: Vec<String>,
    /// Numbers of ended threads, with the last time of each.
    free: Vec<(ThreadNumber, u32)>,
    seed: u64,
}

static REGISTRY: Mutex<Registry> =
    Mutex::new(Registry { names: Vec::new(), free: Vec::new(), seed: 0 });

/// Sets the seed of all threads' random choices.
pub(crate) fn set_seed(seed: u64) {
    if let Ok(mut registry) = REGISTRY.lock() {
        registry.seed = seed;
    }
}

impl Thread {
    /// Calls `work` with the current thread's record, unless nothing is recorded, or the detector
    /// itself is at work in this thread.
    #[inline]
    pub(crate) fn with<R>(work: impl FnOnce(&mut Thread) -> R) -> Option<R> {
        if !ON.load(Ordering::Relaxed) {
            return None;
        }
        let mut pointer = CURRENT.get().unwrap_or_else(|| Thread::register(None));
        // SAFETY: only this thread reaches its record, which is never freed while the thread runs;
        // `busy` keeps a second reference from being made.
        let thread = unsafe { pointer.as_mut() };
        if thread.busy {
            return None;
        }
        thread.busy = true;
        let result = work(thread);
        thread.busy = false;
        Some(result)
    }

    /// Makes the current thread's record. `parent` is the clocks of the thread that started it.
    fn register(parent: Option<&Clocks>) -> NonNull<Thread> {
        let (number, began, seed) = match REGISTRY.lock() {
            Ok(mut registry) => {
                let (number, last) = registry.free.pop().unwrap_or_else(|| {
                    registry.names.push(String::new());
                    (registry.names.len() as ThreadNumber - 1, 0)
                });
                (number, last + 1, registry.seed)
            }
            Err(_) => (0, 1, 0),
        };
        let mut clocks = parent.cloned().unwrap_or_default();
        clocks.all.set(number, began);
        clocks.starts.set(number, began);
        let thread = Thread {
            number,
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            word: thread_word(),
            clocks,
            began,
            held: Vec::new(),
            lock_set: None,
            stacks: [CapturedStack::default(); CACHED_STACKS],
            quiet: QuietSites::default(),
            busy: false,
            random: (seed << 16 | u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            pause: None,
            marks: 0,
            named: false,
            tables: [(0, None); CACHED],
        };
        let pointer = NonNull::from(Box::leak(Box::new(thread)));
        CURRENT.set(Some(pointer));
        pointer
    }

    /// Begins the current thread, which another one with these clocks started.
    pub(crate) fn begin(parent: &Clocks) {
        if CURRENT.get().is_none() {
            Thread::register(Some(parent));
        }
    }

    /// Ends the current thread and returns its clocks.
    pub(crate) fn end() -> Option<Clocks> {
        let pointer = CURRENT.take()?;
        // SAFETY: made by `register` from a box; the thread's only pointer to it was just taken.
        let thread = unsafe { Box::from_raw(pointer.as_ptr()) };
        if let Ok(mut registry) = REGISTRY.lock() {
            registry.free.push((thread.number, thread.now()));
        }
        Some(thread.clocks)
    }

    /// Returns the thread's own time.
    #[inline]
    pub(crate) fn now(&self) -> u32 {
        self.clocks.all.of(self.number)
    }

    /// Advances the thread's time, after others were given the present one.
    pub(crate) fn advance(&mut self) {
        let number = self.number;
        self.clocks.all.set(number, self.clocks.all.of(number) + 1);
        self.clocks.starts.set(number, self.clocks.starts.of(number) + 1);
    }

    /// Returns the number of the next mark.
    pub(crate) fn next_mark(&mut self) -> u64 {
        self.marks += 1;
        self.marks
    }

    /// Returns the next random number.
    pub(crate) fn random(&mut self) -> u64 {
        // xorshift64.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// Returns the table of a code object from the thread's cache, or else `find`'s.
    #[inline]
    pub(crate) fn table(
        &mut self,
        code: usize,
        find: impl FnOnce() -> &'static CodeTable,
    ) -> &'static CodeTable {
        let slot = self.tables.get_mut((code >> 4) & (CACHED - 1));
        match slot {
            Some((key, Some(table))) if *key == code => table,
            slot => {
                let table = find();
                if let Some(slot) = slot {
                    *slot = (code, Some(table));
                }
                table
            }
        }
    }

    /// Returns the stack of a frame that is at `site`. Two stacks that differ only beyond the caller
    /// of the same frame may be taken for each other.
    pub(crate) fn stack(&mut self, frame: Frame, site: Site) -> StackId {
        let address = frame.address();
        let index = (site.code >> 4 ^ site.offset as usize) & (CACHED_STACKS - 1);
        let caller = frame.caller().map_or(Site::default(), Frame::site);
        let Some(slot) = self.stacks.get_mut(index) else { return stack::capture(frame) };
        if slot.frame != address || slot.site != site || slot.caller != caller {
            *slot = CapturedStack { frame: address, site, caller, stack: stack::capture(frame) };
        }
        slot.stack
    }

    /// Stores the thread's name for reports, once.
    pub(crate) fn store_name(&mut self) {
        if self.named {
            return;
        }
        self.named = true;
        let name = python_name().unwrap_or_else(kernel_name);
        if let Ok(mut registry) = REGISTRY.lock()
            && let Some(slot) = registry.names.get_mut(usize::from(self.number))
        {
            *slot = name;
        }
    }
}

/// Returns the name that `threading` gave this thread: that of the object whose method
/// `Thread._bootstrap` is its outermost frame.
fn python_name() -> Option<String> {
    let mut frame = Frame::current()?;
    while let Some(caller) = frame.caller() {
        frame = caller;
    }
    let thread = frame.local(0)?;
    let python = python();
    // SAFETY: a local of a frame of this thread, alive as long as the frame is; the attribute is
    // stored in the object, so that reading it runs no Python code.
    unsafe {
        let code = frame.code()?;
        let function = word(code, python.offsets.code_object.qualname as usize) as Object;
        if python.string(function).as_deref() != Some("Thread._bootstrap") {
            return None;
        }
        let name = (python.attribute)(thread, c"_name".as_ptr());
        if name.is_null() {
            (python.clear_error)();
            return None;
        }
        let text = python.string(name);
        (python.release)(name);
        text
    }
}

/// Returns the name that the kernel has for this thread, of 15 bytes at most.
fn kernel_name() -> String {
    let mut name = [0u8; 16];
    // SAFETY: PR_GET_NAME writes 16 bytes to its first argument.
    unsafe {
        prctl(PR_GET_NAME, name.as_mut_ptr() as c_ulong, 0 as c_long, 0 as c_long, 0 as c_long)
    };
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    String::from_utf8_lossy(name.get(..end).unwrap_or_default()).into_owned()
}

/// Returns the name of a thread.
pub(crate) fn name(thread: ThreadNumber) -> String {
    REGISTRY
        .lock()
        .ok()
        .and_then(|registry| registry.names.get(usize::from(thread)).cloned())
        .unwrap_or_default()
}
