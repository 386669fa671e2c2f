//! Tests powercap on a simulated tree with faults: jumps, vanished and invalid files.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

mod energy_tree;

use energy_tree::{J, PowercapTree, RANGE, end, opened};
use std::fs;
use ungil_meter::energy::powercap::Powercap;
use ungil_meter::energy::{EnergyError, Sensor};

#[test]
fn backward_jump_invalidates_only_its_window() {
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
fn forward_jump_invalidates_its_window() {
    let tree = PowercapTree::two_sockets();
    let mut sensor = opened(&tree);
    sensor.begin().unwrap();
    tree.set("intel-rapl:0", 1000 * J + 1);
    assert!(matches!(end(&mut sensor), Err(EnergyError::Jumped { .. })));
    sensor.begin().unwrap();
    tree.set("intel-rapl:0", 2000 * J); // just below the limit
    assert_eq!(end(&mut sensor).unwrap().microjoules, 1000 * J - 1);
}

#[test]
fn default_limit_distinguishes_reset_and_wrap() {
    // The limit is 2 kW for the elapsed time plus five seconds: 131 kJ would be plausible only if
    // this test stalled for a minute.
    let tree = PowercapTree::two_sockets();
    tree.set("intel-rapl:0", RANGE / 2);
    let mut sensor = Powercap::open(tree.root()).unwrap();
    sensor.begin().unwrap();
    tree.set("intel-rapl:0", 10);
    assert!(matches!(end(&mut sensor), Err(EnergyError::Jumped { .. })));
}

#[test]
fn without_range_a_backward_step_is_a_jump() {
    let tree = PowercapTree::two_sockets();
    fs::remove_file(tree.at("intel-rapl:0").join("max_energy_range_uj")).unwrap();
    tree.set("intel-rapl:0", 50);
    let mut sensor = opened(&tree);
    assert!(
        sensor.about().notes[0].starts_with("package-0 has no range"),
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
fn vanished_counter_invalidates_its_window_and_may_return() {
    let tree = PowercapTree::two_sockets();
    let mut sensor = opened(&tree);
    sensor.begin().unwrap();
    fs::remove_file(tree.at("intel-rapl:1").join("energy_uj")).unwrap();
    sensor.poll();
    tree.set("intel-rapl:1", 4); // back before the end, but the window has a gap
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
fn vanished_uncounted_domain_is_a_note() {
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
fn vanished_tree_is_an_error() {
    let tree = PowercapTree::two_sockets();
    let mut sensor = opened(&tree);
    sensor.begin().unwrap();
    fs::remove_dir_all(tree.root()).unwrap();
    assert!(matches!(end(&mut sensor), Err(EnergyError::Vanished { .. })));
}

#[test]
fn unreadable_counted_zone_is_an_error_and_uncounted_one_a_note() {
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
fn package_without_counter_is_an_error() {
    let tree = PowercapTree::two_sockets();
    fs::remove_file(tree.at("intel-rapl:1").join("energy_uj")).unwrap();
    assert!(
        matches!(Powercap::open(tree.root()), Err(EnergyError::Vanished { domain, .. }) if domain == "package-1")
    );
}

#[test]
fn missing_zones_are_absent() {
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
fn invalid_numbers_are_malformed() {
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
fn pipe_instead_of_a_counter_does_not_block() {
    let tree = PowercapTree::two_sockets();
    let file = tree.at("intel-rapl:0").join("energy_uj");
    fs::remove_file(&file).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&file).status().unwrap();
    assert!(made.success());
    assert!(matches!(Powercap::open(tree.root()), Err(EnergyError::Malformed { .. })));
}

#[test]
fn window_that_was_not_opened_is_an_error() {
    let tree = PowercapTree::two_sockets();
    let mut sensor = opened(&tree);
    sensor.poll();
    assert!(matches!(end(&mut sensor), Err(EnergyError::NoWindow { .. })));
    sensor.begin().unwrap();
    assert_eq!(end(&mut sensor).unwrap().microjoules, 0);
    assert!(matches!(end(&mut sensor), Err(EnergyError::NoWindow { .. })));
}

#[test]
fn counter_above_its_range_is_a_jump_on_wrap() {
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
