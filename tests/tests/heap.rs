//! Compares `ungil heap` with a program that knows its objects, exactly and on every build, also
//! under load and for objects of ended threads.

use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use ungil_tests::{BUILDS, Out, TruthfulDebuggee, Ungil, eventually, python};

fn heaps_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("heaps")
}

#[track_caller]
fn start(build: &str, options: &[&str], args: &[&str]) -> TruthfulDebuggee {
    let mut command = Command::new(python(build));
    command.args(options).arg(heaps_dir().join("known.py")).args(args);
    TruthfulDebuggee::spawn(command)
}

#[track_caller]
fn heap(target: &TruthfulDebuggee, more: &[&str]) -> Out {
    let pid = target.pid().to_string();
    let out = Ungil::new(&heaps_dir()).args(["heap", &pid]).args(more.iter().copied()).run();
    assert_eq!(out.code, 0, "{}", out.stderr);
    out
}

/// Returns objects and bytes by qualified type name.
fn types(found: &Value) -> HashMap<String, (i64, i64)> {
    let rows = found["types"].as_array().expect("types");
    let text = |row: &Value, key: &str| row[key].as_str().expect("a name").to_string();
    let number = |row: &Value, key: &str| row[key].as_i64().expect("a number");
    rows.iter()
        .map(|row| {
            let name = format!("{}.{}", text(row, "module"), text(row, "name"));
            (name, (number(row, "objects"), number(row, "bytes")))
        })
        .collect()
}

fn is_free_threaded(build: &str) -> bool {
    build.ends_with('t')
}

/// Checks that each type has exactly the program's objects, and that the sums agree.
fn check_counts(build: &str, target: &TruthfulDebuggee, found: &Value) {
    let types = types(found);
    for (name, count) in target.truth["counts"].as_object().expect("counts") {
        let found = types.get(&format!("__main__.{name}")).map(|counts| counts.0);
        assert_eq!(found, count.as_i64(), "{build}: {name}");
    }
    let coverage = if is_free_threaded(build) { "allocator" } else { "collector" };
    assert_eq!(found["coverage"], coverage);
    assert_eq!(found["schema"], "ungil.heap/1");
    assert_eq!(found["look"]["cut_short"], false);
    let sums = types.values().fold((0, 0), |sum, counts| (sum.0 + counts.0, sum.1 + counts.1));
    assert_eq!((found["objects"].as_i64(), found["bytes"].as_i64()), (Some(sums.0), Some(sums.1)));
}

#[test]
fn counts_objects_of_every_type_exactly() {
    for build in BUILDS {
        let target = start(build, &[], &[]);
        let found = heap(&target, &["--json"]).json();
        check_counts(build, &target, &found);
        let types = types(&found);
        for (name, count) in target.truth["settled"].as_object().expect("counts") {
            assert_eq!(
                types.get(&format!("builtins.{name}")).map(|c| Some(c.0)),
                Some(count.as_i64()),
                "{build}: {name}"
            );
        }
        for (name, size) in target.truth["size"].as_object().expect("sizes") {
            let (objects, bytes) = types[&format!("__main__.{name}")];
            let (each, size) = (bytes / objects, size.as_i64().expect("a size"));
            if is_free_threaded(build) {
                assert!(
                    (size..=size + size / 4).contains(&each),
                    "{build}: {name}: {each} for {size}"
                );
            } else {
                assert_eq!((each, bytes % objects), (size, 0), "{build}: {name}");
            }
        }
        assert!(target.end().success());
    }
}

