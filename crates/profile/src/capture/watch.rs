//! One process that is looked at: each look of it becomes samples.

mod parts;

use super::kernel_view::{KernelFile, KernelView};
use super::locks::{Locks, Wait};
use super::native::{Natives, Sleeper};
use super::pauses::PauseWatch;
use super::places::{Places, Stacks};
use super::tasks::{TaskFrames, TaskTrack};
use super::waiting::Waiting;
use super::{Options, TaskMode};
use crate::Builder;
use crate::header::Mode;
use crate::model::{Activity, FrameId, LockId, Sample, ThreadId};
use parts::{collector, is_of, name_of};
use rustc_hash::FxHashMap;
use std::time::{Duration, Instant};
use ungil_remote::linux::syscall::KernelState;
use ungil_remote::memory::ReadError;
use ungil_remote::parking::monotonic_ns;
use ungil_remote::sample::{LookResult, Sampler};
use ungil_remote::snapshot::LockOrders;
use ungil_remote::thread_state::classify;
use ungil_remote::{Blocked, BlockedOn, Gils, Python, ThreadState};

/// Holders are looked for in at most one look of this many nanoseconds: it reads the stacks of
/// every thread that may be it.
const HOLDER_EVERY_NS: u64 = 500_000;
/// And for at most one part in this many of the time.
const HOLDER_SHARE: u64 = 20;
/// Times a wait is looked into that is for nothing known: at first the thread may have been on its
/// way.
const TRIES: u8 = 4;
/// The GILs are looked for this often, in nanoseconds: an extension may switch one on.
const GILS_EVERY_NS: u64 = 100_000_000;
/// A thread without a name is asked for one this often, in nanoseconds: it may not have had one
/// when it started.
const NAME_EVERY_NS: u64 = 200_000_000;

/// A process and what is known of it.
pub(super) struct Watch {
    pub(super) pid: u32,
    looker: Sampler,
    places: Places,
    locks: Locks,
    lock_orders: LockOrders,
    pauses: PauseWatch,
    pub(super) tasks: TaskFrames,
    waiting: Waiting,
    natives: Natives,
    tracks: Vec<Track>,
    last_ns: u64,
    /// When holders are looked for again.
    holder_ns: u64,
    /// Frame of the collector, at the leaf of the thread that runs it.
    collector: Option<FrameId>,
    pub(super) torn: u64,
    pub(super) looks: u64,
    /// Stacks that fitted together.
    pub(super) stacks: u64,
    gils: Gils,
    /// When they are read again.
    gils_ns: u64,
    /// Why the kernel's word on sleeping threads is missing, if it is.
    pub(super) is_refused: bool,
}

/// A thread and what is known of it.
struct Track {
    key: (u64, u32),
    row: ThreadId,
    is_wanted: bool,
    is_named: bool,
    asked_ns: u64,
    stacks: Stacks,
    task: TaskTrack,
    kernel: KernelFile,
    last_ns: u64,
    /// The wait that was counted last, by what it is for and when it began, and until when.
    began: Option<(BlockedOn, i64)>,
    counted_ns: u64,
    /// What it was last found to sleep on, what that is, and how often that was looked up.
    wait: Option<(BlockedOn, Option<Wait>, u8)>,
    /// The last holder found of what it waits for.
    holder: Option<(LockId, Option<FrameId>)>,
}

impl Watch {
    pub(super) fn new(python: Python, at_ns: u64) -> Result<Watch, ReadError> {
        let pid = python.process().pid;
        Ok(Watch {
            pid,
            gils: Gils::default(),
            gils_ns: 0,
            looker: Sampler::new(python)?,
            places: Places::default(),
            locks: Locks::default(),
            lock_orders: LockOrders::default(),
            pauses: PauseWatch::new(at_ns),
            tasks: TaskFrames::default(),
            waiting: Waiting::default(),
            natives: Natives::default(),
            tracks: Vec::new(),
            last_ns: at_ns,
            holder_ns: 0,
            collector: None,
            torn: 0,
            looks: 0,
            stacks: 0,
            is_refused: false,
        })
    }

    pub(super) fn python(&self) -> &Python {
        self.looker.python()
    }

    /// Threads it has.
    pub(super) fn threads(&self) -> usize {
        self.tracks.len()
    }

