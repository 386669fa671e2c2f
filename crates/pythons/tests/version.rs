//! Property tests of versions and specifications.
#![allow(clippy::unwrap_used)] // in helpers, too

use proptest::prelude::*;
use ungil_pythons::{Implementation, Spec, Version};

fn version() -> impl Strategy<Value = Version> {
    let pre =
        proptest::option::of(("a|b|rc", any::<u8>()).prop_map(|(stage, n)| format!("{stage}{n}")));
    (any::<u8>(), any::<u8>(), any::<u8>(), pre).prop_map(|(major, minor, micro, pre)| Version {
        major,
        minor,
        micro,
        pre,
    })
}

proptest! {
    #[test]
    fn a_version_round_trips(v in version()) {
        prop_assert_eq!(v.to_string().parse::<Version>().unwrap(), v);
    }

    #[test]
    fn order_is_total_and_consistent_with_equality(a in version(), b in version(), c in version()) {
        prop_assert_eq!(a == b, a.cmp(&b).is_eq());
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
    }

    #[test]
    fn a_release_is_greater_than_its_prereleases(v in version()) {
        let release = Version { pre: None, ..v.clone() };
        prop_assert!(v <= release);
        prop_assert_eq!(v.is_final(), v == release);
    }

    #[test]
    fn a_version_is_its_own_specification(v in version(), free_threaded: bool) {
        let text = format!("{v}{}", if free_threaded { "t" } else { "" });
        let spec = Spec::parse(&text);
        prop_assert_eq!(spec.to_string(), text);
        let is_version = matches!(spec, Spec::Version { free_threaded: t, major: Some(_), .. } if t == free_threaded);
        prop_assert!(is_version);
    }

    #[test]
    fn any_text_parses(text in "\\PC{0,24}") {
        let _ = text.parse::<Version>();
        let spec = Spec::parse(&text);
        prop_assert_eq!(Spec::parse(&spec.to_string()), spec);
    }

    #[test]
    fn a_text_with_a_slash_is_a_path(a in "[a-z0-9.]{0,8}", b in "[a-z0-9.]{0,8}") {
        let is_path = matches!(Spec::parse(&format!("{a}/{b}")), Spec::Path(_));
        prop_assert!(is_path);
    }
}

#[test]
fn parses_specifications() {
    let spec = |text| match Spec::parse(text) {
        Spec::Version { implementation, major, minor, micro, free_threaded, .. } => {
            (implementation, major, minor, micro, free_threaded)
        }
        other => panic!("{text}: {other:?}"),
    };
    use Implementation::{CPython, GraalPy, PyPy};
    assert_eq!(spec("3"), (CPython, Some(3), None, None, false));
    assert_eq!(spec("3t"), (CPython, Some(3), None, None, true));
    assert_eq!(spec("3.14"), (CPython, Some(3), Some(14), None, false));
    assert_eq!(spec("3.14t"), (CPython, Some(3), Some(14), None, true));
    assert_eq!(spec("3.14.2t"), (CPython, Some(3), Some(14), Some(2), true));
    assert_eq!(spec("pypy"), (PyPy, None, None, None, false));
    assert_eq!(spec("pypy3.11"), (PyPy, Some(3), Some(11), None, false));
    assert_eq!(spec("graalpy"), (GraalPy, None, None, None, false));
    for command in [
        "python3.14t",
        "python",
        "3.14.2.1",
        "3.",
        "3.014",
        "3.14tt",
        "pypy3.11t",
        "3.14rc1",
        "",
        "t",
        "300",
    ] {
        assert_eq!(Spec::parse(command), Spec::Command(command.to_owned()));
    }
    for path in ["./3.14", "/usr/bin/python3", "~/venv", ".venv", ".."] {
        assert_eq!(Spec::parse(path), Spec::Path(path.into()));
    }
}

#[test]
fn versions_are_ordered_by_release() {
    let order = [
        "3.14.9",
        "3.15.0a1",
        "3.15.0a10",
        "3.15.0b1",
        "3.15.0rc2",
        "3.15.0rc10",
        "3.15.0",
        "3.15.1",
    ];
    let versions: Vec<Version> = order.iter().map(|v| v.parse().unwrap()).collect();
    assert!(versions.is_sorted());
    for bad in [
        "3",
        "3.14",
        "3.14.256",
        "3.14.2.1",
        "3.14.-1",
        "+3.14.2",
        "3.14.2final",
        "3.14.2rc",
        "3..2",
        "3.14.02",
    ] {
        assert!(bad.parse::<Version>().is_err(), "{bad}");
    }
}
