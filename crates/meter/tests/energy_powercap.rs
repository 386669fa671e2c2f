//! Tests powercap's totals on a simulated tree: wraps, nested and duplicate zones.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

mod energy_tree;

use energy_tree::{J, PowercapTree, RANGE, end, opened, spent};
use std::fs;
use ungil_meter::energy::{EnergyError, Evidence, Request, Scope, Sensor, open};

#[test]
fn two_sockets_with_memory_are_exact_across_a_wrap() {
    let tree = PowercapTree::two_sockets();
    tree.set("intel-rapl:0", RANGE - 5);
    tree.set("intel-rapl:0:2", RANGE - 1_000_000);
    tree.set("intel-rapl:1", 77);
    // Opened as for a user, with the default limits.
    let request: Request = format!("powercap={}", tree.root().display()).parse().unwrap();
    let mut opened = open(&request).unwrap();
    assert_eq!((opened.sensors.len(), opened.absent.len()), (1, 0));
    let sensor = opened.sensors[0].as_mut();
    sensor.begin().unwrap();
    tree.set("intel-rapl:0", 12_345_678); // wrapped: 5 + 12 345 678
    tree.set("intel-rapl:1", 77 + 20_000_001);
    tree.set("intel-rapl:0:0", 11 * J);
    tree.set("intel-rapl:1:1", 2 * J);
    sensor.poll();
    tree.set("intel-rapl:0", 12_345_679);
    tree.set("intel-rapl:0:2", 3); // wrapped: 1 000 000 + 3
    tree.set("intel-rapl:1:2", 999);
    let reading = end(sensor).unwrap();
    assert_eq!(spent(&reading, "package-0"), (12_345_684, true));
    assert_eq!(spent(&reading, "package-1"), (20_000_001, true));
    assert_eq!(spent(&reading, "dram-0"), (1_000_003, true));
    assert_eq!(spent(&reading, "dram-1"), (999, true));
    assert_eq!(spent(&reading, "core-0"), (11 * J, false));
    assert_eq!(spent(&reading, "uncore-1"), (2 * J, false));
    assert_eq!(reading.domains.len(), 8);
    assert_eq!(reading.microjoules, 12_345_684 + 20_000_001 + 1_000_003 + 999);
    assert_eq!(reading.band, None);
    let about = sensor.about();
    assert_eq!((about.sensor.as_str(), about.evidence), ("powercap", Evidence::Counter));
    assert!(about.covers.starts_with("2 packages + 2 dram; no psys"), "{}", about.covers);
    assert_eq!(about.notes, Vec::<String>::new());
}

#[test]
fn counts_several_wraps_in_one_window() {
    let tree = PowercapTree::new();
    tree.zone("intel-rapl:0", "package-0", 0);
    tree.write("intel-rapl:0", "max_energy_range_uj", "1000\n");
    let mut sensor = opened(&tree);
    sensor.begin().unwrap();
    let mut truth = 0;
    for _ in 0..50 {
        truth += 700;
        tree.set("intel-rapl:0", truth % 1000);
        sensor.poll();
    }
    assert_eq!(end(&mut sensor).unwrap().microjoules, 50 * 700);
}

#[test]
fn psys_is_the_total_and_its_parts_are_only_shown() {
    let tree = PowercapTree::two_sockets();
    tree.zone("intel-rapl:2", "psys", 0);
    let mut sensor = opened(&tree);
    sensor.begin().unwrap();
    tree.set("intel-rapl:2", 100);
    tree.set("intel-rapl:0", 40);
    tree.set("intel-rapl:1", 30);
    tree.set("intel-rapl:1:2", 7);
    let reading = end(&mut sensor).unwrap();
    assert_eq!(reading.microjoules, 100);
    assert_eq!(spent(&reading, "psys"), (100, true));
    assert_eq!(spent(&reading, "package-0"), (40, false));
    assert_eq!(spent(&reading, "dram-1"), (7, false));
    assert!(sensor.about().covers.starts_with("psys"), "{}", sensor.about().covers);
}

#[test]
fn unconnected_psys_is_detected_and_no_longer_counted() {
    let tree = PowercapTree::two_sockets();
    tree.zone("intel-rapl:2", "psys", 5);
    let mut sensor = opened(&tree);
    sensor.begin().unwrap();
    tree.set("intel-rapl:0", 40);
    let error = end(&mut sensor).unwrap_err();
    assert!(
        matches!(&error, EnergyError::Malformed { domain, .. } if domain == "psys"),
        "{error:?}"
    );
    sensor.begin().unwrap();
    tree.set("intel-rapl:0", 100);
    tree.set("intel-rapl:0:2", 3);
    let reading = end(&mut sensor).unwrap();
    assert_eq!(reading.microjoules, 63);
    assert_eq!(spent(&reading, "psys"), (0, false));
    let about = sensor.about();
    assert!(about.covers.starts_with("2 packages + 2 dram; psys shown"), "{}", about.covers);
    assert!(about.notes[0].starts_with("psys is not counted"), "{:?}", about.notes);
}

