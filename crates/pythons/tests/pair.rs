//! Pairs of builds and their differences.
#![allow(clippy::unwrap_used)] // in helpers, too

mod common;

use common::fake;
use std::path::Path;
use tempfile::tempdir;
use ungil_pythons::{Error, default_pair, find, pairs, twin};

const GCC: &str =
    r#"{"compiler":"GCC 14.2.0","pgo":true,"lto":true,"debug":false,"cflags":"-O3 -Wall -I/a"}"#;
const GCC_PLAIN: &str =
    r#"{"compiler":"GCC 14.2.0","pgo":false,"lto":null,"debug":false,"cflags":"-O2 -Wall -I/b"}"#;
const CLANG: &str =
    r#"{"compiler":"Clang 20.1","pgo":true,"lto":true,"debug":false,"cflags":"-O3 -Wall"}"#;
const DEBUG: &str = r#"{"compiler":"GCC 14.2.0","pgo":true,"lto":true,"debug":true}"#;

/// Returns the pairs of a folder: the prefixes' names and the differences.
fn paired(dir: &Path) -> Vec<(String, String, Vec<String>)> {
    let pairs = pairs(&find(&common::only(dir)));
    let text = |i: &ungil_pythons::Interpreter| {
        let prefix = i.executable.parent().and_then(Path::parent).and_then(Path::file_name);
        prefix.unwrap().to_string_lossy().into_owned()
    };
    pairs.into_iter().map(|p| (text(&p.gil), text(&p.free_threaded), p.differences)).collect()
}

#[test]
fn the_twin_with_the_fewest_differences_is_chosen() {
    let dir = tempdir().unwrap();
    fake(dir.path(), "gil", "3.14.2", false, GCC);
    fake(dir.path(), "newer", "3.14.3", true, GCC);
    fake(dir.path(), "clang", "3.14.2", true, CLANG);
    fake(dir.path(), "debug", "3.14.2", true, DEBUG);
    fake(dir.path(), "true", "3.14.2", true, GCC);
    fake(dir.path(), "other-series", "3.15.0", true, GCC);
    assert_eq!(paired(dir.path()), [("gil".to_owned(), "true".to_owned(), vec![])]);
    let found = find(&common::only(dir.path()));
    let of = found.iter().find(|i| i.build.debug == Some(true)).unwrap();
    assert!(twin(of, &found).is_none(), "a debug build is no twin of a release");
    let of = found.iter().find(|i| i.version.micro == 3).unwrap();
    assert_eq!(twin(of, &found).map(|i| i.version.micro), Some(2));
}

#[test]
fn each_difference_is_described() {
    let dir = tempdir().unwrap();
    fake(dir.path(), "a", "3.14.2", false, GCC);
    fake(dir.path(), "b", "3.14.3", true, GCC_PLAIN);
    let expected = [
        "version: 3.14.2 against 3.14.3",
        "PGO: yes against no",
        "LTO: yes against unknown",
        "compiler flags: -O3 against -O2",
    ];
    assert_eq!(paired(dir.path())[0].2, expected);
    fake(dir.path(), "b", "3.14.2", true, CLANG);
    assert_eq!(paired(dir.path())[0].2, ["compiler: GCC 14.2.0 against Clang 20.1"]);
}

#[test]
fn the_default_is_the_newest_release_that_has_a_twin() {
    let dir = tempdir().unwrap();
    let search = common::only(dir.path());
    assert!(matches!(default_pair(&search), Err(Error::NoPair { .. })));
    fake(dir.path(), "a", "3.13.1", false, GCC);
    fake(dir.path(), "b", "3.13.1", true, GCC);
    fake(dir.path(), "c", "3.15.0b1", false, GCC);
    fake(dir.path(), "d", "3.15.0b1", true, GCC);
    fake(dir.path(), "e", "3.14.0", false, GCC); // newer, and alone
    assert_eq!(default_pair(&search).unwrap().gil.version.to_string(), "3.13.1");
    let order: Vec<_> = pairs(&find(&search)).into_iter().map(|p| p.gil.name).collect();
    assert_eq!(order, ["3.15", "3.13"]);
    fake(dir.path(), "f", "3.14.0", true, GCC_PLAIN);
    assert_eq!(default_pair(&search).unwrap().gil.version.to_string(), "3.14.0");
}

#[test]
fn the_error_names_the_missing_build() {
    let dir = tempdir().unwrap();
    let search = common::only(dir.path());
    let help = || default_pair(&search).unwrap_err().help();
    assert_eq!(help(), "ungil pythons install 3.14 3.14t");
    fake(dir.path(), "a", "3.15.1", false, GCC);
    assert_eq!(help(), "ungil pythons install 3.15t");
}

#[test]
fn the_provided_interpreters_are_true_twins() {
    for (gil, free_threaded) in [("3.14", "3.14t"), ("3.15", "3.15t")] {
        let pair = pairs(&[common::real(gil), common::real(free_threaded)]).pop().expect("a pair");
        assert_eq!(pair.differences, [] as [&str; 0]);
    }
}
