//! Tests the commands that measure nothing: the list of Pythons, help, completions, man pages.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use std::process::Command;
use ungil_tests::{PYTHONS, TestDir, python};

#[test]
fn pythons_are_listed_in_pairs() {
    let dir = TestDir::new();
    let json = dir.ungil(["pythons", "--json"]).run().ok().json();
    let list = json["interpreters"].as_array().unwrap();
    let text = dir.ungil(["pythons"]).run().ok().stdout;
    for name in PYTHONS {
        let path = python(name);
        let found =
            list.iter().find(|i| i["executable"].as_str().map(std::path::Path::new) == Some(&path));
        let found = found.unwrap_or_else(|| panic!("{name} is not listed"));
        assert_eq!(
            (found["name"].as_str(), found["free_threaded"].as_bool()),
            (Some(name), Some(name.ends_with('t')))
        );
        assert!(
            text.lines().any(|l| l.starts_with(name) && l.ends_with(&path.display().to_string())),
            "{text}"
        );
    }
    let pairs: Vec<(&str, &str)> = json["pairs"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|p| Some((p["gil"]["name"].as_str()?, p["free_threaded"]["name"].as_str()?)))
        .collect();
    assert!(pairs.contains(&("3.14", "3.14t")) && pairs.contains(&("3.15", "3.15t")), "{pairs:?}");
    // The default arms are the newest pair.
    dir.write("w.py", "print('same')\n");
    let record = dir.one_block(["w.py"]).run().ok().record();
    assert_eq!(record.arms(), ["3.15", "3.15t"]);
}

#[test]
fn every_form_of_help_works() {
    let dir = TestDir::new();
    for args in [
        &["help"][..],
        &["help", "--help"],
        &["help", "-h"],
        &["help", "help"],
        &["help", "help", "--help"],
        &["help", "compare"],
        &["help", "compare", "--help"],
        &["help", "--help", "compare"],
        &["help", "audit", "-h"],
        &["pythons", "help"],
        &["pythons", "help", "--help"],
        &["pythons", "help", "install", "-h"],
        &["help", "pythons", "install", "--help"],
    ] {
        let out = dir.ungil(args.iter().copied()).run().ok();
        assert!(out.stdout.contains("Usage:") && out.stderr.is_empty(), "{args:?}: {}", out.stderr);
    }
    let verbs = dir.ungil(["help", "compare", "--help"]).run().ok().stdout;
    assert!(verbs.contains("--fail-if"), "the command's own help: {verbs}");
    dir.ungil(["help", "nothing", "--help"]).run().expect_error(2);
}

#[test]
fn help_version_completions_and_man_pages_are_printed() {
    let dir = TestDir::new();
    for args in [
        &["--help"][..],
        &["compare", "--help"],
        &["pythons", "--help"],
        &["pythons", "install", "-h"],
    ] {
        let out = dir.ungil(args.iter().copied()).run().ok();
        assert!(out.stdout.contains("Usage:") && out.stderr.is_empty(), "{args:?}");
    }
    let help = dir.ungil(["compare", "--help"]).run().stdout;
    assert!(
        ["--fail-if", "--models", "--serve", "ungil_phase", "--resume"]
            .iter()
            .all(|w| help.contains(w))
    );
    let version = dir.ungil(["--version"]).run().ok().stdout;
    assert!(version.starts_with("ungil ") && version.contains('.'), "{version}");
    assert_eq!(dir.ungil(["--no-such-flag"]).run().code, 2);
    assert_eq!(dir.ungil(Vec::<&str>::new()).run().code, 2);
    for shell in ["bash", "zsh", "fish"] {
        let script = dir.ungil(["completions", shell]).run().ok().stdout;
        assert!(script.contains("compare") && script.contains("fail-if"), "{shell}");
    }
    let bash = dir.write("c.bash", dir.ungil(["completions", "bash"]).run().stdout);
    assert!(
        Command::new("bash").arg("-n").arg(bash).status().unwrap().success(),
        "bash cannot parse it"
    );
    dir.ungil(["man", "deep/folder"]).run().ok();
    let page = dir.read("deep/folder/ungil-compare.1").unwrap();
    assert!(page.contains(".TH") && page.contains("fail"), "{page}");
    assert!(
        dir.join("deep/folder/ungil.1").is_file()
            && dir.join("deep/folder/ungil-pythons.1").is_file()
    );
    dir.write("a-file", "");
    dir.ungil(["man", "a-file"]).run().expect_error(1);
}
