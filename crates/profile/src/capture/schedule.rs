//! Decides when the next look is due. Looks are due at whole multiples of the period from the
//! beginning, so that a late look does not delay the following ones. Looks that could not be taken
//! in time are counted.

use std::time::{Duration, Instant};

/// The last part of a wait, which is spun: waking up takes longer.
const SPIN_TIME: Duration = Duration::from_micros(30);
/// Longer periods do not spin: at 1 kHz spinning would be most of the cost of profiling.
const MAX_SPINNING_PERIOD: Duration = Duration::from_micros(200);
/// Maximum length of one sleep, so that a request to stop is noticed.
const MAX_SLEEP: Duration = Duration::from_millis(50);

/// Shorter periods do not measure the CPU time of each look: reading the clock would be a part of
/// their cost.
const MIN_MEASURED_PERIOD: Duration = Duration::from_micros(50);

/// The schedule of looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    begin: Instant,
    period: Duration,
    due: Duration,
    /// When the last round began, and this thread's CPU time by then.
    last: (Duration, Option<u64>),
    /// Rounds that were due but not taken.
    pub(super) missed: u64,
    /// Missed rounds for which this thread was not scheduled by the kernel in time.
    pub(super) busy: u64,
}

impl Schedule {
    pub(super) fn new(begin: Instant, period: Duration) -> Schedule {
        Schedule {
            begin,
            period,
            due: Duration::ZERO,
            last: (Duration::ZERO, None),
            missed: 0,
            busy: 0,
        }
    }

    /// Waits for the next due time. Returns false if `is_over` returns true first.
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
            if self.period > MAX_SPINNING_PERIOD {
                std::thread::sleep(left.min(MAX_SLEEP));
            } else if left > SPIN_TIME {
                std::thread::sleep((left - SPIN_TIME / 2).min(MAX_SLEEP));
            } else {
                std::hint::spin_loop();
            }
        }
        let now = self.begin.elapsed();
        let cpu = (self.period >= MIN_MEASURED_PERIOD).then(thread_cpu_ns).flatten();
        // A thread that had time to wait was ready when the round was due.
        let was_ready = waited || self.was_descheduled(now, cpu);
        self.advance(now, was_ready);
        self.last = (now, cpu);
        !is_over()
    }

    /// Restarts the schedule: the next look is due now, and none before it was missed.
    pub(super) fn skip(&mut self) {
        self.due = self.begin.elapsed();
    }

    /// Returns whether this thread has spent most of the time since the last round off the CPU.
    fn was_descheduled(&self, now: Duration, cpu: Option<u64>) -> bool {
        let (then, before) = self.last;
        let used =
            cpu.zip(before).map(|(cpu, before)| Duration::from_nanos(cpu.saturating_sub(before)));
        used.is_some_and(|used| used < now.saturating_sub(then) / 2)
    }

    /// Sets the next due time, and counts the rounds that are already past: as `busy` if the thread
    /// was ready.
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

/// Asks the kernel to wake this thread on time. By default timers may be up to 50 µs late.
pub(super) fn minimize_timer_slack() {
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
}

/// Returns the CPU time of this process.
pub(super) fn process_cpu_ns() -> Option<u64> {
    nanoseconds(rustix::time::ClockId::ProcessCPUTime)
}

/// Returns the CPU time of this thread.
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
    fn a_late_look_does_not_delay_the_next() {
        let ms = Duration::from_millis;
        let mut schedule = Schedule::new(Instant::now(), ms(10));
        schedule.advance(ms(1), true);
        assert_eq!((schedule.due, schedule.missed), (ms(10), 0));
        schedule.advance(ms(19), true);
        assert_eq!((schedule.due, schedule.missed), (ms(20), 0));
        schedule.advance(ms(55), false);
        assert_eq!((schedule.due, schedule.missed, schedule.busy), (ms(60), 3, 0));
        schedule.advance(ms(85), true);
        assert_eq!((schedule.due, schedule.missed, schedule.busy), (ms(90), 5, 2));
    }

    #[test]
    fn a_missed_round_counts_as_busy_if_the_thread_was_descheduled() {
        let ms = Duration::from_millis;
        let mut schedule = Schedule::new(Instant::now(), ms(10));
        schedule.last = (ms(10), Some(1_000_000));
        assert!(schedule.was_descheduled(ms(50), Some(6_000_000)), "5 of 40 ms on a CPU");
        assert!(!schedule.was_descheduled(ms(50), Some(40_000_000)), "39 of 40 ms on a CPU");
        assert!(!schedule.was_descheduled(ms(50), None), "not measured");
    }

    #[test]
    fn waiting_ends_on_request() {
        let mut schedule = Schedule::new(Instant::now(), Duration::from_secs(3600));
        assert!(schedule.wait(|| false), "the first look is due at once");
        assert!(!schedule.wait(|| true));
    }
}
