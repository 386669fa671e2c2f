//! Tests the kernel's record of resident sets, without the part a process inherited.
#![allow(clippy::expect_used)] // tests may

use ungil_meter::{Launch, Tree};

#[test]
fn peak_excludes_the_inherited_resident_set() {
    let ballast = std::hint::black_box(vec![1u8; 200 << 20]);
    let launch =
        |argv: &[&str]| Launch { argv: argv.iter().map(Into::into).collect(), ..Launch::default() };
    let end = Tree::start(&launch(&["true"])).expect("true starts").finish().expect("it ends");
    assert_eq!(end.largest_rss, None, "no more than this process's own");
    drop(ballast);
    let copy = ["dd", "if=/dev/zero", "of=/dev/null", "bs=300M", "count=1"];
    let end = Tree::start(&launch(&copy)).expect("dd starts").finish().expect("it ends");
    assert!(end.largest_rss.is_some_and(|rss| rss > 300 << 20), "{:?}", end.largest_rss);
}