    /// Looks once, and makes samples of what is seen.
    pub(super) fn look(
        &mut self,
        at_ns: u64,
        thorough: bool,
        options: &Options,
        builder: &mut Builder,
    ) -> Result<(), ReadError> {
        let look = self.looker.look(thorough)?;
        // Data of the same executable has the same addresses after an exec.
        let is_doubtful = thorough || look.changed || look.torn > 0;
        if is_doubtful && !self.looker.python().process().runs_same_program() {
            return Err(ReadError::Gone);
        }
        self.looks += 1;
        self.torn += u64::from(look.torn);
        self.take_in(look, at_ns, options, builder);
        if thorough {
            self.pauses.look(&self.looker, self.pid, at_ns, builder);
        }
        let collecting = self.pauses.collector(self.looker.threads());
        let python = self.looker.python();
        if look.changed || at_ns >= self.gils_ns {
            self.gils = Gils::read(python, &self.looker.interpreters());
            self.gils_ns = at_ns.saturating_add(GILS_EVERY_NS);
        }
        let fresh = options.freshness(self.tracks.len());
        let seek = at_ns >= self.holder_ns;
        let mut sought: Vec<(LockId, Option<FrameId>)> = Vec::new();
        let mut seeking = Duration::ZERO;
        for (slot, track) in self.looker.threads().iter().zip(&mut self.tracks) {
            if !slot.is_current() {
                // Its thread is counted where it is at work.
                track.last_ns = at_ns;
                continue;
            }
            if !slot.is_seen() || !track.is_wanted {
                continue;
            }
            let view = track.kernel.view(slot, python, &self.gils, fresh, at_ns);
            self.is_refused |= track.kernel.is_refused();
            let task = (options.tasks != TaskMode::No)
                .then(|| {
                    self.tasks.of(
                        slot,
                        &mut track.task,
                        &self.looker,
                        &mut self.places,
                        at_ns,
                        builder,
                    )
                })
                .flatten();
            let (frames, kept) = (slot.frames(), slot.kept());
            let row = track.stacks.row(frames, kept, task, &mut self.places, &self.looker, builder);
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
                        && (wait.is_some() || *tries >= TRIES) =>
                {
                    wait.clone()
                }
                (Some(blocked), before) => {
                    let before = before.as_ref().filter(|before| before.0 == blocked.on);
                    let tries = before.map_or(0, |before| before.2);
                    let wait = self.locks.of(slot, &blocked, &self.looker, self.pid, builder);
                    track.wait = Some((blocked.on, wait.clone(), tries.saturating_add(1)));
                    wait
                }
            };
            let on = blocked.map(|blocked| blocked.on);
            let target = wait.as_ref().map(|wait| &wait.of.target);
            let state = classify(slot.thread.attachment, &kernel, on, target, wants_gil);
            let mut holder = None;
            if let Some(wait) = wait.as_ref().filter(|_| state == ThreadState::Lock) {
                if seek {
                    if options.mode == Mode::Lock {
                        let begin = Instant::now();
                        let there = || matches!(kernel, KernelState::SystemCall(call) if track.kernel.is_in(&call));
                        self.locks.observe_order(slot, wait, there, self.looker.python());
                        seeking += begin.elapsed();
                    }
                    let known = sought
                        .iter()
                        .find(|(lock, _)| *lock == wait.lock)
                        .map(|(_, holder)| *holder);
                    let sees = known.unwrap_or_else(|| {
                        let begin = Instant::now();
                        let sees = self.locks.holder(wait, &self.looker, &mut self.places, builder);
                        seeking += begin.elapsed();
                        sought.push((wait.lock, sees));
                        sees
                    });
                    track.holder = Some((wait.lock, sees));
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
                let with = (&self.looker, &mut self.places, &mut *builder);
                let sleeper = Sleeper { slot, call: &call, task, at_ns };
                stack = self.natives.woven(&sleeper, stack, there, with);
            }
            if collecting == Some(slot.thread.address) {
                stack = collector(&mut self.collector, stack, builder);
            }
            let mut weight = at_ns.saturating_sub(track.last_ns);
            track.last_ns = at_ns;
            if options.mode == Mode::Lock && state == ThreadState::Lock {
                weight = weight.max(track.unseen(blocked, at_ns));
                track.counted_ns = at_ns;
            }
            if is_of(options.mode, state, slot, self.gils.in_use, collecting) {
                let (thread, activity) = (track.row, Activity::Thread(state));
                builder.sample(Sample { at_ns, weight, thread, stack, activity, lock, holder });
            }
        }
        if !sought.is_empty() {
            let cost = u64::try_from(seeking.as_nanos()).unwrap_or(u64::MAX);
            self.holder_ns =
                at_ns.saturating_add(HOLDER_EVERY_NS.max(cost.saturating_mul(HOLDER_SHARE)));
        }
        if options.tasks == TaskMode::All && options.mode == Mode::Wall {
            self.waiting.look(&mut self.tasks, &self.looker, self.pid, at_ns, builder);
        }
        self.last_ns = at_ns;
        Ok(())
    }

