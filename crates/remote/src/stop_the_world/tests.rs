//! Pauses of the world and turns of the GIL, from looks that are given.

use super::*;
use proptest::prelude::*;

#[test]
fn a_pause_names_its_requester_only_while_it_lasts() {
    let mut bytes = [0; WORLD_BYTES];
    bytes[16] = 0x40;
    assert_eq!(World::parse(&bytes, false), Some(World::default()));
    bytes[1] = 1;
    bytes[8] = 3;
    let asked = World { requested: true, stopped: false, requester: Some(0x40), awaited: 3 };
    assert_eq!(World::parse(&bytes, false), Some(asked));
    assert_eq!(
        World::parse(&bytes, true),
        None,
        "the process's own structure says that it is that"
    );
    bytes[2] = 2;
    assert_eq!(World::parse(&bytes, false), None);
}

#[test]
fn pauses_are_runs_of_looks_and_stand_for_the_time_before_each() {
    let mut watch = WorldWatch::default();
    for (ms, stopped) in [(0, true), (10, true), (20, false), (30, true), (40, true), (50, false)] {
        watch.look(ms * 1_000_000, stopped);
    }
    let Pauses { looks, hits, count, seconds, longest_s } = watch.seen;
    assert_eq!((looks, hits, count), (6, 4, 2));
    assert!((seconds - 0.03).abs() < 1e-9 && (longest_s - 0.02).abs() < 1e-9);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes: [u8; WORLD_BYTES], global: bool) {
        let _ = World::parse(&bytes, global);
    }
}
