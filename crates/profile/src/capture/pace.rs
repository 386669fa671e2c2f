//! When the next look is due: looks are at whole multiples of the period from the beginning on, so that a late one does not
//! push the others back, and what could not be kept up with is counted.

use std::time::{Duration, Instant};

/// Nearer to the due time than this the rest is spun: waking up takes longer.
const SPIN: Duration = Duration::from_micros(30);
/// Looks that are farther apart than this are not worth spinning for: at 1 kHz it would be most of what looking costs.
const WORTH_SPINNING: Duration = Duration::from_micros(200);
/// The longest sleep, so that an end that was asked for is noticed.
const NAP: Duration = Duration::from_millis(50);

/// The looks' timetable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    begin: Instant,
    period: Duration,
    due: Duration,
    pub(super) missed: u64,
}

impl Pace {
    pub(super) fn new(begin: Instant, period: Duration) -> Pace {
        Pace { begin, period, due: Duration::ZERO, missed: 0 }
    }

    /// Waits for the next due time; false if `is_over` says so before that.
    pub(super) fn wait(&mut self, mut is_over: impl FnMut() -> bool) -> bool {
        loop {
            let left = self.due.saturating_sub(self.begin.elapsed());
            if left.is_zero() {
                break;
            }
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
        self.advance(self.begin.elapsed());
        !is_over()
    }

    /// Begins anew: the next look is due now, and none before it was missed.
    pub(super) fn skip(&mut self) {
        self.due = self.begin.elapsed();
    }

    /// Sets the next due time, and counts those that are past already.
    fn advance(&mut self, now: Duration) {
        let period = self.period.as_nanos().max(1);
        let late = now.saturating_sub(self.due).as_nanos() / period;
        let late = u64::try_from(late).unwrap_or(u64::MAX);
        self.missed = self.missed.saturating_add(late);
        let steps = u32::try_from(late.saturating_add(1)).unwrap_or(u32::MAX);
        self.due = self.due.saturating_add(self.period.saturating_mul(steps));
    }
}

/// Asks the kernel to wake this thread when it is due and not up to 50 µs later, which is its habit.
pub(super) fn be_punctual() {
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
}

/// Processor time of this process so far.
pub(super) fn cpu_ns() -> Option<u64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
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
        pace.advance(ms(1));
        assert_eq!((pace.due, pace.missed), (ms(10), 0));
        pace.advance(ms(19));
        assert_eq!((pace.due, pace.missed), (ms(20), 0));
        pace.advance(ms(55));
        assert_eq!((pace.due, pace.missed), (ms(60), 3));
    }

    #[test]
    fn an_end_is_noticed_while_waiting() {
        let mut pace = Pace::new(Instant::now(), Duration::from_secs(3600));
        assert!(pace.wait(|| false), "the first look is due at once");
        assert!(!pace.wait(|| true));
    }
}
