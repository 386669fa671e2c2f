//! Samples one process: converts each look into samples of the profile.

mod notes;
mod threads;

use super::frame_table::{FrameTable, ThreadStack};
use super::kernel_view::KernelView;
use super::locks::{LockResolver, ResolvedWait};
use super::native::{NativeStacks, SleepingThread};
use super::pauses::PauseTracker;
use super::tasks::{TaskFrames, ThreadTask};
use super::waiting_tasks::WaitingTasks;
use super::{CaptureOptions, TaskMode};
use crate::Builder;
use crate::header::Mode;
use crate::model::{Activity, FrameId, LockId, Sample, ThreadId};
use notes::{in_mode, with_gc_frame};
use std::time::{Duration, Instant};
use threads::SampledThread;
use ungil_remote::linux::syscall::KernelState;
use ungil_remote::memory::ReadError;
use ungil_remote::sample::Sampler;
use ungil_remote::snapshot::LockOrders;
use ungil_remote::thread_state::classify;
use ungil_remote::{Blocked, BlockedOn, Gils, Python, ThreadState};

/// Minimum interval between two searches for lock holders, in nanoseconds: a search reads the
/// stacks of every candidate thread.
const HOLDER_INTERVAL_NS: u64 = 500_000;
/// Searches for holders may take 1/`HOLDER_COST_DIVISOR` of the time.
const HOLDER_COST_DIVISOR: u64 = 20;
/// Attempts to resolve a wait whose object is unknown: the first may come too early.
const MAX_WAIT_ATTEMPTS: u8 = 4;
/// Interval of reading the GIL states, in nanoseconds: importing an extension may enable a GIL.
const GIL_INTERVAL_NS: u64 = 100_000_000;

/// A process being sampled, and what is known about it.
pub(super) struct ProcessSampler {
    pub(super) pid: u32,
    sampler: Sampler,
    frame_table: FrameTable,
    locks: LockResolver,
    lock_orders: LockOrders,
    pauses: PauseTracker,
    pub(super) tasks: TaskFrames,
    waiting: WaitingTasks,
    natives: NativeStacks,
    tracks: Vec<SampledThread>,
    last_ns: u64,
    /// Time of the next search for holders.
    next_holder_search_ns: u64,
    /// The collector's frame, which is added as the leaf of the thread that runs it.
    gc_frame: Option<FrameId>,
    pub(super) torn: u64,
    pub(super) looks: u64,
    /// Number of consistent stacks.
    pub(super) stacks: u64,
    gils: Gils,
    /// Time of the next reading.
    next_gil_read_ns: u64,
    /// Whether the kernel denies access to the state of sleeping threads.
    pub(super) is_denied: bool,
}

impl ProcessSampler {
    pub(super) fn new(python: Python, at_ns: u64) -> Result<ProcessSampler, ReadError> {
        let pid = python.process().pid;
        Ok(ProcessSampler {
            pid,
            gils: Gils::default(),
            next_gil_read_ns: 0,
            sampler: Sampler::new(python)?,
            frame_table: FrameTable::default(),
            locks: LockResolver::default(),
            lock_orders: LockOrders::default(),
            pauses: PauseTracker::new(at_ns),
            tasks: TaskFrames::default(),
            waiting: WaitingTasks::default(),
            natives: NativeStacks::default(),
            tracks: Vec::new(),
            last_ns: at_ns,
            next_holder_search_ns: 0,
            gc_frame: None,
            torn: 0,
            looks: 0,
            stacks: 0,
            is_denied: false,
        })
    }

    pub(super) fn python(&self) -> &Python {
        self.sampler.python()
    }

    /// Returns the number of threads.
    pub(super) fn threads(&self) -> usize {
        self.tracks.len()
    }

