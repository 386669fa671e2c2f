//! Powercap against a simulated tree that wraps, jumps, vanishes and refuses.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

mod energy_tree;

use energy_tree::{PowercapTree, RANGE};
use std::fs;
use std::time::Duration;
use ungil_meter::energy::counter::Limit;
use ungil_meter::energy::powercap::Powercap;
use ungil_meter::energy::{EnergyError, Evidence, Reading, Request, Scope, Sensor, Usage, open};

/// A joule is one million.
const J: u64 = 1_000_000;

/// Believes 1 kJ whatever the clock does (it would take the test a month to matter), so that a jump
/// is one on a machine of any speed.
const KILOJOULE: Limit = Limit { watts: 1e-6, slack: Duration::from_secs(1_000_000_000) };

fn opened(tree: &PowercapTree) -> Powercap {
    Powercap::open_with(tree.root(), Some(KILOJOULE)).unwrap()
}

fn end(sensor: &mut dyn Sensor) -> Result<Reading, EnergyError> {
    sensor.end(&Usage::default())
}

fn spent(reading: &Reading, name: &str) -> (u64, bool) {
    let domain = reading
        .domains
        .iter()
        .find(|domain| domain.name == name)
        .unwrap_or_else(|| panic!("{name}"));
    (domain.microjoules, domain.counted)
}

#[test]
fn two_sockets_with_memory_are_exact_across_a_wrap() {
    let tree = PowercapTree::two_sockets();
    tree.set("intel-rapl:0", RANGE - 5);
    tree.set("intel-rapl:0:2", RANGE - 1_000_000);
    tree.set("intel-rapl:1", 77);
    // Through the door the user takes, with the limits the user has.
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
    assert!(about.covers.starts_with("2 packages + 2 dram; psys not here"), "{}", about.covers);
    assert_eq!(about.notes, Vec::<String>::new());
}

