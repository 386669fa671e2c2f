//! Tests of stop-the-world pauses on constructed looks.

use super::*;
use proptest::prelude::*;

#[test]
fn pause_has_a_requester_only_while_requested() {
    let mut bytes = [0; STOP_THE_WORLD_SIZE];
    bytes[16] = 0x40;
    assert_eq!(StopTheWorldState::parse(&bytes, false), Some(StopTheWorldState::default()));
    bytes[1] = 1;
    bytes[8] = 3;
    let asked =
        StopTheWorldState { requested: true, stopped: false, requester: Some(0x40), awaited: 3 };
    assert_eq!(StopTheWorldState::parse(&bytes, false), Some(asked));
    assert_eq!(
        StopTheWorldState::parse(&bytes, true),
        None,
        "the process's structure has the global flag"
    );
    bytes[2] = 2;
    assert_eq!(StopTheWorldState::parse(&bytes, false), None);
}

#[test]
fn pauses_are_runs_of_looks_and_cover_the_preceding_intervals() {
    let mut watch = PauseWatch::default();
    for (ms, stopped) in [(0, true), (10, true), (20, false), (30, true), (40, true), (50, false)] {
        watch.look(ms * 1_000_000, stopped);
    }
    let Pauses { looks, hits, count, seconds, longest_s } = watch.seen;
    assert_eq!((looks, hits, count), (6, 4, 2));
    assert!((seconds - 0.03).abs() < 1e-9 && (longest_s - 0.02).abs() < 1e-9);
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes: [u8; STOP_THE_WORLD_SIZE], global: bool) {
        let _ = StopTheWorldState::parse(&bytes, global);
    }
}
