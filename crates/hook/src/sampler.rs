//! Records sampled blocks: interns the stack, thread and kind, and adds the block's weight to the
//! table.
//!
//! This is safe code over atomic words; the interpreter is accessed through [`PythonApi`].

use crate::filter::counter;
use crate::python::{PythonApi, thread_cpu_ns, thread_id, thread_name};
use crate::sampling::{gap, uniform, weight};
use crate::shape::Shape;
use crate::tables::{LiveBlocks, add, intern, mix, publish};
use crate::wire::{MAGIC, READY, VERSION, dropped, head, kind, live, refusal, site, thread};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Relaxed};

/// Words of the shared table, mapped as long as the process lives.
pub(crate) type TableWords = &'static [AtomicU64];

/// Per-thread state: bytes to the next sampling point, random generator, row.
pub(crate) struct ThreadLocals {
    pub(crate) left: Cell<i64>,
    random: Cell<u64>,
    row: Cell<Option<(TableWords, u32)>>,
    ticks: Cell<u64>,
}

/// One of this many samples and releases is timed, and counts for all: reading a thread's CPU clock
/// is a system call.
const TIMING_INTERVAL: u64 = 16;

impl ThreadLocals {
    pub(crate) const fn new() -> ThreadLocals {
        ThreadLocals {
            left: Cell::new(0),
            random: Cell::new(0),
            row: Cell::new(None),
            ticks: Cell::new(0),
        }
    }
}

/// Returns the nanoseconds of this thread's CPU time since `began`.
fn elapsed(began: u64) -> u64 {
    thread_cpu_ns().saturating_sub(began)
}

/// The table, and everything needed to fill it.
pub(crate) struct Sampler {
    pub(crate) header: TableWords,
    pub(crate) python: PythonApi,
    every: u64,
    /// Nanoseconds between two consecutive readings of the thread's clock: the error of timing
    /// itself.
    clock_ns: u64,
    threads: TableWords,
    pub(crate) codes: TableWords,
    pub(crate) types: TableWords,
    pub(crate) stacks: TableWords,
    sites: TableWords,
    pub(crate) live: LiveBlocks<'static>,
    pub(crate) text: TableWords,
}

impl Sampler {
    /// Creates a sampler over a table that ungil created; returns the refusal code if the table is
    /// invalid.
    pub(crate) fn new(words: TableWords, python: PythonApi) -> Result<Sampler, u64> {
        let at = |index: usize| words.get(index).map_or(0, |w| w.load(Acquire));
        let sizes: Vec<u64> = (head::SHAPE..head::SHAPE + 7).map(at).collect();
        let shape = Shape::from_words(&sizes).filter(|s| s.total() == words.len());
        let known = at(head::MAGIC) == MAGIC && at(head::VERSION) == VERSION;
        let shape = shape.filter(|_| known).ok_or(refusal::FOREIGN)?;
        let part = |span| words.get(span).ok_or(refusal::FOREIGN);
        Ok(Sampler {
            header: words,
            python,
            every: at(head::EVERY).max(1),
            clock_ns: (0..64).map(|_| elapsed(thread_cpu_ns())).min().unwrap_or(0),
            threads: part(shape.thread_span())?,
            codes: part(shape.code_span())?,
            types: part(shape.type_span())?,
            stacks: part(shape.stack_span())?,
            sites: part(shape.site_span())?,
            live: LiveBlocks {
                keys: part(shape.key_span())?,
                blocks: part(shape.block_span())?,
                spills: part(shape.spill_span())?,
            },
            text: part(shape.text_span())?,
        })
    }

    pub(crate) fn word(&self, index: usize) -> &AtomicU64 {
        self.header.get(index).unwrap_or(&OUT_OF_BOUNDS)
    }

    pub(crate) fn drop_one(&self, what: usize) {
        self.word(head::DROPPED + what).fetch_add(1, Relaxed);
    }

    /// Counts one allocation; returns whether it must be sampled.
    pub(crate) fn count(&self, local: &ThreadLocals, size: u64) -> bool {
        let row = match local.row.get() {
            Some((row, _)) => row,
            None => self.register_thread(local),
        };
        if let [_, allocations, bytes, ..] = row {
            // Only this thread writes here, so a plain load and store are enough.
            allocations.store(allocations.load(Relaxed) + 1, Relaxed);
            bytes.store(bytes.load(Relaxed) + size, Relaxed);
        }
        let left = local.left.get() - size.max(1) as i64;
        local.left.set(left);
        left < 0
    }

    /// Resets the counters of this thread's row.
    pub(crate) fn forget(&self, local: &ThreadLocals) {
        if let Some(([_, allocations, bytes, ..], _)) = local.row.get() {
            allocations.store(0, Relaxed);
            bytes.store(0, Relaxed);
        }
    }

