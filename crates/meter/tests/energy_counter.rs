//! Tests the wrapping counter, the exactness of units, and files with arbitrary content.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

mod energy_tree;

use energy_tree::PowercapTree;
use proptest::prelude::*;
use std::time::{Duration, Instant};
use ungil_meter::energy::counter::{Counter, Limit, Unit};
use ungil_meter::energy::powercap::Powercap;
use ungil_meter::energy::{Sensor, Usage};

/// Accepts any advance.
const ANYTHING: Limit = Limit { watts: f64::MAX, slack: Duration::from_secs(1) };

#[test]
fn scale_of_perf_is_exact() {
    // As the kernel writes it: 2^-32.
    let unit = Unit::from_joules("2.3283064365386962890625e-10".parse().unwrap()).unwrap();
    assert_eq!(unit, Unit { multiplier: 15_625, shift: 26 });
    assert_eq!(unit.microjoules(1 << 32), Some(1_000_000));
    assert_eq!(unit.microjoules(0), Some(0));
    // The largest count: (2^64 - 1) * 10^6 / 2^32 = 4294967295999999.99977, which a float cannot
    // represent.
    assert_eq!(unit.microjoules(u64::MAX), Some(4_294_967_296_000_000));
    // One count is 0.00023 uJ, 2148 counts are 0.50012 uJ: rounded to the nearest.
    assert_eq!((unit.microjoules(2147), unit.microjoules(2148)), (Some(0), Some(1)));
}

#[test]
fn other_scales() {
    assert_eq!(Unit::from_joules(1e-6).unwrap().microjoules(123_456_789), Some(123_456_789));
    assert_eq!(Unit::from_joules(1.0).unwrap().microjoules(5), Some(5_000_000));
    assert_eq!(Unit::from_joules(1000.0).unwrap().microjoules(5), Some(5_000_000_000));
    assert_eq!(Unit::MILLIJOULE.microjoules(7), Some(7000));
    assert_eq!(Unit::MILLIJOULE.microjoules(u64::MAX), None);
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9, 1e-300, f64::MIN_POSITIVE] {
        assert_eq!(Unit::from_joules(bad), None, "{bad}");
    }
}

#[test]
fn plausible_advance_grows_with_time() {
    let limit = Limit { watts: 100.0, slack: Duration::from_secs(1) };
    let zero = Instant::now();
    let step = |seconds: u64, to: u64| {
        let mut counter = Counter::new(Unit::MICROJOULE, Some(1_000_000_000), limit);
        counter.start(0, zero);
        counter.advance(to, zero + Duration::from_secs(seconds)).map(|()| counter.microjoules())
    };
    assert_eq!(step(0, 100_000_000), Ok(Some(100_000_000)));
    assert!(step(0, 100_000_001).is_err());
    assert_eq!(step(2, 300_000_000), Ok(Some(300_000_000)));
    assert!(step(2, 300_000_001).is_err());
}

#[test]
fn wrapped_advance_is_new_plus_range_minus_old() {
    let zero = Instant::now();
    let mut counter = Counter::new(Unit::MICROJOULE, Some(100), ANYTHING);
    counter.start(100, zero);
    counter.advance(0, zero).unwrap();
    assert_eq!(counter.microjoules(), Some(0));
    counter.advance(99, zero).unwrap();
    counter.advance(98, zero).unwrap();
    assert_eq!(counter.microjoules(), Some(99 + 99));
}

proptest! {
    /// Increments between readings less than a range apart, read modulo the range, sum exactly.
    #[test]
    fn true_increments_sum_exactly(
        range in 2u64..=u64::MAX / 2,
        start in any::<u64>(),
        steps in proptest::collection::vec(any::<u64>(), 0..200),
    ) {
        let zero = Instant::now();
        let mut counter = Counter::new(Unit::MICROJOULE, Some(range), ANYTHING);
        let mut raw = start % range;
        let mut truth = 0u64;
        counter.start(raw, zero);
        for step in steps {
            let step = step % range;
            let Some(next) = truth.checked_add(step) else { break };
            truth = next;
            raw = u64::try_from((u128::from(raw) + u128::from(step)) % u128::from(range)).unwrap();
            prop_assert_eq!(counter.advance(raw, zero), Ok(()));
        }
        prop_assert_eq!(counter.microjoules(), Some(truth));
    }

    /// Arbitrary numbers give a figure or a jump, never a panic, and a jump leaves the sum
    /// unchanged.
    #[test]
    fn any_numbers(
        range in proptest::option::of(any::<u64>()),
        raws in proptest::collection::vec(any::<u64>(), 1..50),
        multiplier in any::<u128>(),
        shift in 0u32..128,
    ) {
        let zero = Instant::now();
        let mut counter = Counter::new(Unit { multiplier, shift }, range, Limit::DOMAIN);
        counter.start(raws[0], zero);
        for raw in raws {
            let before = counter.microjoules();
            if counter.advance(raw, zero).is_err() {
                prop_assert_eq!(counter.microjoules(), before);
            }
        }
    }

    /// Compares with the product of floats.
    #[test]
    fn microjoules_are_scale_times_count(count in 0u64..1 << 40, scale in 1e-12f64..1e-6) {
        let exact = count as f64 * scale * 1e6;
        let got = Unit::from_joules(scale).and_then(|unit| unit.microjoules(count)).unwrap() as f64;
        prop_assert!((got - exact).abs() <= 0.5 + exact * 1e-14, "{got} {exact}");
    }

    /// Files with arbitrary content give an error or a working sensor, never a panic.
    #[test]
    fn files_of_any_content(
        files in proptest::collection::vec((0usize..5, proptest::collection::vec(any::<u8>(), 0..40)), 1..4),
        numbers in proptest::collection::vec("[0-9]{0,25}", 4),
    ) {
        let tree = PowercapTree::two_sockets();
        let names = ["name", "energy_uj", "max_energy_range_uj", "constraint_0_max_power_uw", "enabled"];
        for (file, bytes) in files {
            tree.write("intel-rapl:0", names[file], bytes);
        }
        tree.write("intel-rapl:1", "max_energy_range_uj", &numbers[0]);
        tree.write("intel-rapl:1", "constraint_0_max_power_uw", &numbers[1]);
        if let Ok(mut sensor) = Powercap::open(tree.root()) {
            let _ = sensor.begin();
            for number in &numbers[2..] {
                tree.write("intel-rapl:1", "energy_uj", number);
                sensor.poll();
            }
            let _ = sensor.end(&Usage::default());
            let _ = sensor.about();
        }
    }
}
