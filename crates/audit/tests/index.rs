//! Queries of the index, with scripts in place of the installers.

#![allow(clippy::unwrap_used)] // failing setup fails the test

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use ungil_audit::image::Arch;
use ungil_audit::index::{self, Installer, WaitLimit};
use ungil_audit::target::{Build, Platform, System};

const LINUX: Platform = Platform { system: System::Linux, arch: Arch::X86_64 };

fn build(text: &str) -> Build {
    text.parse().unwrap()
}

/// Writes a script in place of an installer. Another process writes it, because a file that is open
/// for writing in this process cannot be executed while a thread forks.
fn program(folder: &Path, name: &str, script: &str) -> PathBuf {
    let path = folder.join(name);
    let write = "printf '%s' \"$2\" > \"$1\" && chmod +x \"$1\"";
    let script = format!("#!/bin/sh\n{script}\n");
    let status =
        Command::new("sh").args(["-c", write, "sh"]).arg(&path).arg(script).status().unwrap();
    assert!(status.success());
    path
}

#[test]
fn parses_answers_of_installers() {
    let folder = tempfile::tempdir().unwrap();
    let lock = "read line; echo 'lock-version = \"1.0\"'; echo '[[packages]]'; echo \"name = \
                \\\"${line%%==*}\\\"\"\n\
        echo \"version = \\\"${line##*==}\\\"\"; echo \"wheels = [{ url = 'https://index.example/a-1-cp314-cp314t-manylinux_2_28_x86_64.whl' },\"\n\
        echo \"{ url = 'https://index.example/a-1-cp314-cp314-win_amd64.whl' }]\"";
    let uv = |script: &str| Installer::Uv(program(folder.path(), "uv", script));
    // More than any answer takes; only the sleeping script gets a short timeout.
    let long = Duration::from_secs(120);
    let ask = |installer: &Installer, name: &str, limit| {
        index::ask(
            installer,
            name,
            Some("1"),
            build("3.14t"),
            LINUX,
            WaitLimit { timeout: limit, is_cancelled: &|| false },
        )
    };
    let answer = ask(&uv(lock), "a", long).unwrap();
    assert_eq!((answer.version.as_str(), answer.wheels.len(), answer.complete), ("1", 2, true));
    assert_eq!(answer.wheel.unwrap().tags.abi, ["cp314t"]);
    let error = ask(&uv("echo 'error: no such thing' >&2; exit 2"), "a", long).unwrap_err();
    assert_eq!(error.to_string(), "error: no such thing");
    assert!(matches!(ask(&uv("echo x"), "a", long), Err(index::IndexError::Unparsable(_))));
    assert!(matches!(
        ask(&uv("sleep 1000 & sleep 1000"), "a", Duration::from_millis(50)),
        Err(index::IndexError::Timeout(_))
    ));
    assert!(matches!(
        ask(&Installer::Uv(folder.path().join("none")), "a", long),
        Err(index::IndexError::Start { .. })
    ));
    for name in ["--index-url=x", "a\nb", "a;b", "", "a b", "../a"] {
        assert!(
            matches!(ask(&uv(lock), name, long), Err(index::IndexError::InvalidName(_))),
            "{name}"
        );
    }
    let pip = |script: &str| Installer::Pip(program(folder.path(), "python", script));
    let report = "echo '{\"install\": [{\"download_info\": {\"url\": \
                  \"https://index.example/a-1-cp314-cp314t-manylinux_2_28_x86_64.whl\"}}]}'";
    assert!(ask(&pip(report), "a", long).unwrap().wheel.is_some());
    let none =
        "echo 'ERROR: No matching distribution found for a==1 (from versions: 0.9)' >&2; exit 1";
    assert_eq!(ask(&pip(none), "a", long).unwrap().wheel, None);
}
