//! Waits that an event loop has to end: for a lock that a coroutine holds across an `await`, and
//! for the result of a coroutine submitted with `asyncio.run_coroutine_threadsafe`.
//! ¶ A suspended coroutine is on no thread's stack, so a lock it holds seems to have no holder. The
//! lock is released only if the thread whose loop runs the coroutine's task continues. The result
//! of a submitted coroutine is set by the loop's thread. The future leads to the loop through the
//! callback with which asyncio chains it or, before the loop has processed it, through the loop's
//! queue of callbacks.

use super::ThreadDump;
use super::holders::Holder;
use crate::locks::types::ObjectKind;
use crate::locks::{Confidence, LockReader};
use crate::memory::ReadError;
use crate::python::Thread;
use crate::tasks::{Task, TaskReader};
use crate::thread_observer::ThreadInfo;
use crate::wait_target::Releaser;
use rustc_hash::FxHashMap;

/// Returns whether a thread waits for something that an event loop may hold.
pub(super) fn has_open_waits(dump: &ThreadDump) -> bool {
    dump.threads.iter().any(|info| open_wait(info).is_some())
}

/// Returns the wait of a thread, if it has no known holder and an event loop may hold it.
fn open_wait(info: &ThreadInfo) -> Option<(u64, Releaser)> {
    let wait = info.wait.as_ref().filter(|_| info.holders.is_empty())?;
    matches!(wait.releaser, Releaser::WithBlock | Releaser::Worker)
        .then_some((wait.object, wait.releaser))
}

/// Adds the holders that are tasks of event loops.
pub(super) fn resolve(
    dump: &mut ThreadDump,
    reader: &mut LockReader<'_>,
    tasks: &TaskReader,
) -> Result<(), ReadError> {
    let threads = dump.threads.iter().enumerate();
    let open: Vec<(usize, u64, Releaser)> = threads
        .filter_map(|(index, info)| {
            open_wait(info).map(|(object, releaser)| (index, object, releaser))
        })
        .collect();
    let loops = EventLoops::read(dump, reader, tasks)?;
    for (waiter, object, releaser) in open {
        let (holders, stuck) = match releaser {
            Releaser::Worker => {
                let thread = loops.completing_thread(reader, object);
                (
                    thread
                        .map(|thread| Holder::new(thread, Confidence::Owner, None))
                        .into_iter()
                        .collect(),
                    true,
                )
            }
            _ => {
                let holders = loops.holding.get(&object).cloned().unwrap_or_default();
                let capacity = reader.semaphore_capacity(object).unwrap_or(1);
                let stuck = holders.len() as u64 == capacity;
                (holders, stuck)
            }
        };
        let info = &mut dump.threads[waiter];
        (info.stuck_on_holders, info.holders) = (stuck && !holders.is_empty(), holders);
    }
    Ok(())
}

/// Event loops found by one look.
struct EventLoops {
    /// By lock, the suspended tasks that hold it.
    holding: FxHashMap<u64, Vec<Holder>>,
    /// Thread indices by the tasks that their loops run.
    by_task: FxHashMap<u64, usize>,
    /// Running loops with their thread indices.
    running: Vec<(u64, usize)>,
}

impl EventLoops {
    fn read(
        dump: &ThreadDump,
        reader: &mut LockReader<'_>,
        tasks: &TaskReader,
    ) -> Result<EventLoops, ReadError> {
        let python = reader.python;
        let mut loops = EventLoops {
            holding: FxHashMap::default(),
            by_task: FxHashMap::default(),
            running: Vec::new(),
        };
        for (index, info) in dump.threads.iter().enumerate() {
            loops
                .running
                .extend(tasks.running_loop(python, info.thread.address).map(|of| (of, index)));
        }
        for &interpreter in &dump.interpreters {
            let threads = dump.threads.iter().map(|info| info.thread);
            let threads: Vec<Thread> =
                threads.filter(|thread| thread.interpreter == interpreter.id).collect();
            for task in tasks.read(python, interpreter, &threads)?.0 {
                loops.add_task(dump, reader, &task);
            }
        }
        Ok(loops)
    }

    fn add_task(&mut self, dump: &ThreadDump, reader: &mut LockReader<'_>, task: &Task) {
        let Some(tid) = task.thread else { return };
        let runs_it = |thread: &Thread| thread.native_id == tid;
        let Some(index) =
            dump.threads.iter().position(|info| info.is_current && runs_it(&info.thread))
        else {
            return;
        };
        self.by_task.insert(task.address, index);
        for hold in reader.holds(&dump.threads[index].thread, &task.frames) {
            let holder =
                Holder { task: Some(task.address), ..Holder::new(index, hold.confidence, None) };
            self.holding.entry(hold.lock).or_default().push(holder);
        }
    }

    /// Returns the thread whose loop will set the result of `future`.
    fn completing_thread(&self, reader: &mut LockReader<'_>, future: u64) -> Option<usize> {
        let callbacks = reader.attribute(future, "_done_callbacks");
        let callbacks = callbacks.map(|list| reader.list(list)).unwrap_or_default();
        let chained =
            callbacks.into_iter().flat_map(|callback| reader.closure(callback)).collect::<Vec<_>>();
        if let Some(&thread) = chained.iter().find_map(|object| self.by_task.get(object)) {
            return Some(thread);
        }
        let mut waits_in = |of: u64| {
            let ready = reader.attribute(of, "_ready").and_then(|ready| reader.deque(ready));
            let handles = ready.unwrap_or_default();
            let parts: Vec<u64> =
                handles.into_iter().flat_map(|handle| reader.words(handle)).collect();
            parts.into_iter().any(|part| {
                reader.tag(part) == ObjectKind::Function && reader.closure(part).contains(&future)
            })
        };
        self.running.iter().find(|&&(of, _)| waits_in(of)).map(|&(_, thread)| thread)
    }
}
