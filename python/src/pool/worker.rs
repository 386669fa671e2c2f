//! A worker: the loop that a pool's threads run, and what a thread that is one may do while it
//! waits for another's work.
//!
//! A task that waits for a future of its own pool must not take the last worker with it. If the
//! awaited call has not begun, the waiting worker makes it itself, there and then: only that call,
//! not any other, because the waiting task may hold locks that another task wants. If it runs
//! elsewhere, the worker sleeps and another is hired in its place until it wakes. Calls within
//! calls go only so deep; beyond that the worker sleeps too.

#![allow(unsafe_code)]

use super::future::Future;
use super::task::Task;
use super::team::Team;
use super::{names, sleep};
use crate::object::{block, count};
use pyo3::ffi;
use pyo3::prelude::*;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use ungil_sync::park::Parker;
use ungil_sync::pool::{CallState, TransitionError, WorkerQueue};

/// How many awaited calls a worker makes within one another.
const DEEPEST: u32 = 48;

/// The worker that a thread is.
pub(super) struct Here {
    team: Arc<Team>,
    seat: WorkerQueue<Task>,
    depth: Cell<u32>,
    /// Another has been hired in this one's place until its task ends.
    replaced: Cell<bool>,
    /// It counts as looking for work.
    searching: Cell<bool>,
}

thread_local! {
    static HERE: RefCell<Option<Rc<Here>>> = const { RefCell::new(None) };
}

/// The calling thread, if it is a worker of that team.
#[inline]
pub(super) fn here(team: u64) -> Option<Rc<Here>> {
    HERE.try_with(|here| here.borrow().as_ref().filter(|here| here.team.id == team).cloned())
        .ok()
        .flatten()
}

/// Queues a call.
pub(super) fn submit<'py>(
    team: &Arc<Team>,
    future: Bound<'py, Future>,
) -> PyResult<Bound<'py, Future>> {
    let py = future.py();
    if team.must_refuse()
        && let Some(refusal) = team.refusal(py)
    {
        return Err(refusal);
    }
    // The pool's threads change its count without asking the one that made it.
    count::give(&future);
    match here(team.id) {
        Some(worker) => worker.push(Task::Call(future.clone().unbind())),
        None => team.scheduler.push(Task::Call(future.clone().unbind())),
    }
    let hired = team.call_or_hire();
    // A close that this does not see waits for whoever has been hired, or was seen by a worker that
    // will look once more.
    fence(Ordering::SeqCst);
    if team.must_refuse()
        && let Some(refusal) = team.refusal(py)
        && future.call_method0("cancel")?.is_truthy()?
    {
        if hired {
            team.leave();
        }
        return Err(refusal);
    }
    if hired && let Err(error) = team.start(py) {
        future.call_method0("cancel")?;
        return Err(error);
    }
    Ok(future)
}

/// What the threads of a pool run.
pub(super) fn work(py: Python<'_>, team: &Arc<Team>) {
    if let Err(error) = team.initialize(py) {
        names::log(py, "critical", "Exception in initializer:", None, error);
        team.break_down(py);
        team.leave();
        return;
    }
    let here = Rc::new(Here {
        team: Arc::clone(team),
        seat: team.scheduler.register(),
        depth: Cell::new(0),
        replaced: Cell::new(false),
        searching: Cell::new(false),
    });
    HERE.set(Some(Rc::clone(&here)));
    let surplus = here.work(py);
    HERE.set(None);
    if let Ok(here) = Rc::try_unwrap(here) {
        team.scheduler.unregister(here.seat);
    }
    if surplus {
        team.left_as_surplus(py);
    } else {
        team.leave();
    }
}

impl Here {
    /// Takes task after task. Returns whether it left because there were too many; otherwise the
    /// pool has ended.
    fn work(&self, py: Python<'_>) -> bool {
        let (team, idle) = (&*self.team, &self.team.scheduler.idle);
        let parker = Arc::new(Parker::new(std::ptr::from_ref(team) as usize));
        loop {
            if let Some(task) = self.next() {
                self.run(py, task);
                continue;
            }
            if team.staff.leave_if_surplus(team.wanted) {
                self.not_searching();
                // What came since: whoever gave it may have counted on this one.
                if team.scheduler.has_work() {
                    idle.notify();
                }
                return true;
            }
            parker.reset();
            self.start_searching();
            self.searching.set(false);
            let ticket = idle.sleep(&parker);
            if team.scheduler.has_work() {
                idle.cancel_sleep(ticket);
                continue;
            }
            if team.is_ending() {
                idle.cancel_sleep(ticket);
                if team.scheduler.has_work() {
                    continue;
                }
                return false;
            }
            if let Err(error) = block::park(py, &parker, None) {
                idle.cancel_sleep(ticket);
                names::log(py, "critical", "Exception in worker", None, error);
            }
        }
    }