    /// Takes one look and adds its samples to `builder`.
    pub(super) fn look(
        &mut self,
        at_ns: u64,
        thorough: bool,
        options: &CaptureOptions,
        builder: &mut Builder,
    ) -> Result<(), ReadError> {
        let look = self.sampler.look(thorough)?;
        // After an exec of the same executable, data has the same addresses.
        let is_doubtful = thorough || look.changed || look.torn > 0;
        if is_doubtful && !self.sampler.python().process().runs_same_program() {
            return Err(ReadError::Gone);
        }
        self.looks += 1;
        self.torn += u64::from(look.torn);
        self.update_threads(look, at_ns, options, builder);
        if thorough {
            self.pauses.look(&self.sampler, self.pid, at_ns, builder);
        }
        let collecting = self.pauses.collector(self.sampler.threads());
        let python = self.sampler.python();
        if look.changed || at_ns >= self.next_gil_read_ns {
            self.gils = Gils::read(python, &self.sampler.interpreters());
            self.next_gil_read_ns = at_ns.saturating_add(GIL_INTERVAL_NS);
        }
        let fresh = options.freshness(self.tracks.len());
        let search_holders = at_ns >= self.next_holder_search_ns;
        let mut searched: Vec<(LockId, Option<FrameId>)> = Vec::new();
        let mut search_time = Duration::ZERO;
        for (slot, track) in self.sampler.threads().iter().zip(&mut self.tracks) {
            if !slot.is_current() {
                // The same OS thread is counted under the interpreter in which it is at work.
                track.last_ns = at_ns;
                continue;
            }
            if !slot.is_seen() || !track.is_wanted {
                continue;
            }
            let view = track.kernel.view(slot, python, &self.gils, fresh, at_ns);
            self.is_denied |= track.kernel.is_refused();
            let task = (options.tasks != TaskMode::No)
                .then(|| {
                    self.tasks.running(
                        slot,
                        &mut track.task,
                        &self.sampler,
                        &mut self.frame_table,
                        at_ns,
                        builder,
                    )
                })
                .flatten();
            let (frames, kept) = (slot.frames(), slot.kept());
            let row =
                track.stacks.row(frames, kept, task, &mut self.frame_table, &self.sampler, builder);
            let Some(mut stack) = row else {
                self.torn += 1;
                continue;
            };
            self.stacks += 1;
            let KernelView { kernel, blocked, wants_gil } = view;
            let wait = match (blocked, &track.wait) {
                (None, _) => None,
                (Some(blocked), Some((known, wait, tries)))
                    if slot.rest() > 0
                        && *known == blocked.on
                        && (wait.is_some() || *tries >= MAX_WAIT_ATTEMPTS) =>
                {
                    wait.clone()
                }
                (Some(blocked), before) => {
                    let before = before.as_ref().filter(|before| before.0 == blocked.on);
                    let tries = before.map_or(0, |before| before.2);
                    let wait = self.locks.resolve(slot, &blocked, &self.sampler, self.pid, builder);
                    track.wait = Some((blocked.on, wait.clone(), tries.saturating_add(1)));
                    wait
                }
            };
            let on = blocked.map(|blocked| blocked.on);
            let target = wait.as_ref().map(|wait| &wait.of.target);
            let state = classify(slot.thread.attachment, &kernel, on, target, wants_gil);
            let mut holder = None;
            if let Some(wait) = wait.as_ref().filter(|_| state == ThreadState::Lock) {
                if search_holders {
                    if options.mode == Mode::Lock {
                        let begin = Instant::now();
                        let there = || matches!(kernel, KernelState::SystemCall(call) if track.kernel.is_in(&call));
                        self.locks.observe_order(slot, wait, there, self.sampler.python());
                        search_time += begin.elapsed();
                    }
                    let known = searched
                        .iter()
                        .find(|(lock, _)| *lock == wait.lock)
                        .map(|(_, holder)| *holder);
                    let found = known.unwrap_or_else(|| {
                        let begin = Instant::now();
                        let found =
                            self.locks.holder(wait, &self.sampler, &mut self.frame_table, builder);
                        search_time += begin.elapsed();
                        searched.push((wait.lock, found));
                        found
                    });
                    track.holder = Some((wait.lock, found));
                }
                holder = track
                    .holder
                    .filter(|(lock, _)| *lock == wait.lock)
                    .and_then(|(_, holder)| holder);
            }
            let lock = wait.map(|wait| wait.lock);
            if let KernelState::SystemCall(call) = kernel
                && options.native
            {
                let there = || track.kernel.is_in(&call);
                let tables = (&self.sampler, &mut self.frame_table, &mut *builder);
                let sleeper = SleepingThread { slot, call: &call, task, at_ns };
                stack = self.natives.with_c_frames(&sleeper, stack, there, tables);
            }
            if collecting == Some(slot.thread.address) {
                stack = with_gc_frame(&mut self.gc_frame, stack, builder);
            }
            let mut weight = at_ns.saturating_sub(track.last_ns);
            track.last_ns = at_ns;
            if options.mode == Mode::Lock && state == ThreadState::Lock {
                weight = weight.max(track.newly_seen_wait_ns(blocked, at_ns));
                track.counted_ns = at_ns;
            }
            if in_mode(options.mode, state, slot, self.gils.in_use, collecting) {
                let (thread, activity) = (track.row, Activity::Thread(state));
                builder.sample(Sample { at_ns, weight, thread, stack, activity, lock, holder });
            }
        }
        if !searched.is_empty() {
            let cost = u64::try_from(search_time.as_nanos()).unwrap_or(u64::MAX);
            self.next_holder_search_ns = at_ns
                .saturating_add(HOLDER_INTERVAL_NS.max(cost.saturating_mul(HOLDER_COST_DIVISOR)));
        }
        if options.tasks == TaskMode::All && options.mode == Mode::Wall {
            self.waiting.look(&mut self.tasks, &self.sampler, self.pid, at_ns, builder);
        }
        self.last_ns = at_ns;
        Ok(())
    }

    /// Names the locks that have no name yet after what refers to them in the program.
    pub(super) fn name_locks(&mut self, builder: &mut Builder) {
        self.find_lock_orders();
        if self.locks.unnamed.is_empty() {
            return;
        }
        let python = self.sampler.python();
        let unnamed = std::mem::take(&mut self.locks.unnamed);
        let stacks: Vec<_> = self
            .sampler
            .threads()
            .iter()
            .filter_map(|slot| python.stack(&slot.thread).ok())
            .collect();
        let frames = stacks.iter().flat_map(|stack| &stack.frames);
        let names = python.names(unnamed.iter().map(|(object, ..)| *object), frames);
        for (object, _, kind) in unnamed {
            if let Some(name) = names.get(&object) {
                builder.lock(self.pid, object, &kind, &name.to_string());
            }
        }
    }

    /// Drops threads that have ended and left their state behind.
    pub(super) fn drop_ended(&mut self) {
        self.sampler.drop_ended();
    }

    /// Ends pauses and task samples that are still in progress.
    pub(super) fn finish(&mut self, at_ns: u64, builder: &mut Builder) {
        self.waiting.finish(&mut self.tasks, &self.sampler, self.pid, at_ns, builder);
        self.pauses.finish(&self.sampler, self.pid, at_ns, builder);
    }
}
