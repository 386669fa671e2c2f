//! A dump of all threads: what each does, what it waits for, and who holds that.
//!
//! The target keeps running. The kernel state of a thread is read before and after its stack, so
//! that its stack, its wait and the locks it holds belong to the same moment. Different threads are
//! read at different moments, so statements about several of them may be wrong. A cycle of waits is
//! therefore confirmed by another look (see [`ThreadObserver::deadlocks`]).

mod cycles;
mod event_loops;
mod holders;
mod names;
mod stranded;

pub use holders::Holder;
pub use names::thread_names;
pub use stranded::{ForkOrigin, fork_origin};

use crate::linux::syscall::KernelState;
use crate::locks::LockReader;
use crate::memory::ReadError;
use crate::parking::{Gils, Parking, monotonic_ns};
use crate::python::{Interpreter, Python, Thread};
use crate::tasks::TasksError;
use crate::thread_observer::{ThreadInfo, ThreadObserver};
use crate::thread_state::ThreadState;
use std::sync::Arc;

/// All threads as found by one look.
#[derive(Debug, Clone, Default)]
pub struct ThreadDump {
    /// Interpreters, the main one first.
    pub interpreters: Vec<Interpreter>,
    /// Threads, main interpreter first, oldest first.
    pub threads: Vec<ThreadInfo>,
    /// End of the look in nanoseconds of the monotonic clock.
    pub at_ns: i64,
    /// Number of threads that moved on in every attempt to read them.
    pub torn: u32,
}

/// Maximum number of attempts to read a thread that does not move.
const ATTEMPTS: u32 = 4;
/// Maximum number of further looks at a cycle if its threads were woken (by a signal) and wait
/// again.
const CONFIRMATIONS: u32 = 3;

impl ThreadObserver {
    /// Reads all threads: frames, waits with their holders, and held locks.
    ///
    /// # Errors
    /// The process ended or may no longer be read.
    pub fn dump(&mut self, python: &mut Python) -> Result<ThreadDump, ReadError> {
        python.next_look();
        self.begin_look();
        let python = &*python;
        let mut interpreters = python.interpreters()?;
        interpreters.sort_by_key(|interpreter| interpreter.id);
        let gils = Gils::read(python, &interpreters);
        let mut threads = Vec::new();
        for &interpreter in &interpreters {
            threads.extend(python.threads(interpreter)?.into_iter().rev());
        }
        let mut dump = ThreadDump { interpreters, ..ThreadDump::default() };
        for (is_current, thread) in python.are_current(&threads).into_iter().zip(threads) {
            if let Some(info) = self.thread(python, &gils, is_current, thread)? {
                dump.torn += u32::from(info.stack.as_ref().is_some_and(|stack| stack.torn));
                dump.threads.push(info);
            }
        }
        self.forget_ended(&dump.threads);
        holders::resolve(&mut dump, &mut LockReader::new(python, &mut self.lock_cache));
        if event_loops::has_open_waits(&dump) {
            match self.find_tasks(python) {
                Ok(tasks) => event_loops::resolve(
                    &mut dump,
                    &mut LockReader::new(python, &mut self.lock_cache),
                    &tasks,
                )?,
                Err(TasksError::Read(error)) => return Err(error),
                Err(TasksError::NotLoaded | TasksError::TooOld) => {}
            }
        }
        dump.at_ns = monotonic_ns();
        Ok(dump)
    }