#[test]
fn psys_below_half_of_its_packages_is_rejected() {
    for (package, is_platform) in [(40, true), (41, false)] {
        let tree = PowercapTree::two_sockets();
        tree.zone("intel-rapl:2", "psys", 0);
        let mut sensor = opened(&tree);
        sensor.begin().unwrap();
        tree.set("intel-rapl:2", 20);
        tree.set("intel-rapl:0", package - 1);
        tree.set("intel-rapl:1", 1);
        assert_eq!(end(&mut sensor).is_ok(), is_platform, "{package}");
    }
}

#[test]
fn equal_names_get_numbers_and_several_psys_are_not_counted() {
    let tree = PowercapTree::two_sockets();
    tree.zone("intel-rapl:2", "psys", 0);
    tree.zone("intel-rapl:10", "psys", 0);
    let mut sensor = opened(&tree);
    sensor.begin().unwrap();
    tree.set("intel-rapl:2", 1000);
    tree.set("intel-rapl:10", 2000);
    tree.set("intel-rapl:0", 1);
    let reading = end(&mut sensor).unwrap();
    // In numerical, not alphabetical, order.
    assert_eq!(spent(&reading, "psys-0"), (1000, false));
    assert_eq!(spent(&reading, "psys-1"), (2000, false));
    assert_eq!(reading.microjoules, 1);
    let mut names: Vec<_> = reading.domains.iter().map(|domain| domain.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), reading.domains.len());
    assert!(sensor.about().notes.iter().any(|note| note.starts_with("2 platform domains")));
}

#[test]
fn dies_are_packages_but_a_nested_package_is_a_part() {
    let tree = PowercapTree::new();
    tree.zone("intel-rapl:0", "package-0-die-0", 0);
    tree.zone("intel-rapl:0:0", "dram", 0);
    tree.zone("intel-rapl:0:1", "package-7", 0);
    tree.zone("intel-rapl:1", "package-0-die-1", 0);
    let mut sensor = opened(&tree);
    sensor.begin().unwrap();
    for (id, energy) in [
        ("intel-rapl:0", 1),
        ("intel-rapl:0:0", 10),
        ("intel-rapl:0:1", 100),
        ("intel-rapl:1", 1000),
    ] {
        tree.set(id, energy);
    }
    let reading = end(&mut sensor).unwrap();
    assert_eq!(reading.microjoules, 1011);
    assert_eq!(spent(&reading, "dram-0-die-0"), (10, true));
    let inner = reading.domains.iter().find(|domain| domain.microjoules == 100).unwrap();
    assert_eq!((inner.scope, inner.counted), (Scope::Part, false));
}

#[test]
fn duplicate_memory_mapped_zone_is_not_read() {
    let tree = PowercapTree::two_sockets();
    fs::create_dir(tree.root().join("intel-rapl-mmio")).unwrap();
    tree.zone("intel-rapl-mmio:0", "package-0", 0);
    // Not a number: reading it would be an error.
    tree.write("intel-rapl-mmio:0", "energy_uj", "not to be read\n");
    let mut sensor = opened(&tree);
    sensor.begin().unwrap();
    tree.set("intel-rapl:0", 9);
    let reading = end(&mut sensor).unwrap();
    assert_eq!((reading.microjoules, reading.domains.len()), (9, 8));
    assert_eq!(
        sensor.about().notes,
        vec!["intel-rapl-mmio:0 duplicates package-0 (intel-rapl:0) and is not read".to_owned()]
    );
}

#[test]
fn memory_mapped_zone_without_duplicate_is_used() {
    let tree = PowercapTree::new();
    tree.zone("intel-rapl-mmio:0", "package-0", 5);
    tree.zone("dtpm:0", "something", 0);
    let mut sensor = opened(&tree);
    sensor.begin().unwrap();
    tree.set("intel-rapl-mmio:0", 12);
    assert_eq!(end(&mut sensor).unwrap().microjoules, 7);
    assert_eq!(sensor.about().notes, vec!["dtpm:0 is left out: not a RAPL zone".to_owned()]);
}

#[test]
fn finds_zones_without_a_link() {
    let tree = PowercapTree::two_sockets();
    for id in ["intel-rapl:0", "intel-rapl:0:2", "intel-rapl:1"] {
        fs::remove_file(tree.at(id)).unwrap();
    }
    let mut sensor = opened(&tree);
    sensor.begin().unwrap();
    let nested = |id: &str| tree.root().join("intel-rapl").join(id).join("energy_uj");
    fs::write(nested("intel-rapl:0"), "3\n").unwrap();
    fs::write(nested("intel-rapl:1"), "4\n").unwrap();
    let reading = end(&mut sensor).unwrap();
    assert_eq!((reading.microjoules, reading.domains.len()), (7, 8));
}
