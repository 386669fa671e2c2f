//! Tests counters that only root may read, as another user.
//!
//! Permission bits do not stop root, so as root the test runs itself again as nobody: the same
//! program with a variable set.
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

/// Returns what the unprivileged process prints.
fn report(root: &Path) -> String {
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
#[ignore = "the unprivileged process of the other tests"]
fn child() {
    if let Some(root) = std::env::var_os(ROLE) {
        let out = report(Path::new(&root));
        print!("<<<{out}>>>");
    }
}

/// Returns `report` of an ordinary user.
fn unprivileged(tree: &PowercapTree) -> String {
    // Until here, only its owner may access the temporary directory.
    fs::set_permissions(tree.root(), fs::Permissions::from_mode(0o755)).unwrap();
    if !rustix::process::geteuid().is_root() {
        return report(tree.root());
    }
    // Nobody may not have access to the build directory: use a copy beside the tree.
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
    let output = text
        .split_once("<<<")
        .and_then(|(_, rest)| rest.split_once(">>>"))
        .map(|(output, _)| output.to_owned());
    output.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&out.stderr)))
}

fn forbid(tree: &PowercapTree, id: &str) {
    fs::set_permissions(tree.at(id).join("energy_uj"), fs::Permissions::from_mode(0o000)).unwrap();
}

#[test]
fn unreadable_package_is_an_error_with_help() {
    let tree = PowercapTree::two_sockets();
    forbid(&tree, "intel-rapl:0");
    let output = unprivileged(&tree);
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[..2], ["denied", "powercap: permission denied"], "{output}");
    assert!(
        lines[2].contains("intel-rapl:0/energy_uj") && lines[2].contains("ermission denied"),
        "{output}"
    );
    assert!(lines[3].contains("sudo chmod a+r ") && lines[3].contains("/*/energy_uj"), "{output}");
    assert!(
        lines[3].contains("cap_dac_read_search") && lines[3].contains("CAP_PERFMON"),
        "{output}"
    );
}

#[test]
fn one_unreadable_socket_of_two_is_an_error() {
    let tree = PowercapTree::two_sockets();
    forbid(&tree, "intel-rapl:1:2");
    assert!(unprivileged(&tree).starts_with("denied\n"));
}

#[test]
fn unreadable_uncounted_part_is_a_note() {
    let tree = PowercapTree::two_sockets();
    forbid(&tree, "intel-rapl:1:0");
    let output = unprivileged(&tree);
    assert!(
        output.starts_with("opened\ncore-1 (intel-rapl:1:0, not counted) is left out"),
        "{output}"
    );
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
