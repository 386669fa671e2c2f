//! Tests of the arithmetic with simulated clocks, without threads or processes.

use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);

/// A curve and a clock in seconds.
struct Fixture {
    zero: Instant,
    curve: Curve,
}

impl Fixture {
    fn new() -> Self {
        Self { zero: Instant::now(), curve: Curve::default() }
    }
    fn at(&self, seconds: f64) -> Instant {
        self.zero + Duration::from_secs_f64(seconds)
    }
    fn watts(&mut self, seconds: f64, watts: f64) {
        self.curve.push(self.at(seconds), Value::Watts(watts));
    }
    fn joules(&mut self, seconds: f64, joules: f64) {
        self.curve.push(self.at(seconds), Value::Joules(joules));
    }
    fn begin(&mut self, seconds: f64) {
        let at = self.at(seconds);
        self.curve.begin(at);
    }
    fn close(&mut self, seconds: f64) {
        let at = self.at(seconds);
        self.curve.close(at);
    }
    fn near(&mut self, joules: f64) {
        let got = self.curve.finish(TIMEOUT).unwrap();
        assert!((got - joules).abs() < 1e-6, "{got} J instead of {joules} J");
    }
    fn silent(&mut self, part: &str) {
        match self.curve.finish(TIMEOUT) {
            Err(Fault::Silent(why)) => assert!(why.contains(part), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn ramp_of_watts_is_integrated_between_the_edges() {
    // P(t) = 10 t: from 0.5 s to 2.5 s that is 5 * (2.5^2 - 0.5^2) = 30 J.
    let mut b = Fixture::new();
    b.watts(0.0, 0.0);
    b.begin(0.5);
    b.watts(1.0, 10.0);
    b.watts(2.0, 20.0);
    b.close(2.5);
    assert!(!b.curve.bracketed());
    b.watts(3.0, 30.0);
    assert!(b.curve.bracketed());
    b.watts(4.0, 999.0); // after the bracket: ignored
    b.near(30.0);
}

#[test]
fn watts_are_held_where_no_reading_is_beyond_the_edge() {
    let mut b = Fixture::new();
    b.begin(0.0);
    b.watts(1.0, 10.0); // 10 J before it, held backwards
    b.watts(2.0, 20.0); // 15 J
    b.close(4.0); // 40 J held
    b.near(65.0);
}

#[test]
fn joules_are_interpolated_at_both_edges() {
    let mut b = Fixture::new();
    b.joules(0.0, 1000.0);
    b.begin(0.25); // a quarter of 100 J later
    b.joules(1.0, 1100.0);
    b.joules(2.0, 1300.0);
    b.close(2.5);
    b.joules(3.0, 1500.0); // half of 200 J
    b.near(1400.0 - 1025.0);
}

#[test]
fn window_between_two_readings_is_interpolated() {
    let mut b = Fixture::new();
    b.joules(0.0, 100.0);
    b.begin(0.25);
    b.close(0.75);
    b.joules(1.0, 200.0);
    b.near(50.0);
}

#[test]
fn joules_stay_at_the_nearest_reading_where_there_is_none_beyond() {
    let mut b = Fixture::new();
    b.begin(0.0);
    b.joules(1.0, 100.0);
    b.joules(2.0, 160.0);
    b.close(3.0);
    b.near(60.0);
}

#[test]
fn late_reading_stamped_before_the_edge_counts_before_it() {
    // The line was stamped at 0.9 s, but processed after the window was opened at 1 s.
    let mut b = Fixture::new();
    b.joules(0.0, 0.0);
    b.begin(1.0);
    b.joules(0.9, 90.0);
    b.joules(1.1, 110.0);
    b.close(2.0);
    b.joules(2.0, 200.0);
    b.joules(2.1, 210.0);
    b.near(100.0);
}

#[test]
fn consecutive_windows() {
    // 10 W as joules; every window has one reading inside, and the reading after it is the one
    // before the next window.
    let mut b = Fixture::new();
    b.joules(0.0, 0.0);
    for k in 0..10 {
        let t = f64::from(2 * k);
        b.begin(t + 0.5);
        b.joules(t + 1.0, (t + 1.0) * 10.0);
        b.close(t + 1.75);
        b.joules(t + 2.0, (t + 2.0) * 10.0);
        b.near(12.5);
    }
}

#[test]
fn too_few_readings_are_an_error() {
    let mut b = Fixture::new();
    b.begin(0.0);
    b.close(1.0);
    b.silent("not printed a reading yet");
    b.watts(2.0, 10.0);
    b.begin(3.0);
    b.close(4.0);
    b.silent("no reading in the window");
    b.silent("no window");

    let mut b = Fixture::new();
    b.begin(0.0);
    b.joules(0.5, 10.0);
    b.close(1.0);
    b.silent("two are needed");

    let mut b = Fixture::new();
    b.begin(0.0);
    b.watts(0.5, 10.0);
    b.close(100.0);
    b.silent("older than the window's end");
}

#[test]
fn decreasing_joules_invalidate_only_this_window() {
    let mut b = Fixture::new();
    b.joules(0.0, 100.0);
    b.begin(0.5);
    b.joules(1.0, 5.0);
    b.close(1.5);
    b.joules(2.0, 15.0);
    assert!(
        matches!(b.curve.finish(TIMEOUT), Err(Fault::Jumped(why)) if why.contains("from 100 to 5"))
    );
    b.begin(2.0);
    b.joules(3.0, 25.0);
    b.close(3.0);
    b.near(10.0);
}

#[test]
fn other_quantity_is_counted_but_not_used() {
    let mut b = Fixture::new();
    b.watts(0.0, 10.0);
    b.begin(0.0);
    b.joules(0.5, 7777.0);
    b.watts(1.0, 10.0);
    b.close(1.0);
    b.near(10.0);
    assert_eq!(b.curve.other(), 1);
    assert_eq!(b.curve.resolution(), Some(("watts", 1.0)));
}
