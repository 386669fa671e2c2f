//! Contents of wheels, and wheels that are rejected.

mod common;

use common::{File, file, info, zip, zip_with};
use ungil_audit::archive::{Archive, ArchiveError, Limits};
use ungil_audit::metadata::Claim;
use ungil_audit::wheel::Wheel;

const NAME: &str = "a_b-1.0-cp314-cp314t-manylinux_2_28_x86_64.whl";
const MODULE: &str = "a_b/_x.cpython-314t-x86_64-linux-gnu.so";

fn error(files: &[File]) -> ArchiveError {
    Archive::read(&zip(files), Limits::default()).expect_err("the archive is rejected")
}

/// Returns why the first member cannot be read, in an archive with a valid directory.
fn damage(files: &[File]) -> String {
    let bytes = zip(files);
    let archive = Archive::read(&bytes, Limits::default()).expect("a good directory");
    archive.bytes(&archive.members()[0]).expect_err("a damaged member").to_string()
}

#[test]
fn reads_a_wheel_without_unpacking() {
    let headers = "Classifier: Programming Language :: Python :: Free Threading :: 3 - \
                   Stable\nRequires-Dist: c\n";
    let mut files = vec![
        file("a_b/__init__.py", "import a_b._x"),
        file(MODULE, vec![7; 100_000]),
        File { deflate: false, ..file("a_b-1.0.data/platlib/_y.abi3.so", "stored") },
        file("a_b-1.0.data/scripts/z.so", "a script"),
        file("a_b/data.zip", "a zip in the zip is not opened"),
    ];
    files.extend(info("a_b", "1.0", headers, &["cp314-cp314t-manylinux_2_28_x86_64"], &[MODULE]));
    let bytes = zip(&files);
    let wheel = Wheel::read(NAME, &bytes, Limits::default()).unwrap();
    let one = &wheel.distribution;
    assert_eq!(
        (one.name.as_str(), one.version.as_str(), one.claim),
        ("a_b", "1.0", Some(Claim::Stable))
    );
    assert_eq!(one.requires, ["c"]);
    assert_eq!(one.top_level, ["_y", "a_b"]);
    let modules: Vec<_> =
        one.modules.iter().map(|found| found.module.as_deref().unwrap()).collect();
    assert_eq!(modules, ["_y", "a_b._x"]);
    assert_eq!(wheel.module(&one.modules[0]).unwrap(), b"stored".as_slice());
    assert_eq!(wheel.module(&one.modules[1]).unwrap(), vec![7; 100_000]);
    assert_eq!(one.notes, ["RECORD does not list 'a_b-1.0.data/platlib/_y.abi3.so'"]);
    let sources: Vec<_> =
        wheel.sources().map(|(path, bytes)| (path, bytes.unwrap().into_owned())).collect();
    assert_eq!(sources, [("a_b/__init__.py", b"import a_b._x".to_vec())]);
    let json = serde_json::to_value(one).unwrap();
    assert_eq!(json["wheel_tags"][0], "cp314-cp314t-manylinux_2_28_x86_64");
    assert_eq!(json["modules"][1]["abi"]["build"], "3.14t");
}

#[test]
fn notes_missing_parts_of_a_wheel() {
    let bytes = zip(&[file("a_b/_x.so", "x")]);
    let one = Wheel::read(NAME, &bytes, Limits::default()).unwrap().distribution;
    assert_eq!((one.name.as_str(), one.version.as_str()), ("a_b", "1.0"));
    assert_eq!(one.notes, ["it has no METADATA", "it has no RECORD"]);

    let bytes = zip(&info("other", "2", "", &["py3-none-any"], &[]));
    let one = Wheel::read(NAME, &bytes, Limits::default()).unwrap().distribution;
    assert_eq!(one.notes.len(), 2, "{:?}", one.notes);
    assert!(one.notes[0].contains("its WHEEL file py3-none-any"), "{:?}", one.notes);
    assert!(one.notes[1].contains("'other'"), "{:?}", one.notes);
}

#[test]
fn rejects_names_outside_the_folder() {
    type Is = fn(&ArchiveError) -> bool;
    let absolute: Is = |error| matches!(error, ArchiveError::Absolute { .. });
    let outside: Is = |error| matches!(error, ArchiveError::Outside { .. });
    let drive: Is = |error| matches!(error, ArchiveError::Drive { .. });
    let backslash: Is = |error| matches!(error, ArchiveError::Backslash { .. });
    let text: Is = |error| matches!(error, ArchiveError::NotText { .. });
    let length: Is = |error| matches!(error, ArchiveError::Length { .. });
    let long = "a/".repeat(3_000);
    for (name, is) in [
        ("/etc/passwd", absolute),
        ("../a.py", outside),
        ("a/../../b.py", outside),
        ("a/..", outside),
        ("./a.py", outside),
        ("a//b.py", outside),
        ("C:/a.py", drive),
        ("a.py:stream", drive),
        ("a\\..\\b.py", backslash),
        ("a\0.so", text),
        ("a\n.so", text),
        ("", length),
        (long.as_str(), length),
    ] {
        let error = error(&[file(name, "x")]);
        assert!(is(&error), "{name:?}: {error}");
        assert!(error.to_string().len() < 500);
    }
    assert!(text(&error(&[File { name: vec![b'a', 0xff], ..file("", "x") }])));
}