    /// Reads one thread: kernel state, stack, and kernel state again. `None` if it has ended. The
    /// kernel state belongs only to the thread's current thread state.
    fn thread(
        &mut self,
        python: &Python,
        gils: &Gils,
        is_current: bool,
        thread: Thread,
    ) -> Result<Option<ThreadInfo>, ReadError> {
        let parking = Parking::new(python, gils);
        let mut info = ThreadInfo { is_current, ..ThreadInfo::new(thread, ThreadState::Native) };
        for _attempt in 0..ATTEMPTS {
            let before = self.kernel_state(python, thread.native_id);
            let blocked = parking.wait_of(&thread, &before);
            let stack = match python.stack(&thread) {
                Ok(stack) => stack,
                Err(error) if error.is_local() => return Ok(None),
                Err(error) => return Err(error),
            };
            if let Some(attachment) = python.attachment(&thread) {
                info.thread.attachment = attachment;
            }
            info.kernel = self.kernel_state(python, thread.native_id);
            if before == KernelState::Gone {
                return Ok(None);
            }
            let after = parking.wait_of(&thread, &info.kernel);
            let is_same = match (&blocked, &after) {
                (Some(one), Some(other)) => one.is_same(other),
                (one, other) => one.is_none() && other.is_none(),
            };
            let is_still = before == info.kernel && is_same && !stack.torn;
            info.stack = Some(stack);
            info.blocked = blocked.filter(|_| is_still && is_current);
            if is_still {
                break;
            }
        }
        let mut reader = LockReader::new(python, &mut self.lock_cache);
        if let Some(blocked) = &info.blocked {
            info.wait = Some(Arc::new(reader.waited_object(&thread, blocked, info.frames())));
        }
        info.holds = reader.holds(&info.thread, info.frames());
        // Locks are read one after another. If there are several, they are read again: a thread
        // that continued in between and went back to sleep in the same place holds other locks by
        // then.
        let several = info.holds.len() + usize::from(info.wait.is_some()) > 1;
        let is_same = !several || reader.holds(&info.thread, info.frames()) == info.holds;
        // A single lock has no order, and another kernel read is a large part of a look's cost.
        info.consistent = several
            && is_same
            && matches!(info.kernel, KernelState::SystemCall(_))
            && self.kernel_state(python, thread.native_id) == info.kernel;
        if is_current {
            self.set_state(python, gils, &mut info);
        }
        Ok(Some(info))
    }

    /// Confirms possible deadlocks: cycles of waits, and threads that no thread can wake. A
    /// deadlock is confirmed if it is found again by another look during which none of its threads
    /// has run, so that everything reported about them was true at one moment.
    ///
    /// # Errors
    /// As [`ThreadObserver::dump`].
    pub fn deadlocks(
        &mut self,
        python: &mut Python,
        dump: &ThreadDump,
    ) -> Result<Deadlocks, ReadError> {
        let mut suspects = dump.suspects(python);
        let mut confirmed = Deadlocks::default();
        for _ in 0..CONFIRMATIONS {
            if suspects.is_empty() {
                break;
            }
            let runs = |python: &Python, tids: &[u32]| {
                tids.iter().map(|&tid| python.process().switches(tid)).collect::<Option<Vec<_>>>()
            };
            let before: Vec<_> =
                suspects.iter().map(|suspect| runs(python, &suspect.tids)).collect();
            let again = self.dump(python)?;
            let found = again.suspects(python);
            let mut left = Vec::new();
            for (suspect, before) in suspects.into_iter().zip(before) {
                let Some(now) = found.iter().find(|now| now.is_same(&suspect)) else { continue };
                if before.is_none() || runs(python, &suspect.tids) != before {
                    left.push(suspect);
                    continue;
                }
                let threads = now.threads.iter().map(|&index| again.threads[index].clone());
                if now.stranded {
                    confirmed.stranded.extend(threads);
                } else {
                    confirmed.cycles.push(threads.collect());
                }
            }
            suspects = left;
        }
        Ok(confirmed)
    }
}

/// Deadlocks confirmed by a second look, with the threads as it found them.
#[derive(Debug, Clone, Default)]
pub struct Deadlocks {
    /// Threads that wait for each other, in the order of waiting.
    pub cycles: Vec<Vec<ThreadInfo>>,
    /// Threads that wait for something that no thread in their process can release.
    pub stranded: Vec<ThreadInfo>,
}

/// A possible deadlock found by one look.
struct Suspect {
    threads: Vec<usize>,
    tids: Vec<u32>,
    stranded: bool,
}

impl Suspect {
    fn is_same(&self, other: &Suspect) -> bool {
        (&self.tids, self.stranded) == (&other.tids, other.stranded)
    }
}

impl ThreadDump {
    fn suspects(&self, python: &Python) -> Vec<Suspect> {
        let suspect = |threads: Vec<usize>, stranded| Suspect {
            tids: self.tids(&threads),
            threads,
            stranded,
        };
        let cycles = self.cycles().into_iter().map(|cycle| suspect(cycle, false));
        let stranded = self.stranded(python).into_iter().map(|thread| suspect(vec![thread], true));
        cycles.chain(stranded).collect()
    }
}
