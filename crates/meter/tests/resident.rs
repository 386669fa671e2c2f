//! What the kernel keeps of resident sets, without what a process only inherited.
#![allow(clippy::expect_used)] // tests may

use ungil_meter::{Launch, Tree};

#[test]
fn a_small_program_started_by_a_large_one_is_small() {
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
