//! One look at all threads: what each does, what it waits for, who has it.
//!
//! The target runs on while it is looked at. What one thread does is read twice around its stack,
//! so that a stack, a wait and what is held by it are of one moment; between threads there is no
//! such moment, and what is said of two of them together may not have been so at one time. A cycle
//! of waits is therefore looked at again before it is called one (see
//! [`ThreadObserver::deadlocks`]).

mod cycles;
mod event_loops;
mod holders;
mod names;
mod stranded;

pub use holders::Holder;
pub use names::thread_names;
pub use stranded::{Origin, origin};

use crate::linux::calls::Doing;
use crate::locks::Reader;
use crate::memory::ReadError;
use crate::parking::{Gils, Parking, monotonic_ns};
use crate::python::{Interpreter, Python, Thread};
use crate::tasks::TasksError;
use crate::thread_observer::{ThreadInfo, ThreadObserver};
use crate::thread_state::ThreadState;
use std::sync::Arc;

/// All threads as one look found them.
#[derive(Debug, Clone, Default)]
pub struct ThreadDump {
    /// The interpreters, the main one first.
    pub interpreters: Vec<Interpreter>,
    /// The threads, of the main interpreter first, oldest first.
    pub threads: Vec<ThreadInfo>,
    /// Nanoseconds of the monotonic clock at the end of the look.
    pub at_ns: i64,
    /// Threads that moved on in every attempt to read them.
    pub torn: u32,
}

/// Attempts to read a thread at rest.
const ATTEMPTS: u32 = 4;
/// Further looks at a cycle while its threads are woken by something (a signal) and go on waiting.
const CONFIRMATIONS: u32 = 3;

impl ThreadObserver {
    /// Looks at every thread: its frames, what it waits for and who has it, what it holds.
    ///
    /// # Errors
    /// The process ended or may not be read any more.
    pub fn dump(&mut self, python: &mut Python) -> Result<ThreadDump, ReadError> {
        python.next_look();
        self.begin();
        let python = &*python;
        let mut interpreters = python.interpreters()?;
        interpreters.sort_by_key(|interpreter| interpreter.id);
        let gils = Gils::read(python, &interpreters);
        let mut threads = Vec::new();
        for &interpreter in &interpreters {
            threads.extend(python.threads(interpreter)?.into_iter().rev());
        }
        let mut dump = ThreadDump { interpreters, ..ThreadDump::default() };
        for (at_work, thread) in python.at_work(&threads).into_iter().zip(threads) {
            if let Some(info) = self.thread(python, &gils, at_work, thread)? {
                dump.torn += u32::from(info.stack.as_ref().is_some_and(|stack| stack.torn));
                dump.threads.push(info);
            }
        }
        self.forget_ended(&dump.threads);
        holders::resolve(&mut dump, &mut Reader::new(python, &mut self.store));
        if event_loops::has_open_waits(&dump) {
            match self.find_tasks(python) {
                Ok(tasks) => event_loops::resolve(
                    &mut dump,
                    &mut Reader::new(python, &mut self.store),
                    &tasks,
                )?,
                Err(TasksError::Read(error)) => return Err(error),
                Err(TasksError::NotLoaded | TasksError::TooOld) => {}
            }
        }
        dump.at_ns = monotonic_ns();
        Ok(dump)
    }

    /// One thread: what the kernel says, its stack, and what the kernel says again; `None` where it
    /// has ended. What the kernel says is about the thread state that the thread runs with only.
    fn thread(
        &mut self,
        python: &Python,
        gils: &Gils,
        at_work: bool,
        thread: Thread,
    ) -> Result<Option<ThreadInfo>, ReadError> {
        let parking = Parking::new(python, gils);
        let mut info = ThreadInfo { at_work, ..ThreadInfo::new(thread, ThreadState::Native) };
        for _attempt in 0..ATTEMPTS {
            let before = self.kernel(python, thread.native_id);
            let blocked = parking.of(&thread, &before);
            let stack = match python.stack(&thread) {
                Ok(stack) => stack,
                Err(error) if error.is_local() => return Ok(None),
                Err(error) => return Err(error),
            };
            if let Some(attachment) = python.attachment(&thread) {
                info.thread.attachment = attachment;
            }
            info.kernel = self.kernel(python, thread.native_id);
            if before == Doing::Gone {
                return Ok(None);
            }
            let after = parking.of(&thread, &info.kernel);
            let is_same = match (&blocked, &after) {
                (Some(one), Some(other)) => one.is_same(other),
                (one, other) => one.is_none() && other.is_none(),
            };
            let is_still = before == info.kernel && is_same && !stack.torn;
            info.stack = Some(stack);
            info.blocked = blocked.filter(|_| is_still && at_work);
            if is_still {
                break;
            }
        }
        let mut reader = Reader::new(python, &mut self.store);
        if let Some(blocked) = &info.blocked {
            info.wait = Some(Arc::new(reader.waited_object(&thread, blocked, info.frames())));
        }
        info.holds = reader.holds(&info.thread, info.frames());
        // Locks are read one after another. Where several belong together, they are read again: a
        // thread that went on in between and fell asleep in the same place has other locks by then.
        let several = info.holds.len() + usize::from(info.wait.is_some()) > 1;
        let is_same = !several || reader.holds(&info.thread, info.frames()) == info.holds;
        // One lock alone is in no order, and to ask the kernel once more is a good part of what a
        // look costs.
        info.settled = several
            && is_same
            && matches!(info.kernel, Doing::Call(_))
            && self.kernel(python, thread.native_id) == info.kernel;
        if at_work {
            self.decide(python, gils, &mut info);
        }
        Ok(Some(info))
    }

    /// Looks again at what may be deadlocks: a cycle of waits, or a thread that nobody can wake. It
    /// is one if it is there in another look during which none of its threads has run at all, so
    /// that all that is said of them was so at one time.
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

/// Deadlocks that a second look confirmed, with the threads as it found them.
#[derive(Debug, Clone, Default)]
pub struct Deadlocks {
    /// Threads that wait for each other, in the order of waiting.
    pub cycles: Vec<Vec<ThreadInfo>>,
    /// Threads that wait for what nobody in their process can release.
    pub stranded: Vec<ThreadInfo>,
}

/// What one look takes for a deadlock.
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