#[test]
fn difference_between_two_counts_is_what_was_created() {
    for build in BUILDS {
        let target = start(build, &[], &[]);
        let before = types(&heap(&target, &["--json"]).json());
        let pid = target.pid().to_string();
        assert!(Command::new("kill").args(["-USR1", &pid]).status().is_ok_and(|s| s.success()));
        assert_eq!(target.next_line().as_deref(), Some("more"));
        let after = types(&heap(&target, &["--json"]).json());
        let known = target.truth["by_collector"].as_array().expect("names");
        for (name, count) in target.truth["more"].as_object().expect("counts") {
            if !is_free_threaded(build) && !known.iter().any(|known| known == name) {
                continue;
            }
            let full = if name.contains('.') { name.clone() } else { format!("builtins.{name}") };
            let objects =
                |types: &HashMap<_, (i64, i64)>| types.get(&full).map_or(0, |counts| counts.0);
            let gained = objects(&after) - objects(&before);
            // The interpreter itself creates a few objects when it handles a signal.
            let created = count.as_i64().expect("a count");
            assert!(
                (created..=created + 8).contains(&gained),
                "{build}: {gained} {full} for {created}"
            );
        }
        assert!(target.end().success());
    }
}

#[test]
fn counts_are_exact_under_load() {
    for build in BUILDS {
        let mut target = start(build, &[], &["--load", "2"]);
        for _ in 0..5 {
            let found = heap(&target, &["--json"]).json();
            check_counts(build, &target, &found);
            assert!(found["threads"].as_array().is_some_and(|threads| threads.len() >= 3));
        }
        assert!(target.alive());
        assert!(target.end().success());
    }
}

#[test]
fn diff_shows_growth() {
    let target = start("3.15t", &[], &["--grow"]);
    eventually("the heap grows", || {
        let found = heap(&target, &["--json", "--diff", "500ms"]).json();
        let changes = found["growth"]["changes"].as_array().expect("changes").clone();
        assert!(
            changes.iter().all(|change| change["name"] != "Slots" && change["name"] != "Plain")
        );
        changes
            .iter()
            .any(|change| change["name"] == "Grown" && change["objects_gained"].as_i64() > Some(0))
    });
    let text = heap(&target, &["--diff", "100ms"]).stdout;
    assert!(text.contains("MainThread") && text.contains("grow"), "{text}");
}

#[test]
fn counts_are_exact_with_debug_allocators() {
    for build in ["3.13", "3.14t", "3.15t"] {
        let target = start(build, &["-X", "dev"], &[]);
        check_counts(build, &target, &heap(&target, &["--json"]).json());
    }
}

#[test]
fn shows_modules_stacks_and_allocators() {
    for build in BUILDS {
        let target = start(build, &[], &["--load", "1"]);
        let found = heap(&target, &["--json", "--module"]).json();
        let sum: i64 = found["modules"]
            .as_array()
            .expect("modules")
            .iter()
            .filter_map(|m| m["objects"].as_i64())
            .sum();
        assert_eq!(found["objects"].as_i64(), Some(sum));
        for thread in found["threads"].as_array().expect("threads") {
            // Other threads may end meanwhile.
            if thread["name"] == "MainThread" || thread["name"] == "load-0" {
                let figure = |key: &str| thread[key].as_i64().unwrap_or(0);
                assert!(figure("stack_resident_bytes") >= 4096, "{build}: {thread}");
                assert!(
                    figure("stack_bytes") >= figure("stack_resident_bytes"),
                    "{build}: {thread}"
                );
            }
        }
        let allocator =
            if is_free_threaded(build) { &found["mimalloc"] } else { &found["pymalloc"] };
        let figure = |key: &str| allocator[key].as_i64().unwrap_or(0);
        assert!(
            figure("block_bytes") > 1 << 20 && figure("reserved") > figure("block_bytes"),
            "{build}: {allocator}"
        );
        let text = heap(&target, &["--top", "3"]).stdout;
        assert!(text.contains("more; --top 0") && text.contains("load-0"), "{text}");
    }
}

#[test]
fn missing_process_is_an_error_with_reason_and_help() {
    let out = Ungil::new(&heaps_dir()).args(["heap", "999999999"]).run();
    assert_eq!(out.code, 1);
    assert!(out.stderr.contains("why:") && out.stderr.contains("try:"), "{}", out.stderr);
    assert_eq!(Ungil::new(&heaps_dir()).args(["heap"]).run().code, 2);
}
