//! Tests of the collector statistics on constructed and on arbitrary bytes.

use super::*;
use proptest::prelude::*;

/// The rings of 3.15 with the GIL.
const RINGS: [StatsRing; GENERATIONS] = [
    StatsRing { first: 0, len: 11, index: 704 },
    StatsRing { first: 712, len: 3, index: 904 },
    StatsRing { first: 912, len: 3, index: 1104 },
];

/// Returns the rings of 3.15 with the GIL, with entries of generation 0 numbered `numbers`. The
/// last one is current.
fn rings(numbers: &[u64], seconds: f64) -> Vec<u8> {
    let mut bytes = vec![0; 1120];
    for (entry, number) in numbers.iter().enumerate() {
        let words =
            [1_000 * number, 1_000 * number + 500, *number, 7 * number, 0, 0, seconds.to_bits(), 0];
        for (field, word) in words.iter().enumerate() {
            let at = entry * GcStats::ENTRY as usize + field * 8;
            bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
    }
    bytes[704] = (numbers.len() - 1) as u8;
    bytes
}

fn collector(numbers: &[u64], seconds: f64) -> CollectorState {
    let mut found = CollectorState::default();
    found.parse_rings(&rings(numbers, seconds), &RINGS);
    found
}

#[test]
fn current_entry_has_the_totals_and_every_entry_is_a_collection() {
    let found = collector(&[5, 6, 7], 0.25);
    let [young, ..] = found.generations.expect("counts");
    assert_eq!((young.collections, young.collected, young.duration_s), (7, 49, Some(0.25)));
    assert_eq!(found.recent.len(), 3);
    assert_eq!(found.duration_s(), Some(0.25));
}

#[test]
fn overwritten_collections_are_lost_but_their_time_is_counted() {
    let mut watch = CollectorWatch::default();
    watch.look(0, collector(&[1], 1.0));
    let new = watch.look(1_000_000, collector(&[8, 9, 10], 1.5));
    assert_eq!((new.total(), new.lost, new.exact), (9, 6, true));
    assert!((new.seconds - 0.5).abs() < 1e-12);
    assert!((new.longest_s - 500e-9).abs() < 1e-15);
}

#[test]
fn duration_is_sampled_without_statistics() {
    let at = |collecting, collections| CollectorState {
        collecting,
        generations: parse_counts(&[[collections, 0, 0], [0; 3], [0; 3]].concat().iter().fold(
            Vec::new(),
            |mut bytes, word: &u64| {
                bytes.extend(word.to_le_bytes());
                bytes
            },
        )),
        recent: Vec::new(),
    };
    let mut watch = CollectorWatch::default();
    for (ms, collecting, collections) in
        [(0, false, 3), (10, true, 3), (20, true, 3), (30, false, 4), (40, false, 4)]
    {
        watch.look(ms * 1_000_000, at(collecting, collections));
    }
    assert_eq!((watch.seen.total(), watch.seen.exact, watch.seen.lost), (1, false, 0));
    assert!((watch.seen.seconds - 0.02).abs() < 1e-9, "{}", watch.seen.seconds);
    assert!((watch.seen.longest_s - 0.02).abs() < 1e-9);
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1300)) {
        let mut watch = CollectorWatch::default();
        for _ in 0..3 {
            let mut found = CollectorState { generations: parse_counts(&bytes), ..CollectorState::default() };
            found.parse_rings(&bytes, &RINGS);
            let new = watch.look(1, found);
            prop_assert!(new.seconds >= 0.0 && new.seconds.is_finite());
        }
    }
}
