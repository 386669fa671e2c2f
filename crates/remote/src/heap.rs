//! What fills a CPython's memory: objects by type, what its allocator holds, what its threads have.
//!
//! On a free-threaded build every object is a block of mimalloc's and all are found, whoever made
//! them. With a GIL there is no such mark on a block, and what the collector knows is counted:
//! containers and instances of classes, not strings or numbers. [`Coverage`] says which it was.
//!
//! The target runs on. An object that lives through the look is counted once, whatever is made and
//! freed around it; of those that come and go meanwhile some are counted. Nothing of the heap is
//! kept but the counts.

mod allocated;
mod arenas;
mod collector;
mod gc_list;
mod growth;
mod mimalloc;
mod page;
mod segments;
#[cfg(test)]
mod tests;
mod thread_memory;
mod type_histogram;

pub use allocated::Mimalloc;
pub use arenas::Arenas;
pub use growth::{Change, Grouping, by_module, growth};
pub use thread_memory::ThreadMemory;
pub use type_histogram::Count;

pub use crate::linux::smaps::{Kind, Mapped};

use crate::memory::ReadError;
use crate::objects::Objects;
use crate::process::AttachError;
use crate::python::{Interpreter, Python, Thread};
use rustc_hash::FxHashMap;
use serde::Serialize;
use std::time::{Duration, Instant};
use thiserror::Error;
use type_histogram::Census;

/// Why a heap could not be read.
#[derive(Debug, Error)]
pub enum Error {
    /// The allocator of a free-threaded build is laid out in no known way.
    #[error("its heap cannot be read: {0}")]
    Allocator(String),
    /// The collector of a build with a GIL is laid out in no known way.
    #[error("its heap cannot be read: {0}")]
    Collector(String),
    /// The process ended, or may not be read any more.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The same, where it concerns what the system says of it.
    #[error(transparent)]
    Process(#[from] AttachError),
}

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Coverage {
    /// Every object, by the block it is in; bytes are those of the block. (Free-threaded builds.)
    Allocator,
    /// The objects the collector knows; bytes as `sys.getsizeof` has them, without buffers. (Builds
    /// with a GIL.)
    Collector,
}

/// How the look went. All zero is a look that is exact for what lived through it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Look {
    /// Pages of blocks, or lists, that changed each time they were read. What lived through it is
    /// counted even there.
    pub torn: u64,
    /// Pages that were given back while they were read.
    pub gone: u64,
    /// Times a walk through a list had to begin anew.
    pub restarts: u64,
    /// Rounds through the collector's lists after the first, for the collector had run.
    pub rounds: u64,
    /// The collector ran during each round: objects it had in hand may be missing.
    pub unquiet: bool,
    /// The time was up, or it was stopped: the rest was not counted.
    pub cut_short: bool,
    /// There is more address space than is searched.
    pub beyond_bound: bool,
}

/// A look at a heap.
#[derive(Debug, Clone, Serialize)]
pub struct Heap {
    /// What was counted.
    pub coverage: Coverage,
    /// Objects in all.
    pub objects: u64,
    /// What they take.
    pub bytes: u64,
    /// The same by type, most bytes first.
    pub types: Vec<Count>,
    /// Free-threaded builds: the allocator of all objects.
    pub mimalloc: Option<Mimalloc>,
    /// Builds with a GIL: the allocator of small objects. It is nearly empty under
    /// `PYTHONMALLOC=malloc` and the like; `None` where its state was not found.
    pub pymalloc: Option<Arenas>,
    /// Free-threaded builds: what ended threads left behind, to be taken over by others.
    pub abandoned: Option<Mimalloc>,
    /// The threads, with their stacks and their part of the allocator.
    pub threads: Vec<ThreadMemory>,
    /// The address space by kind, and how much of it is in memory. Empty where the system does not
    /// say.
    pub mapped: Vec<Mapped>,
    /// How the look went.
    pub look: Look,
    /// How long it took, seconds.
    pub took_s: f64,
}

/// How far a look is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Segments or interpreters done.
    pub done: u64,
    /// And to do in all.
    pub total: u64,
    /// Objects met so far.
    pub objects: u64,
}

/// Asks whether to go on, and says how far it is.
pub(crate) struct Watch<'a> {
    until: Instant,
    report: &'a mut dyn FnMut(Progress) -> bool,
}

impl Watch<'_> {
    fn go_on(&mut self, done: u64, total: u64, objects: u64) -> bool {
        (self.report)(Progress { done, total, objects }) && Instant::now() < self.until
    }
}

/// Looks at the heap of `python`, for `limit` at most. `report` is told how far it is and may end
/// it by saying `false`; what was counted until then is given.
///
/// # Errors
/// See [`Error`].
pub fn survey(
    python: &Python,
    limit: Duration,
    report: &mut dyn FnMut(Progress) -> bool,
) -> Result<Heap, Error> {
    let begun = Instant::now();
    let mut watch = Watch { until: begun + limit, report };
    let interpreters = python.interpreters()?;
    let mut threads: Vec<Thread> = Vec::new();
    for &interpreter in &interpreters {
        let running = python.threads(interpreter)?;
        // The allocator of a thread that has ended and left its state behind still has its objects.
        threads.extend(python.thread_states(interpreter)?.into_iter().map(|state| {
            running.iter().find(|thread| thread.address == state.address).copied().unwrap_or(state)
        }));
    }
    let regions = python.process().regions()?;
    let mut census = Census::new(Objects { memory: python.memory(), offsets: python.offsets() });
    let mut heap = Heap {
        coverage: Coverage::Allocator,
        objects: 0,
        bytes: 0,
        types: Vec::new(),
        mimalloc: None,
        pymalloc: None,
        abandoned: None,
        threads: Vec::new(),
        mapped: Vec::new(),
        look: Look::default(),
        took_s: 0.0,
    };
    let mut by_thread = FxHashMap::default();
    if python.offsets().free_threaded {
        let found = allocated::survey(python, &threads, &regions, &mut census, &mut watch)?;
        (heap.mimalloc, heap.look) = (Some(found.total), found.look);
        heap.abandoned = Some(found.by_thread.get(&0).copied().unwrap_or_default());
        by_thread = found.by_thread;
    } else {
        heap.coverage = Coverage::Collector;
        heap.look = collector::survey(python, &interpreters, &mut census, &mut watch)?;
        heap.pymalloc = pymalloc(python, &interpreters)?;
    }
    heap.types = census.finish();
    heap.objects = heap.types.iter().map(|count| count.objects).sum();
    heap.bytes = heap.types.iter().map(|count| count.bytes).sum();
    heap.mapped = python.process().mapped();
    heap.threads = thread_memory::of(python, &threads, &regions, &by_thread);
    heap.took_s = begun.elapsed().as_secs_f64();
    Ok(heap)
}

/// What pymalloc holds for `interpreters`, some of which may share one; `None` where it is not
/// known where its state is.
fn pymalloc(python: &Python, interpreters: &[Interpreter]) -> Result<Option<Arenas>, ReadError> {
    let Some(at) = python.layout().interpreter.obmalloc else { return Ok(None) };
    let mut states = Vec::new();
    for interpreter in interpreters {
        states.push(python.memory().u64(interpreter.address.saturating_add(at))?);
    }
    states.sort_unstable();
    states.dedup();
    let mut sums = Arenas::default();
    for state in states {
        sums.add(&arenas::survey(python.memory(), state)?);
    }
    Ok(Some(sums))
}
