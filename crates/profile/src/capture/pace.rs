//! When the next look is due: looks are at whole multiples of the period from the beginning on, so
//! that a late one does not push the others back, and what could not be kept up with is counted.

use std::time::{Duration, Instant};

/// Nearer to the due time than this the rest is spun: waking up takes longer.
const SPIN: Duration = Duration::from_micros(30);
/// Looks that are farther apart than this are not worth spinning for: at 1 kHz it would be most of
/// what looking costs.
const WORTH_SPINNING: Duration = Duration::from_micros(200);
/// The longest sleep, so that an end that was asked for is noticed.
const NAP: Duration = Duration::from_millis(50);

/// At shorter periods the processor time of each look is not measured: asking for it would be a
/// part of what looking costs.
const WORTH_MEASURING: Duration = Duration::from_micros(50);

/// The looks' timetable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    begin: Instant,
    period: Duration,
    due: Duration,
    /// When the last round began, and the processor time this thread had used by then.
    last: (Duration, Option<u64>),
    /// Rounds that were due and not taken.
    pub(super) missed: u64,
    /// Those of them for which this thread got no processor in time.
    pub(super) busy: u64,
}

impl Pace {
    pub(super) fn new(begin: Instant, period: Duration) -> Pace {
        Pace {
            begin,
            period,
            due: Duration::ZERO,
            last: (Duration::ZERO, None),
            missed: 0,
            busy: 0,
        }
    }

    /// Waits for the next due time; false if `is_over` says so before that.
    pub(super) fn wait(&mut self, mut is_over: impl FnMut() -> bool) -> bool {
        let mut waited = false;
        loop {
            let left = self.due.saturating_sub(self.begin.elapsed());
            if left.is_zero() {
                break;
            }
            waited = true;
            if is_over() {
                return false;
            }
            if self.period > WORTH_SPINNING {
                std::thread::sleep(left.min(NAP));
            } else if left > SPIN {
                std::thread::sleep((left - SPIN / 2).min(NAP));
            } else {
                std::hint::spin_loop();
            }
        }
        let now = self.begin.elapsed();
        let cpu = (self.period >= WORTH_MEASURING).then(thread_cpu_ns).flatten();
        // Whoever had time to wait was ready when the round was due.
        let was_ready = waited || self.slept(now, cpu);
        self.advance(now, was_ready);
        self.last = (now, cpu);
        !is_over()
    }

    /// Begins anew: the next look is due now, and none before it was missed.
    pub(super) fn skip(&mut self) {
        self.due = self.begin.elapsed();
    }

    /// Returns whether this thread has spent most of the time since the last round off the
    /// processor.
    fn slept(&self, now: Duration, cpu: Option<u64>) -> bool {
        let (then, before) = self.last;
        let used =
            cpu.zip(before).map(|(cpu, before)| Duration::from_nanos(cpu.saturating_sub(before)));
        used.is_some_and(|used| used < now.saturating_sub(then) / 2)
    }

    /// Sets the next due time, and counts those that are past already: for want of a processor if
    /// the thread was ready.
    fn advance(&mut self, now: Duration, was_ready: bool) {
        let period = self.period.as_nanos().max(1);
        let late = now.saturating_sub(self.due).as_nanos() / period;
        let late = u64::try_from(late).unwrap_or(u64::MAX);
        self.missed = self.missed.saturating_add(late);
        if was_ready {
            self.busy = self.busy.saturating_add(late);
        }
        let steps = u32::try_from(late.saturating_add(1)).unwrap_or(u32::MAX);
        self.due = self.due.saturating_add(self.period.saturating_mul(steps));
    }
}

/// Asks the kernel to wake this thread when it is due and not up to 50 µs later, which is its
/// habit.
pub(super) fn be_punctual() {
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
}

/// Processor time of this process so far.
pub(super) fn cpu_ns() -> Option<u64> {
    nanoseconds(rustix::time::ClockId::ProcessCPUTime)
}

/// Processor time of this thread so far.
fn thread_cpu_ns() -> Option<u64> {
    nanoseconds(rustix::time::ClockId::ThreadCPUTime)
}

fn nanoseconds(clock: rustix::time::ClockId) -> Option<u64> {
    let time = rustix::time::clock_gettime(clock);
    u64::try_from(time.tv_sec)
        .ok()?
        .checked_mul(1_000_000_000)?
        .checked_add(u64::try_from(time.tv_nsec).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_look_is_followed_by_the_next_due_one() {
        let ms = Duration::from_millis;
        let mut pace = Pace::new(Instant::now(), ms(10));
        pace.advance(ms(1), true);
        assert_eq!((pace.due, pace.missed), (ms(10), 0));
        pace.advance(ms(19), true);
        assert_eq!((pace.due, pace.missed), (ms(20), 0));
        pace.advance(ms(55), false);
        assert_eq!((pace.due, pace.missed, pace.busy), (ms(60), 3, 0));
        pace.advance(ms(85), true);
        assert_eq!((pace.due, pace.missed, pace.busy), (ms(90), 5, 2));
    }

    #[test]
    fn a_round_is_late_for_want_of_a_processor_if_the_thread_used_little_of_one() {
        let ms = Duration::from_millis;
        let mut pace = Pace::new(Instant::now(), ms(10));
        pace.last = (ms(10), Some(1_000_000));
        assert!(pace.slept(ms(50), Some(6_000_000)), "5 of 40 ms on a processor");
        assert!(!pace.slept(ms(50), Some(40_000_000)), "39 of 40 ms on a processor");
        assert!(!pace.slept(ms(50), None), "not measured");
    }

    #[test]
    fn an_end_is_noticed_while_waiting() {
        let mut pace = Pace::new(Instant::now(), Duration::from_secs(3600));
        assert!(pace.wait(|| false), "the first look is due at once");
        assert!(!pace.wait(|| true));
    }
}