    /// Follows the threads and the code that come and go.
    fn take_in(&mut self, look: LookResult, at_ns: u64, options: &Options, builder: &mut Builder) {
        if look.stale {
            self.places.forget();
            self.locks.forget();
            self.tracks.iter_mut().for_each(|track| track.stacks.forget());
        }
        if look.changed || self.tracks.len() != self.looker.threads().len() {
            let old = std::mem::take(&mut self.tracks);
            let mut old: FxHashMap<(u64, u32), Track> =
                old.into_iter().map(|track| (track.key, track)).collect();
            let last_ns = self.last_ns;
            self.tracks = self
                .looker
                .threads()
                .iter()
                .map(|slot| {
                    let key = (slot.thread.address, slot.thread.native_id);
                    old.remove(&key).unwrap_or_else(|| {
                        let row = builder.thread(self.pid, slot.thread.native_id, "");
                        Track {
                            key,
                            row,
                            is_wanted: options.threads.is_empty(),
                            is_named: false,
                            asked_ns: 0,
                            stacks: Stacks::default(),
                            task: TaskTrack::default(),
                            kernel: KernelFile::default(),
                            last_ns,
                            began: None,
                            counted_ns: last_ns,
                            wait: None,
                            holder: None,
                        }
                    })
                })
                .collect();
        }
        self.locks.next_look();
        for (slot, track) in self.looker.threads().iter().zip(&mut self.tracks) {
            if !track.is_named
                && (track.asked_ns == 0 || at_ns.saturating_sub(track.asked_ns) > NAME_EVERY_NS)
            {
                track.asked_ns = at_ns.max(1);
                let name = name_of(slot, &self.looker, self.pid);
                track.is_named = name.is_some();
                track.row =
                    builder.thread(self.pid, slot.thread.native_id, &name.unwrap_or_default());
                // Inside another interpreter a thread has the name that it had outside.
                let profile = builder.so_far();
                let name = profile.string(profile.threads[track.row.index()].name);
                let id = slot.thread.native_id.to_string();
                track.is_wanted = options.threads.is_empty()
                    || options.threads.iter().any(|want| want == name || *want == id);
            }
        }
    }

    /// Gives names to the locks that have none yet: what refers to them in the program.
    pub(super) fn name_locks(&mut self, builder: &mut Builder) {
        self.find_lock_orders();
        if self.locks.unnamed.is_empty() {
            return;
        }
        let python = self.looker.python();
        let unnamed = std::mem::take(&mut self.locks.unnamed);
        let stacks: Vec<_> = self
            .looker
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
        self.looker.drop_ended();
    }

    /// Ends what was still under way.
    pub(super) fn finish(&mut self, at_ns: u64, builder: &mut Builder) {
        self.waiting.finish(&mut self.tasks, &self.looker, self.pid, at_ns, builder);
        self.pauses.finish(&self.looker, self.pid, at_ns, builder);
    }
}

impl Track {
    /// How long a wait had lasted when it was first seen. The runtime keeps when a wait for a lock
    /// began, so that in a profile of waits nothing is lost between the look before and the one
    /// that first knew what the thread waits for. 0 for a wait that is known.
    fn unseen(&mut self, blocked: Option<Blocked>, at_ns: u64) -> u64 {
        let Some((on, since)) = blocked.and_then(|blocked| Some((blocked.on, blocked.since_ns?)))
        else {
            return 0;
        };
        if self.began.replace((on, since)) == Some((on, since)) {
            return 0;
        }
        let lasted = u64::try_from(monotonic_ns().saturating_sub(since)).unwrap_or(0);
        // Neither from before the profile nor twice.
        lasted.min(at_ns.saturating_sub(self.counted_ns))
    }
}
