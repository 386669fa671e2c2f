use super::*;

#[test]
fn only_one_is_singular() {
    assert_eq!(counted(1_u32, "thread"), "1 thread");
    assert_eq!(counted(0_u64, "thread"), "0 threads");
    assert_eq!(counted(3_usize, "asyncio task"), "3 asyncio tasks");
    assert_eq!(counted(2_u64, "process"), "2 processes");
    assert_eq!(counted(2_u64, "library"), "2 libraries");
    assert_eq!(counted(2_u64, "way"), "2 ways");
    assert_eq!(counted(1_234_u64, "object"), "1,234 objects");
}

#[test]
fn exact_counts_keep_all_digits() {
    let shown = [0_u64, 999, 1000, 1_234_567].map(grouped);
    assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
}

#[test]
fn measured_values_have_three_significant_digits() {
    let shown = [0.0, 0.123, 9.994, 9.996, 99.96, 1234.0, 45_600.0, 2.5e6].map(number);
    assert_eq!(shown, ["0", "0.12", "9.99", "10.0", "100", "1234", "45.6 k", "2.50 M"]);
    assert_eq!(rate(1500.0), "1500/s");
}

#[test]
fn durations_range_from_nanoseconds_to_hours() {
    let shown = [0.0, 5e-9, 0.0999, 0.9996, 1.2345, 99.94].map(duration);
    assert_eq!(shown, ["0 s", "5.00 ns", "99.9 ms", "1.00 s", "1.23 s", "99.9 s"]);
    let shown = [99.96, 119.7, 125.0, 3599.4, 3599.6, 7500.0].map(duration);
    assert_eq!(
        shown,
        ["1 min 40 s", "2 min 0 s", "2 min 5 s", "59 min 59 s", "1 h 0 min", "2 h 5 min"]
    );
}

#[test]
fn bytes_have_binary_units() {
    let shown = [0, 999, 1024, 65536, 3 << 19, 1 << 31, 3 << 40].map(bytes);
    assert_eq!(shown, ["0 B", "999 B", "1.00 KiB", "64.0 KiB", "1.50 MiB", "2.00 GiB", "3.00 TiB"]);
}

#[test]
fn energies_powers_and_frequencies_have_their_units() {
    assert_eq!([0.0, 0.656, 12.34, -1500.0].map(energy), ["0 J", "656 mJ", "12.3 J", "-1.50 kJ"]);
    assert_eq!([0.74, 12.3].map(power), ["740 mW", "12.3 W"]);
    assert_eq!(
        [0.5, 49.8, 1000.0, 2.5e6].map(frequency),
        ["0.50 Hz", "49.8 Hz", "1.00 kHz", "2.50 MHz"]
    );
}

#[test]
fn shares_and_ratios_are_never_rounded_to_nothing() {
    let shown = [0.0, 1e-6, 0.005, 0.271, 0.9999, 1.0].map(percent);
    assert_eq!(shown, ["0 %", "<0.01 %", "0.50 %", "27.1 %", ">99.9 %", "100 %"]);
    assert_eq!([0.003, 0.1, 1.159, 12.34].map(ratio), ["1/333", "0.10", "1.16", "12.3"]);
    assert_eq!(interval(0.898, 1.133), "0.90–1.13");
}