    /// The next task, after looking for a little while if there is none at once.
    fn next(&self) -> Option<Task> {
        let scheduler = &self.team.scheduler;
        let mut task = self.seat.next(scheduler);
        if task.is_none() && !self.team.is_ending() {
            self.start_searching();
            sleep::look(|| {
                task = self.seat.next(scheduler);
                task.is_some()
            });
        }
        if task.is_some() {
            self.not_searching();
        }
        task
    }

    fn start_searching(&self) {
        if !self.searching.replace(true) {
            self.team.scheduler.idle.start_looking();
        }
    }

    /// It has something to do. If there is more, and nobody else looks, another is called.
    pub(super) fn not_searching(&self) {
        if self.searching.replace(false)
            && self.team.scheduler.idle.work_found()
            && self.team.scheduler.has_work()
        {
            self.team.scheduler.idle.notify();
        }
    }

    /// The task is as good as done, and nothing else is queued: whoever gives the next need not
    /// look for another worker.
    pub(super) fn about_to_search(&self) -> bool {
        let is = self.depth.get() == 0 && !self.searching.get();
        if is {
            self.start_searching();
        }
        is
    }

    pub(super) fn push(&self, task: Task) {
        self.seat.push(&self.team.scheduler, task);
    }

    /// Makes a call, unless it has been cancelled or somebody else makes it.
    fn call(&self, future: &Bound<'_, Future>) {
        let (py, this) = (future.py(), future.get());
        match this.progress.start() {
            Ok(()) => {}
            Err(CallState::Cancelled) => {
                this.tell_cancelled(future);
                return;
            }
            Err(_) => return,
        }
        let (outcome, phase) = match this.call(py) {
            Ok(value) => (value, CallState::Returned),
            Err(error) => (error.into_value(py).into_any(), CallState::Raised),
        };
        // Who waits for this may give the next task at once: there should be a worker in sight
        // then. Not if there are callbacks to run.
        let free = !this.progress.is_watched() && self.about_to_search();
        match this.progress_to_end(outcome.bind(py), phase) {
            Err(TransitionError::Watched) => {
                if free {
                    self.not_searching();
                }
                if let Err(error) = this.end_watched(future, phase) {
                    names::log(
                        py,
                        "critical",
                        "a future could not be ended",
                        Some(future.as_any()),
                        error,
                    );
                }
            }
            // Somebody else set an outcome: that one counts.
            Err(TransitionError::WrongState(_)) | Ok(()) => {}
        }
        this.ended.notify_all();
    }

    fn run(&self, py: Python<'_>, task: Task) {
        match task {
            Task::Call(future) => {
                let future = future.bind(py);
                self.call(future);
                // Nobody else has it: what it held goes with it, and that may run code that takes
                // its time. SAFETY: alive while `future` is borrowed.
                if unsafe { ffi::Py_REFCNT(future.as_ptr()) } == 1 {
                    self.not_searching();
                }
            }
            Task::Bulk(bulk) => bulk.take_part(py, &self.team),
        }
        if self.depth.get() == 0 && self.replaced.replace(false) {
            self.team.staff.end_blocking();
        }
    }

    /// Makes an awaited call, if nobody has begun to and it is not too deep. One that has only so
    /// long to wait does not, as the call may take longer. When so many workers wait that nobody
    /// else would come, it must be done here all the same.
    pub(super) fn help(&self, future: &Bound<'_, Future>, in_a_hurry: bool) {
        if self.depth.get() < DEEPEST && !in_a_hurry || self.team.staff.is_exhausted() {
            self.depth.set(self.depth.get() + 1);
            self.call(future);
            self.depth.set(self.depth.get() - 1);
        }
    }

    /// Sleeps, while another works in this one's place if there is anything to do.
    pub(super) fn while_waiting<R>(&self, py: Python<'_>, sleep: impl FnOnce() -> R) -> R {
        self.not_searching();
        self.team.staff.begin_blocking();
        if self.team.scheduler.has_work() {
            self.team.call_or_hire_and_start(py);
        }
        let result = sleep();
        self.team.staff.end_blocking();
        result
    }

    /// The task may fall asleep where that cannot be seen from here: another works in this one's
    /// place until the task ends.
    pub(super) fn may_sleep(&self, py: Python<'_>) {
        if !self.replaced.replace(true) {
            self.team.staff.begin_blocking();
            if self.team.scheduler.has_work() {
                self.team.call_or_hire_and_start(py);
            }
        }
    }
}