#[test]
fn several_wraps_in_one_window_are_all_counted() {
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
fn psys_is_the_total_and_what_is_inside_is_shown() {
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
fn a_psys_that_is_not_wired_up_is_found_out_and_no_longer_counted() {
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
fn a_psys_of_less_than_half_its_packages_is_none() {
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
fn two_zones_of_one_name_stay_apart_and_several_psys_are_not_counted() {
    let tree = PowercapTree::two_sockets();
    tree.zone("intel-rapl:2", "psys", 0);
    tree.zone("intel-rapl:10", "psys", 0);
    let mut sensor = opened(&tree);
    sensor.begin().unwrap();
    tree.set("intel-rapl:2", 1000);
    tree.set("intel-rapl:10", 2000);
    tree.set("intel-rapl:0", 1);
    let reading = end(&mut sensor).unwrap();
    // In the order of the numbers, not of the letters.
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
fn dies_of_one_package_are_packages_and_a_package_inside_one_is_not() {
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
fn a_memory_mapped_twin_is_noted_and_not_read() {
    let tree = PowercapTree::two_sockets();
    fs::create_dir(tree.root().join("intel-rapl-mmio")).unwrap();
    tree.zone("intel-rapl-mmio:0", "package-0", 0);
    // Not even a number: were it read, it would be an error.
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
fn a_memory_mapped_zone_without_a_twin_is_the_counter() {
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
fn zones_that_are_only_nested_are_found_too() {
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

#[test]
fn a_jump_back_voids_its_window_and_the_next_is_good() {
    let tree = PowercapTree::two_sockets();
    tree.set("intel-rapl:1", RANGE / 2);
    let mut sensor = opened(&tree);
    sensor.begin().unwrap();
    tree.set("intel-rapl:1", 10); // a reset: as a wrap it would be 131 kJ
    sensor.poll();
    tree.set("intel-rapl:1", 20);
    sensor.poll();
    let error = end(&mut sensor).unwrap_err();
    assert!(
        matches!(&error, EnergyError::Jumped { domain, .. } if domain == "package-1"),
        "{error:?}"
    );
    assert!(error.why().contains(&format!("from {} to 10", RANGE / 2)), "{}", error.why());
    sensor.begin().unwrap();
    tree.set("intel-rapl:1", 25);
    assert_eq!(end(&mut sensor).unwrap().microjoules, 5);
}

#[test]
fn a_jump_forward_voids_its_window() {
    let tree = PowercapTree::two_sockets();
    let mut sensor = opened(&tree);
    sensor.begin().unwrap();
    tree.set("intel-rapl:0", 1000 * J + 1);
    assert!(matches!(end(&mut sensor), Err(EnergyError::Jumped { .. })));
    sensor.begin().unwrap();
    tree.set("intel-rapl:0", 2000 * J); // just under what is believed
    assert_eq!(end(&mut sensor).unwrap().microjoules, 1000 * J - 1);
}

#[test]
fn the_default_limit_tells_a_reset_from_a_wrap() {
    // 2 kW for the time and five seconds more: 131 kJ would take this test over a minute of
    // standing still.
    let tree = PowercapTree::two_sockets();
    tree.set("intel-rapl:0", RANGE / 2);
    let mut sensor = Powercap::open(tree.root()).unwrap();
    sensor.begin().unwrap();
    tree.set("intel-rapl:0", 10);
    assert!(matches!(end(&mut sensor), Err(EnergyError::Jumped { .. })));
}

#[test]
fn without_a_range_a_step_back_is_a_jump_and_a_step_forward_is_not() {
    let tree = PowercapTree::two_sockets();
    fs::remove_file(tree.at("intel-rapl:0").join("max_energy_range_uj")).unwrap();
    tree.set("intel-rapl:0", 50);
    let mut sensor = opened(&tree);
    assert!(
        sensor.about().notes[0].starts_with("package-0 states no range"),
        "{:?}",
        sensor.about().notes
    );
    sensor.begin().unwrap();
    tree.set("intel-rapl:0", 60);
    assert_eq!(end(&mut sensor).unwrap().microjoules, 10);
    sensor.begin().unwrap();
    tree.set("intel-rapl:0", 59);
    assert!(matches!(end(&mut sensor), Err(EnergyError::Jumped { .. })));
}

#[test]
fn a_counter_that_vanishes_voids_its_window_and_may_come_back() {
    let tree = PowercapTree::two_sockets();
    let mut sensor = opened(&tree);
    sensor.begin().unwrap();
    fs::remove_file(tree.at("intel-rapl:1").join("energy_uj")).unwrap();
    sensor.poll();
    tree.set("intel-rapl:1", 4); // back before the end: the gap is still a gap
    let error = end(&mut sensor).unwrap_err();
    assert!(
        matches!(&error, EnergyError::Vanished { domain, .. } if domain == "package-1"),
        "{error:?}"
    );

    fs::remove_file(tree.at("intel-rapl:1").join("energy_uj")).unwrap();
    assert!(matches!(sensor.begin(), Err(EnergyError::Vanished { .. })));
    assert!(matches!(end(&mut sensor), Err(EnergyError::NoWindow { sensor: "powercap" })));

    tree.set("intel-rapl:1", 10);
    sensor.begin().unwrap();
    tree.set("intel-rapl:1", 16);
    assert_eq!(end(&mut sensor).unwrap().microjoules, 6);
}

#[test]
fn a_shown_domain_that_vanishes_leaves_the_total_alone_and_is_said() {
    let tree = PowercapTree::two_sockets();
    let mut sensor = opened(&tree);
    sensor.begin().unwrap();
    fs::remove_file(tree.at("intel-rapl:0:0").join("energy_uj")).unwrap();
    tree.set("intel-rapl:0", 8);
    let reading = end(&mut sensor).unwrap();
    assert_eq!((reading.microjoules, reading.domains.len()), (8, 7));
    let notes = sensor.about().notes;
    assert!(
        notes.len() == 1 && notes[0].starts_with("core-0 (not counted) is missing"),
        "{notes:?}"
    );
}

#[test]
fn a_whole_tree_that_goes_away_is_an_error_and_not_a_zero() {
    let tree = PowercapTree::two_sockets();
    let mut sensor = opened(&tree);
    sensor.begin().unwrap();
    fs::remove_dir_all(tree.root()).unwrap();
    assert!(matches!(end(&mut sensor), Err(EnergyError::Vanished { .. })));
}

#[test]
fn an_unreadable_part_of_the_total_is_an_error_and_of_the_rest_is_a_note() {
    let unreadable = |id: &str| {
        let tree = PowercapTree::two_sockets();
        let file = tree.at(id).join("energy_uj");
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        Powercap::open(tree.root()).map(|sensor| sensor.about().notes)
    };
    let error = unreadable("intel-rapl:1:2").unwrap_err();
    assert!(
        matches!(&error, EnergyError::Unreadable { domain, .. } if domain == "dram-1"),
        "{error:?}"
    );
    let notes = unreadable("intel-rapl:1:0").unwrap();
    assert!(
        notes.len() == 1
            && notes[0].starts_with("core-1 (intel-rapl:1:0, not counted) is left out"),
        "{notes:?}"
    );
}

#[test]
fn a_package_without_its_counter_is_not_left_out_of_the_total() {
    let tree = PowercapTree::two_sockets();
    fs::remove_file(tree.at("intel-rapl:1").join("energy_uj")).unwrap();
    assert!(
        matches!(Powercap::open(tree.root()), Err(EnergyError::Vanished { domain, .. }) if domain == "package-1")
    );
}

#[test]
fn no_zones_is_absent_with_the_reason() {
    let tree = PowercapTree::new();
    let error = Powercap::open(tree.root()).map(|_| ()).unwrap_err();
    assert!(matches!(&error, EnergyError::Absent { sensor: "powercap", .. }), "{error:?}");
    assert_eq!(error.to_string(), "no powercap energy sensor");
    assert!(error.why().ends_with("has no RAPL zone"), "{}", error.why());
    assert!(error.help().contains("--energy model"), "{}", error.help());

    let error = Powercap::open(&tree.root().join("missing")).map(|_| ()).unwrap_err();
    assert!(
        matches!(&error, EnergyError::Absent { .. }) && error.why().contains("missing"),
        "{error:?}"
    );

    tree.zone("intel-rapl:0", "core", 0);
    let error = Powercap::open(tree.root()).map(|_| ()).unwrap_err();
    assert!(
        matches!(&error, EnergyError::Absent { .. }) && error.why().contains("(core)"),
        "{error:?}"
    );
}

#[test]
fn what_is_no_number_is_malformed_at_open_and_in_a_window() {
    for content in [
        "",
        "\n",
        "-1\n",
        "+1\n",
        "12 34\n",
        "1e9\n",
        "0x10\n",
        "18446744073709551616\n",
        "\u{fffd}\n",
    ] {
        let tree = PowercapTree::two_sockets();
        let mut sensor = opened(&tree);
        sensor.begin().unwrap();
        tree.write("intel-rapl:0", "energy_uj", content);
        let error = end(&mut sensor).unwrap_err();
        assert!(
            matches!(&error, EnergyError::Malformed { domain, .. } if domain == "package-0"),
            "{content:?}: {error:?}"
        );
        assert!(error.why().contains("energy_uj"), "{}", error.why());
        let error = Powercap::open(tree.root()).map(|_| ()).unwrap_err();
        assert!(matches!(&error, EnergyError::Malformed { .. }), "{content:?}: {error:?}");
    }
    let tree = PowercapTree::two_sockets();
    tree.write("intel-rapl:0", "max_energy_range_uj", "much\n");
    assert!(matches!(Powercap::open(tree.root()), Err(EnergyError::Malformed { .. })));
    tree.write("intel-rapl:0", "max_energy_range_uj", "1000\n");
    tree.write("intel-rapl:0", "name", "package-0\u{1b}[31m\n");
    let error = Powercap::open(tree.root()).map(|_| ()).unwrap_err();
    assert!(
        matches!(&error, EnergyError::Malformed { .. }) && !error.why().contains('\u{1b}'),
        "{error:?}"
    );
}

#[test]
fn a_pipe_in_place_of_a_counter_does_not_hang() {
    let tree = PowercapTree::two_sockets();
    let file = tree.at("intel-rapl:0").join("energy_uj");
    fs::remove_file(&file).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&file).status().unwrap();
    assert!(made.success());
    assert!(matches!(Powercap::open(tree.root()), Err(EnergyError::Malformed { .. })));
}

#[test]
fn a_window_that_was_never_opened_has_no_figure() {
    let tree = PowercapTree::two_sockets();
    let mut sensor = opened(&tree);
    sensor.poll();
    assert!(matches!(end(&mut sensor), Err(EnergyError::NoWindow { .. })));
    sensor.begin().unwrap();
    assert_eq!(end(&mut sensor).unwrap().microjoules, 0);
    assert!(matches!(end(&mut sensor), Err(EnergyError::NoWindow { .. })));
}

#[test]
fn a_range_below_the_counter_is_a_jump_when_it_would_be_used() {
    let tree = PowercapTree::two_sockets();
    tree.write("intel-rapl:0", "max_energy_range_uj", "1000\n");
    tree.set("intel-rapl:0", 5000);
    let mut sensor = opened(&tree);
    sensor.begin().unwrap();
    tree.set("intel-rapl:0", 10);
    let error = end(&mut sensor).unwrap_err();
    assert!(
        matches!(&error, EnergyError::Jumped { .. }) && error.why().contains("above its own range"),
        "{error:?}"
    );
}