    #[cold]
    fn register_thread(&self, local: &ThreadLocals) -> TableWords {
        let id = thread_id();
        let rows = self.threads.len() / thread::WORDS;
        let row = |n: usize| self.threads.get(n * thread::WORDS..(n + 1) * thread::WORDS);
        let mut found = None;
        for step in 0..64 {
            let n = (id as usize + step) & (rows - 1);
            let Some(words) = row(n).filter(|_| n != rows - 1) else { continue };
            let Some(tid) = words.first() else { continue };
            if tid
                .compare_exchange(0, id, Relaxed, Relaxed)
                .map_or_else(|there| there == id, |_| true)
            {
                found = Some((words, n as u32));
                break;
            }
        }
        let (words, n) = found.unwrap_or_else(|| {
            self.drop_one(dropped::THREADS);
            (row(rows - 1).unwrap_or(&[]), rows as u32 - 1)
        });
        local.row.set(Some((words, n)));
        local.random.set(mix(id, self.word(head::BEGAN).load(Relaxed)));
        self.draw(local);
        words
    }

    fn draw(&self, local: &ThreadLocals) {
        let (state, u) = uniform(local.random.get());
        local.random.set(state);
        local.left.set(gap(self.every, u));
    }

    /// Calls `what`, and measures its time now and then.
    fn timed(&self, local: &ThreadLocals, what: impl FnOnce()) {
        let tick = local.ticks.get();
        local.ticks.set(tick + 1);
        if !tick.is_multiple_of(TIMING_INTERVAL) {
            return what();
        }
        let began = thread_cpu_ns();
        what();
        let spent = TIMING_INTERVAL * elapsed(began).saturating_sub(self.clock_ns);
        if let Some(([_, _, _, word, ..], _)) = local.row.get() {
            word.fetch_add(spent, Relaxed);
        }
    }

    /// Records a sampled block of `size` bytes.
    #[cold]
    pub(crate) fn sample(&self, local: &ThreadLocals, address: u64, size: u64, object: bool) {
        self.timed(local, || self.sample_now(local, address, size, object));
    }

    fn sample_now(&self, local: &ThreadLocals, address: u64, size: u64, object: bool) {
        self.draw(local);
        let Some((row, thread)) = local.row.get() else { return };
        let place = u64::from(self.stack()) << 32 | u64::from(thread);
        if self.add_to_site(place, kind::FRESH, size) {
            let what = if object { kind::OBJECT } else { kind::MEMORY };
            self.put(address, place, u64::from(what) << live::SIZE_BITS | size);
            let bytes = weight(size, self.every).bytes as i64;
            let now = self.word(head::LIVE).fetch_add(bytes as u64, Relaxed) as i64 + bytes;
            self.word(head::PEAK).fetch_max(now.max(0) as u64, Relaxed);
        }
        if let [_, _, _, _, samples, name @ ..] = row {
            let n = samples.fetch_add(1, Relaxed);
            if n < 4 || n % 64 == 0 {
                // A thread gets its name only after its first allocations.
                name.iter().zip(thread_name()).for_each(|(word, part)| word.store(part, Relaxed));
            }
        }
    }

    /// Adds a block to the live ones.
    pub(crate) fn put(&self, address: u64, place: u64, size: u64) {
        let Some(filter) = counter(address) else { return };
        filter.fetch_add(1, Relaxed);
        if !self.live.put(address, place, size) {
            filter.fetch_sub(1, Relaxed);
            self.drop_one(dropped::LIVE);
        }
    }

    /// Removes a block from the live ones.
    pub(crate) fn take(&self, address: u64) -> Option<(u64, u64)> {
        let found = self.live.take(address)?;
        if let Some(filter) = counter(address) {
            filter.fetch_sub(1, Relaxed);
        }
        Some(found)
    }

    /// Counts a removed block as released; `head` is the start of its contents.
    pub(crate) fn release(
        &self,
        local: &ThreadLocals,
        (place, size): (u64, u64),
        object: bool,
        head: &[u8],
    ) {
        self.timed(local, || {
            let size = size & ((1 << live::SIZE_BITS) - 1);
            let what = if object { self.kind(head) } else { kind::MEMORY };
            self.add_to_site(place, what, size);
            let bytes = weight(size, self.every).bytes as i64;
            self.word(head::LIVE).fetch_sub(bytes as u64, Relaxed);
        });
    }

    fn add_to_site(&self, place: u64, what: u32, size: u64) -> bool {
        let Some(slot) = intern(self.sites, site::WORDS, mix(mix(1, place), u64::from(what)))
        else {
            self.drop_one(dropped::SITES);
            return false;
        };
        let weight = weight(size, self.every);
        if let [_, _, location, kind, samples, blocks, bytes, variance] = slot.words {
            if slot.fresh {
                location.store(place, Relaxed);
                kind.store(u64::from(what), Relaxed);
                publish(slot.words);
            }
            samples.fetch_add(1, Relaxed);
            add(blocks, weight.blocks);
            add(bytes, weight.bytes);
            add(variance, weight.variance);
        }
        true
    }
}

/// Target for words outside the table. Never used, because the table's size was checked.
static OUT_OF_BOUNDS: AtomicU64 = AtomicU64::new(0);

const _: () = assert!(READY == 1 && thread::SPENT == 3 && thread::NAME == 5);
