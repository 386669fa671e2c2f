//! Heap survey of a CPython process: objects by type, allocator usage, memory per thread.
//!
//! On a free-threaded build, every object is a mimalloc block, and all objects are found no matter
//! which thread allocated them. With the GIL, blocks carry no such mark, so only objects tracked by
//! the garbage collector are counted: containers and instances of classes, but not strings or
//! numbers. [`Coverage`] distinguishes the two.
//!
//! The target keeps running. An object that exists throughout the survey is counted exactly once;
//! of objects created or freed meanwhile some are counted. Only the counts are kept.

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

pub use allocated::MimallocUsage;
pub use arenas::PymallocUsage;
pub use growth::{Grouping, TypeGrowth, by_module, growth};
pub use thread_memory::ThreadMemory;
pub use type_histogram::TypeCount;

pub use crate::linux::smaps::{MappedRegions, RegionKind};

use crate::memory::ReadError;
use crate::objects::ObjectReader;
use crate::process::AttachError;
use crate::python::{Interpreter, Python, Thread};
use rustc_hash::FxHashMap;
use serde::Serialize;
use std::time::{Duration, Instant};
use thiserror::Error;
use type_histogram::TypeHistogram;

/// Reason why a heap could not be read.
#[derive(Debug, Error)]
pub enum HeapError {
    /// The allocator of a free-threaded build has an unknown layout.
    #[error("its heap cannot be read: {0}")]
    Allocator(String),
    /// The collector of a build with the GIL has an unknown layout.
    #[error("its heap cannot be read: {0}")]
    Collector(String),
    /// The process ended or may no longer be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The same, for facts provided by the kernel.
    #[error(transparent)]
    Process(#[from] AttachError),
}

/// Which objects were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Coverage {
    /// Every object; sizes are those of the blocks. Free-threaded builds.
    Allocator,
    /// Objects tracked by the collector; sizes are those of `sys.getsizeof`, without buffers.
    /// Builds with the GIL.
    Collector,
}

/// Completeness of a survey. If all fields are zero, the survey is exact for objects that existed
/// throughout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SurveyQuality {
    /// Pages or lists that changed during every attempt to read them. Objects that existed
    /// throughout are counted even there.
    pub torn: u64,
    /// Pages that were freed while they were read.
    pub gone: u64,
    /// Number of times a list walk had to start over.
    pub restarts: u64,
    /// Extra passes over the collector's lists because a collection had run.
    pub rounds: u64,
    /// The collector ran during every pass, so objects it was processing may be missing.
    pub unquiet: bool,
    /// The time limit was reached or the survey was cancelled; the rest was not counted.
    pub cut_short: bool,
    /// The address space is larger than what is searched.
    pub beyond_bound: bool,
}

/// Result of a heap survey.
#[derive(Debug, Clone, Serialize)]
pub struct Heap {
    /// Which objects were counted.
    pub coverage: Coverage,
    /// Number of objects.
    pub objects: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Objects by type, largest total size first.
    pub types: Vec<TypeCount>,
    /// Usage of the allocator of all objects. Free-threaded builds.
    pub mimalloc: Option<MimallocUsage>,
    /// Usage of the allocator of small objects. Builds with the GIL. Nearly empty under
    /// `PYTHONMALLOC=malloc` and similar settings; `None` if its state was not found.
    pub pymalloc: Option<PymallocUsage>,
    /// The part of the allocator that ended threads left behind, to be reclaimed by other threads.
    /// Free-threaded builds.
    pub abandoned: Option<MimallocUsage>,
    /// Threads with their stacks and their parts of the allocator.
    pub threads: Vec<ThreadMemory>,
    /// Address space by kind, with resident sizes. Empty if unavailable.
    pub mapped: Vec<MappedRegions>,
    /// Completeness of the survey.
    pub look: SurveyQuality,
    /// Duration of the survey in seconds.
    pub took_s: f64,
}

/// Progress of a survey.
#[derive(Debug, Clone, Copy)]
pub struct SurveyProgress {
    /// Segments or interpreters done.
    pub done: u64,
    /// Segments or interpreters in total.
    pub total: u64,
    /// Objects counted so far.
    pub objects: u64,
}

/// Reports progress and decides whether the survey continues.
pub(crate) struct SurveyMonitor<'a> {
    until: Instant,
    report: &'a mut dyn FnMut(SurveyProgress) -> bool,
}

impl SurveyMonitor<'_> {
    fn go_on(&mut self, done: u64, total: u64, objects: u64) -> bool {
        (self.report)(SurveyProgress { done, total, objects }) && Instant::now() < self.until
    }
}

/// Surveys the heap of `python` for at most `limit`. `report` receives the progress and can cancel
/// the survey by returning `false`; the counts so far are returned.
///
/// # Errors
/// See [`HeapError`].
pub fn survey(
    python: &Python,
    limit: Duration,
    report: &mut dyn FnMut(SurveyProgress) -> bool,
) -> Result<Heap, HeapError> {
    let begun = Instant::now();
    let mut watch = SurveyMonitor { until: begun + limit, report };
    let interpreters = python.interpreters()?;
    let mut threads: Vec<Thread> = Vec::new();
    for &interpreter in &interpreters {
        let running = python.threads(interpreter)?;
        // The allocator of an ended thread whose state still exists still has its objects.
        threads.extend(python.thread_states(interpreter)?.into_iter().map(|state| {
            running.iter().find(|thread| thread.address == state.address).copied().unwrap_or(state)
        }));
    }
    let regions = python.process().regions()?;
    let mut histogram =
        TypeHistogram::new(ObjectReader { memory: python.memory(), offsets: python.offsets() });
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
        look: SurveyQuality::default(),
        took_s: 0.0,
    };
    let mut by_thread = FxHashMap::default();
    if python.offsets().free_threaded {
        let found = allocated::survey(python, &threads, &regions, &mut histogram, &mut watch)?;
        (heap.mimalloc, heap.look) = (Some(found.total), found.look);
        heap.abandoned = Some(found.by_thread.get(&0).copied().unwrap_or_default());
        by_thread = found.by_thread;
    } else {
        heap.coverage = Coverage::Collector;
        heap.look = collector::survey(python, &interpreters, &mut histogram, &mut watch)?;
        heap.pymalloc = pymalloc(python, &interpreters)?;
    }
    heap.types = histogram.finish();
    heap.objects = heap.types.iter().map(|count| count.objects).sum();
    heap.bytes = heap.types.iter().map(|count| count.bytes).sum();
    heap.mapped = python.process().mapped();
    heap.threads = thread_memory::of(python, &threads, &regions, &by_thread);
    heap.took_s = begun.elapsed().as_secs_f64();
    Ok(heap)
}

/// Returns pymalloc's usage by `interpreters`, some of which may share an allocator. `None` if its
/// state was not found.
fn pymalloc(
    python: &Python,
    interpreters: &[Interpreter],
) -> Result<Option<PymallocUsage>, ReadError> {
    let Some(at) = python.layout().interpreter.obmalloc else { return Ok(None) };
    let mut states = Vec::new();
    for interpreter in interpreters {
        states.push(python.memory().u64(interpreter.address.saturating_add(at))?);
    }
    states.sort_unstable();
    states.dedup();
    let mut sums = PymallocUsage::default();
    for state in states {
        sums.add(&arenas::survey(python.memory(), state)?);
    }
    Ok(Some(sums))
}