#[test]
fn rejects_invalid_members() {
    let x = || file("a.so", "x");
    for (files, expected) in [
        (vec![x(), x()], "'a.so' occurs twice"),
        (vec![file("a.so/", ""), x()], "'a.so' occurs twice"),
        (vec![File { mode: 0o120_777, ..x() }], "'a.so' is a symbolic link"),
        (vec![File { mode: 0o010_644, ..x() }], "'a.so' is a device, a pipe or a socket"),
        (vec![File { flags: 1, ..x() }], "'a.so' is encrypted"),
        (
            vec![File { method: Some(12), ..x() }],
            "'a.so' has the compression method 12; wheels use 0 and 8",
        ),
        (
            vec![File { local_name: Some(b"b.so".to_vec()), ..x() }],
            "'a.so' has another name, method or flag in its local header than in the directory",
        ),
        (
            vec![File { deflate: false, size: Some(2), ..x() }],
            "'a.so' is damaged: it is stored, but its sizes differ",
        ),
    ] {
        assert_eq!(error(&files).to_string(), expected);
    }
}

#[test]
fn rejects_bombs_before_decompressing() {
    let zeros = vec![0; 70 << 20];
    let bomb = File { data: zeros, ..file("a.so", "") };
    assert!(matches!(error(std::slice::from_ref(&bomb)), ArchiveError::Ratio { .. }));
    // Many small members.
    let small = vec![0; 1 << 20];
    let many: Vec<File> = (0..100).map(|n| file(&format!("{n}.so"), &small)).collect();
    assert!(matches!(error(&many), ArchiveError::Ratio { .. }));
    // Members that share bytes.
    let overlap = zip_with(&many, true, None);
    let result = Archive::read(&overlap, Limits { any_ratio_bytes: u64::MAX, ..Limits::default() });
    assert!(
        matches!(result, Err(ArchiveError::Disagrees { .. } | ArchiveError::Overlap { .. })),
        "{result:?}"
    );
    let same: Vec<File> = (0..3).map(|_| file("a.so", "x")).collect();
    let same = zip_with(&same, true, None);
    let result = Archive::read(&same, Limits::default());
    assert!(matches!(result, Err(ArchiveError::Duplicate { .. })), "{result:?}");
    let many = zip(&many);
    let total = Archive::read(&many, Limits { total_bytes: 1 << 20, ..Limits::default() });
    assert!(matches!(total, Err(ArchiveError::Total(..))), "{total:?}");
}

#[test]
fn rejects_nested_members() {
    // The second member's header is inside the first one's stored bytes, and the names in both
    // headers agree.
    let inner = zip(&[file("b.so", "y")]);
    let end = inner.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    let outer = File { deflate: false, ..file("a.so", &inner[..end]) };
    let mut bytes = zip(&[outer]);
    // Append the inner directory to the outer one, with the offset of its header.
    let directory = bytes.windows(4).rposition(|four| four == b"PK\x01\x02").unwrap();
    let eocd = bytes.len() - 22;
    let mut second = inner[end..inner.len() - 22].to_vec();
    second[42..46].copy_from_slice(&(30_u32 + 4).to_le_bytes());
    let size = (eocd - directory + second.len()) as u32;
    bytes.splice(eocd..eocd, second);
    let eocd = bytes.len() - 22;
    bytes[eocd + 8..eocd + 12].copy_from_slice(&[2, 0, 2, 0]);
    bytes[eocd + 12..eocd + 16].copy_from_slice(&size.to_le_bytes());
    let result = Archive::read(&bytes, Limits::default());
    assert!(matches!(result, Err(ArchiveError::Overlap { .. })), "{result:?}");
}

#[test]
fn rejects_a_wrong_member_count() {
    let files = [file("a.so", "x"), file("b.so", "y")];
    for count in [0, 1, 3, 1_000] {
        let bytes = zip_with(&files, false, Some(count));
        assert!(Archive::read(&bytes, Limits::default()).is_err(), "{count}");
    }
    let members = Limits { members: 1, ..Limits::default() };
    assert!(matches!(Archive::read(&zip(&files), members), Err(ArchiveError::Members(2, 1))));
    assert!(matches!(Archive::read(b"no zip", Limits::default()), Err(ArchiveError::NoZip(_))));
    assert!(matches!(Archive::read(b"", Limits::default()), Err(ArchiveError::NoZip(_))));
}

#[test]
fn reads_at_most_the_declared_size() {
    let long = vec![b'x'; 100_000];
    assert!(
        damage(&[File { size: Some(10), ..file("a.so", &long) }])
            .contains("more bytes than the declared 10")
    );
    assert!(
        damage(&[File { size: Some(200_000), ..file("a.so", &long) }]).contains("fewer bytes than")
    );
    assert!(damage(&[File { crc: Some(1), ..file("a.so", &long) }]).contains("is damaged"));
    assert!(
        damage(&[File { deflate: false, method: Some(8), ..file("a.so", [0xff; 40]) }])
            .contains("is damaged")
    );
    let bytes = zip(&[file("a.so", &long)]);
    let archive =
        Archive::read(&bytes, Limits { member_bytes: 99_999, ..Limits::default() }).unwrap();
    assert!(matches!(archive.bytes(&archive.members()[0]), Err(ArchiveError::Size { .. })));
}

#[test]
fn rejects_a_million_members_before_listing() {
    // A zip64 end record that declares a million members, without a directory.
    let mut bytes = b"PK\x06\x06".to_vec();
    bytes.extend(44_u64.to_le_bytes());
    bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(1_000_000_u64.to_le_bytes());
    bytes.extend(1_000_000_u64.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend([1, 0, 0, 0]);
    bytes.extend(b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0");
    let result = Archive::read(&bytes, Limits::default());
    assert!(matches!(result, Err(ArchiveError::Members(1_000_000, 200_000))), "{result:?}");
}
