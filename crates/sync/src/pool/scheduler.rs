//! Where tasks lie until a worker takes them: one queue for those that come from outside, first
//! come first served, and one at each seat for those that a worker gives itself, from which the
//! others steal (Chase and Lev's deques, as `crossbeam-deque` has them).

use super::Idle;
use crossbeam_deque::{Injector, Steal, Stealer, Worker};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Seats with a queue of their own. Workers beyond that use the common one.
const SEATS: usize = 256;
/// Every so many times a worker looks where it would look last, so that nothing lies for ever
/// behind an endless stream.
const FAIR: u32 = 31;

/// The queues.
pub struct Scheduler<T> {
    common: Injector<T>,
    stealers: Box<[OnceLock<Stealer<T>>]>,
    /// How many of `stealers` there are.
    made: AtomicUsize,
    /// Queues whose workers have left.
    empty: Mutex<Vec<(usize, Worker<T>)>>,
    /// Who waits for a task.
    pub idle: Idle,
}

/// A worker's place. It belongs to one thread.
pub struct Seat<T> {
    own: Option<(usize, Worker<T>)>,
    turn: Cell<u32>,
}

impl<T> Scheduler<T> {
    /// Queues for so many workers.
    pub fn new(workers: usize) -> Self {
        Self {
            common: Injector::new(),
            stealers: (0..workers.min(SEATS)).map(|_| OnceLock::new()).collect(),
            made: AtomicUsize::new(0),
            empty: Mutex::new(Vec::new()),
            idle: Idle::default(),
        }
    }

    /// Queues a task from outside. [`Idle::call`] a worker then.
    pub fn push(&self, task: T) {
        self.common.push(task);
    }

    /// A place for the calling worker.
    pub fn sit(&self) -> Seat<T> {
        let left = self.empty.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let own = left.or_else(|| {
            let place = self.made.fetch_add(1, Ordering::Relaxed);
            let stealer = self.stealers.get(place)?;
            let queue = Worker::new_fifo();
            stealer.set(queue.stealer()).ok()?;
            Some((place, queue))
        });
        Seat { own, turn: Cell::new(0) }
    }

    /// Gives a place back. What still lies there is queued again.
    pub fn stand_up(&self, seat: Seat<T>) {
        if let Some((place, queue)) = seat.own {
            while let Some(task) = queue.pop() {
                self.common.push(task);
            }
            self.empty.lock().unwrap_or_else(PoisonError::into_inner).push((place, queue));
        }
    }

    /// Whether any task is queued.
    pub fn has_work(&self) -> bool {
        !self.common.is_empty() || self.taken().any(|stealer| !stealer.is_empty())
    }

    /// A task of anybody's: to drain the queues from outside.
    pub fn take(&self) -> Option<T> {
        steal(|| self.common.steal()).or_else(|| self.steal(0))
    }

    fn taken(&self) -> impl Iterator<Item = &Stealer<T>> {
        self.stealers.iter().filter_map(OnceLock::get)
    }

    /// A task from another's seat, beginning with the one after `place`.
    fn steal(&self, place: usize) -> Option<T> {
        let made = self.made.load(Ordering::Relaxed).min(self.stealers.len());
        (1..=made).find_map(|step| {
            let stealer = self.stealers[(place + step) % made].get()?;
            steal(|| stealer.steal())
        })
    }
}

fn steal<T>(mut attempt: impl FnMut() -> Steal<T>) -> Option<T> {
    loop {
        match attempt() {
            Steal::Success(task) => return Some(task),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}

impl<T> Seat<T> {
    /// The next task for this worker: its own, one from outside, another's.
    pub fn next(&self, scheduler: &Scheduler<T>) -> Option<T> {
        let place = self.own.as_ref().map_or(0, |own| own.0);
        let own = || self.own.as_ref().and_then(|own| own.1.pop());
        let common = || steal(|| scheduler.common.steal());
        let turn = self.turn.get().wrapping_add(1);
        self.turn.set(turn);
        if turn.is_multiple_of(FAIR) {
            return scheduler.steal(place).or_else(common).or_else(own);
        }
        own().or_else(common).or_else(|| scheduler.steal(place))
    }

    /// Queues a task of the worker's own. [`Idle::call`] another then.
    pub fn push(&self, scheduler: &Scheduler<T>, task: T) {
        match &self.own {
            Some((_, queue)) => queue.push(task),
            None => scheduler.push(task),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn every_task_is_taken_once_whoever_takes_it() {
        const TASKS: usize = 20_000;
        let scheduler = Scheduler::<usize>::new(3);
        let taken: Vec<_> = (0..TASKS).map(|_| AtomicUsize::new(0)).collect();
        let left = AtomicUsize::new(TASKS);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let seat = scheduler.sit();
                    while left.load(Ordering::Relaxed) > 0 {
                        let Some(task) = seat.next(&scheduler) else {
                            std::thread::yield_now();
                            continue;
                        };
                        taken[task].fetch_add(1, Ordering::Relaxed);
                        left.fetch_sub(1, Ordering::Relaxed);
                        // Half of the tasks are given by workers.
                        if task < TASKS / 2 {
                            seat.push(&scheduler, task + TASKS / 2);
                        }
                    }
                    scheduler.stand_up(seat);
                });
            }
            for task in 0..TASKS / 2 {
                scheduler.push(task);
            }
        });
        assert!(taken.iter().all(|times| times.load(Ordering::Relaxed) == 1));
        assert!(!scheduler.has_work());
    }

    #[test]
    fn what_lies_at_a_seat_that_is_left_is_not_lost() {
        let scheduler = Scheduler::new(1);
        let seat = scheduler.sit();
        seat.push(&scheduler, 7);
        scheduler.stand_up(seat);
        assert_eq!(scheduler.take(), Some(7));
    }
}
