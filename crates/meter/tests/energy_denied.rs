//! Counters that only root may read, met by somebody who is not.
//!
//! Permission bits do not stop root, so as root the test runs itself again as nobody; the child is
//! this same program with a variable set.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

mod energy_tree;

use energy_tree::PowercapTree;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use ungil_meter::energy::powercap::Powercap;
use ungil_meter::energy::{EnergyError, Sensor};

const ROLE: &str = "UNGIL_TEST_DENIED_ROOT";

/// What the unprivileged side prints.
fn words(root: &Path) -> String {
    match Powercap::open(root) {
        Ok(sensor) => format!("opened\n{}\n", sensor.about().notes.join("\n")),
        Err(error) => {
            let kind = if matches!(error, EnergyError::Denied { sensor: "powercap", .. }) {
                "denied"
            } else {
                "other"
            };
            format!("{kind}\n{error}\n{}\n{}\n", error.why(), error.help())
        }
    }
}

#[test]
#[ignore = "the unprivileged side of the other tests"]
fn child() {
    if let Some(root) = std::env::var_os(ROLE) {
        let out = words(Path::new(&root));
        print!("<<<{out}>>>");
    }
}

/// `words` as an ordinary user.
fn unprivileged(tree: &PowercapTree) -> String {
    // The temporary directory is its owner's alone until here.
    fs::set_permissions(tree.root(), fs::Permissions::from_mode(0o755)).unwrap();
    if !rustix::process::geteuid().is_root() {
        return words(tree.root());
    }
    // Nobody may not be able to reach the build directory: a copy beside the tree.
    let program = tree.root().join("self");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let out = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"])
        .arg(&program)
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(ROLE, tree.root())
        .current_dir("/")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let said = text
        .split_once("<<<")
        .and_then(|(_, rest)| rest.split_once(">>>"))
        .map(|(said, _)| said.to_owned());
    said.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&out.stderr)))
}

fn forbid(tree: &PowercapTree, id: &str) {
    fs::set_permissions(tree.at(id).join("energy_uj"), fs::Permissions::from_mode(0o000)).unwrap();
}

#[test]
fn a_refused_package_is_an_error_that_names_the_help() {
    let tree = PowercapTree::two_sockets();
    forbid(&tree, "intel-rapl:0");
    let said = unprivileged(&tree);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..2], ["denied", "powercap: permission denied"], "{said}");
    assert!(
        lines[2].contains("intel-rapl:0/energy_uj") && lines[2].contains("ermission denied"),
        "{said}"
    );
    assert!(lines[3].contains("sudo chmod a+r ") && lines[3].contains("/*/energy_uj"), "{said}");
    assert!(lines[3].contains("cap_dac_read_search") && lines[3].contains("CAP_PERFMON"), "{said}");
}

#[test]
fn one_refused_socket_of_two_is_no_smaller_total() {
    let tree = PowercapTree::two_sockets();
    forbid(&tree, "intel-rapl:1:2");
    assert!(unprivileged(&tree).starts_with("denied\n"));
}

#[test]
fn a_refused_part_that_is_not_counted_is_a_note() {
    let tree = PowercapTree::two_sockets();
    forbid(&tree, "intel-rapl:1:0");
    let said = unprivileged(&tree);
    assert!(said.starts_with("opened\ncore-1 (intel-rapl:1:0, not counted) is left out"), "{said}");
}

#[test]
fn following_the_help_works() {
    let tree = PowercapTree::two_sockets();
    forbid(&tree, "intel-rapl:0");
    fs::set_permissions(
        tree.at("intel-rapl:0").join("energy_uj"),
        fs::Permissions::from_mode(0o444),
    )
    .unwrap();
    assert_eq!(unprivileged(&tree).trim(), "opened");
}
