//! Formats by name, and files that are written completely or not at all.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

mod common;

use common::*;
use flate2::read::GzDecoder;
use serde_json::Value;
use std::io::Read;
use std::path::Path;
use ungil_profile::*;

#[test]
fn formats_have_names_and_endings() {
    for format in Format::ALL {
        assert_eq!(Format::of_name(format.name()), Some(format));
        for ending in format.extensions() {
            assert_eq!(Format::of_path(Path::new(&format!("/tmp/a.b{ending}"))), Some(format));
        }
    }
    assert_eq!(Format::of_path(Path::new("a.json")), None);
    assert_eq!(Format::of_path(Path::new("A.HTML")), Some(Format::Flame));
}

#[test]
fn a_file_is_replaced_completely_or_not_at_all() {
    let known = KnownProfile::of(contended_into);
    let folder = known.dir.path();
    let path = folder.join("flame.html");
    std::fs::write(&path, "older").unwrap();
    write(Format::Flame, known.profile(), None, &path).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("<!doctype html>"));
    assert!(
        write(Format::Flame, known.profile(), None, &folder.join("nowhere/flame.html")).is_err()
    );
    // The recording's file is missing: the old output stays, and no partial file does.
    std::fs::remove_file(folder.join("known.ungil")).unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(write(Format::Speedscope, known.profile(), Some(&known.recording), &path).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let left: Vec<_> =
        std::fs::read_dir(folder).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, ["flame.html"]);
    let gz = folder.join("p.firefox.json.gz");
    write(Format::Firefox, known.profile(), None, &gz).unwrap();
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(gz).unwrap()).read_to_string(&mut text).unwrap();
    assert!(serde_json::from_str::<Value>(&text).is_ok());
}

#[test]
fn a_new_file_has_default_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let known = KnownProfile::of(contended_into);
    let (path, plain) = (known.dir.path().join("flame.html"), known.dir.path().join("plain"));
    std::fs::write(&plain, "").unwrap();
    write(Format::Flame, known.profile(), None, &path).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&plain));
}
