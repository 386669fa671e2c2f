//! The flame graph page in a real browser: it draws every frame, searches, zooms and is controlled
//! by keyboard, makes no requests and logs no errors, with any function names and any number of
//! boxes.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

#[path = "common/browser.rs"]
mod browser;
mod common;

use browser::FlamePage;
use common::*;
use std::path::PathBuf;
use ungil_profile::*;

fn page(write: impl FnOnce(&std::path::Path)) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flame.html");
    write(&path);
    (dir, path)
}

fn known() -> (tempfile::TempDir, PathBuf) {
    let profile = contended().finish(totals()).profile;
    page(|path| write(Format::Flame, &profile, None, path).unwrap())
}

/// Names and widths in per mille, as from [`FlamePage::boxes`].
fn named(boxes: &[(&str, i64)]) -> Vec<(String, i64)> {
    let mut all: Vec<(String, i64)> = boxes.iter().map(|(n, w)| ((*n).into(), *w)).collect();
    all.sort();
    all
}

const CACHE: &str = "waiting for dict `cache` at app.py:31";
const OTHER: &str = "waiting for threading.Lock 0x7f0000002000";

#[test]
fn draws_searches_zooms_and_inverts() {
    let (_dir, file) = known();
    let mut page = FlamePage::open(&file, 1400, "light");
    // Every frame of every stack, as wide as its share: of 50 looks 19 wait for the cache, 5 for
    // the other lock, 3 for the GIL, 2 are suspended, 10 spin, 1 collects, 10 are in a system call.
    let all = named(&[
        ("all", 1000),
        ("<module>", 1000),
        ("Worker.run", 800),
        ("put", 480),
        (CACHE, 380),
        (OTHER, 100),
        ("spin", 320),
        ("waiting for the GIL", 60),
        ("suspended (stop-the-world)", 40),
        ("<GC>", 20),
        ("in a system call or idle", 200),
    ]);
    assert_eq!(page.boxes(), all);
    let findings = page.text("findings");
    assert!(findings.contains("38.0 % of thread time waits for the dict `cache` at app.py:31 (8 threads, most often held at app.py:47)"));
    assert!(page.text("about").contains("3.14.9 free-threaded"));
    let tables = page.text("tables");
    assert!(tables.contains("3.04 s38.0 %8put (app.py:31)evict (app.py:47)"), "{tables}");
    assert!(tables.contains("spin (app.py:62)1.60 s20.0 %"), "{tables}");

    // Searching: the share that passes through a match, callees included.
    page.press("/");
    page.insert("spin");
    assert_eq!(page.text("matched"), "32.0 % matched (2.56 s)");
    page.press("Escape");
    assert_eq!(page.text("matched"), "");
    page.press("/");
    page.insert("/^(put|<gc>)$/");
    assert_eq!(page.text("matched"), "50.0 % matched (4.00 s)");
    page.press("Escape");

    // Moving and zooming: all, <module>, Worker.run, put, and its neighbour.
    for _ in 0..4 {
        page.press("ArrowDown");
    }
    assert!(page.text("detail").starts_with("put "), "{}", page.text("detail"));
    page.press("ArrowRight");
    assert!(
        page.text("detail").starts_with("spin /srv/app.py:60 · 2.56 s, 32.0 %"),
        "{}",
        page.text("detail")
    );
    page.press("Enter");
    let zoomed = named(&[
        ("all", 1000),
        ("<module>", 1000),
        ("Worker.run", 1000),
        ("spin", 1000),
        ("waiting for the GIL", 188),
        ("suspended (stop-the-world)", 125),
        ("<GC>", 63),
    ]);
    assert_eq!(page.boxes(), zoomed);
    page.press("Backspace");
    assert!(page.boxes().contains(&("put".into(), 600)), "{:?}", page.boxes());
    page.press("Escape");
    assert_eq!(page.boxes(), all);

    // Callers: leaves first.
    page.press("i");
    let turned = page.boxes();
    for (name, share) in
        [(CACHE, 380), ("spin", 200), ("<GC>", 20), ("in a system call or idle", 200)]
    {
        assert!(turned.contains(&(name.into(), share)), "{name} in {turned:?}");
    }
    page.press("i");

    // Lines, and root at the bottom.
    page.press("l");
    assert!(page.boxes().contains(&("put:31".into(), 480)));
    page.press("l");
    page.press("f");
    let rows = page.evaluate("ungil.graph.boxes.map(b => [b.row, b.y])");
    let rows = rows.as_array().unwrap();
    let y = |row: u64| rows.iter().find(|r| r[0] == row).unwrap()[1].as_f64().unwrap();
    assert!(y(0) > y(1) && y(1) > y(2));
    page.press("f");
    page.assert_self_contained(&file);
}

#[test]
fn filters_by_activity_thread_and_lock() {
    let (_dir, file) = known();
    let mut page = FlamePage::open(&file, 400, "dark");
    let fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth");
    assert_eq!(fits, true, "wider than a telephone");
    let dark = page.evaluate("getComputedStyle(document.body).backgroundColor");
    page.press("t");
    assert_ne!(page.evaluate("getComputedStyle(document.body).backgroundColor"), dark);

    page.choose("activity", "1");
    assert_eq!(page.text("detail"), "3.84 s of thread time, 3840 samples");
    page.choose("lock", "0");
    assert_eq!(page.text("detail"), "3.04 s of thread time, 3040 samples");
    page.choose("thread", "3");
    assert_eq!(page.text("detail"), "380 ms of thread time, 380 samples");
    let one =
        [("all", 1000), ("<module>", 1000), ("Worker.run", 1000), ("put", 1000), (CACHE, 1000)];
    assert_eq!(page.boxes(), named(&one));
    for (id, value) in [("lock", "-1"), ("thread", "-1"), ("activity", "2")] {
        page.choose(id, value);
    }
    assert_eq!(page.text("detail"), "480 ms of thread time, 480 samples");

    // A click on a lock in the table shows it alone.
    page.choose("activity", "all");
    page.evaluate("document.querySelector('#tables button').click()");
    page.drawn();
    assert_eq!(page.text("detail"), "3.04 s of thread time, 3040 samples");
    page.assert_self_contained(&file);
}

/// A profile in which `spin` takes `spin` looks and `put` takes 100.
fn two(spin: u64) -> Profile {
    let mut b = Builder::new(header());
    for (name, looks) in [("spin", spin), ("put", 100)] {
        let function = b.function(name, "/srv/app.py", 1, FrameKind::Python);
        let frame = b.frame(function, 2);
        let (thread, stack) = (b.thread(7, 70, "t"), b.stack(StackId::EMPTY, frame));
        let key = RowKey { thread, stack, activity: Activity::RUNNING, lock: None, holder: None };
        b.row(key, Weight { samples: looks, weight: looks * 1_000_000 });
    }
    b.finish(totals()).profile
}

#[test]
fn a_difference_shows_what_changed() {
    let (_dir, file) = page(|path| write_difference(&two(100), &two(300), path).unwrap());
    let mut page = FlamePage::open(&file, 1400, "light");
    assert_eq!(page.boxes(), named(&[("all", 1000), ("spin", 750), ("put", 250)]));
    let colours = page.evaluate(
        "Object.fromEntries(ungil.view.root.children.map(n => [ungil.profile.describe(n.key).name, ungil.graph.colour(n, false)]))",
    );
    let hue = |name: &str| colours[name].as_str().unwrap().to_string();
    assert!(hue("spin").starts_with("hsl(4 "), "more is red: {colours}");
    assert!(hue("put").starts_with("hsl(214 "), "less is blue: {colours}");
    assert!(page.text("findings").contains("spin (app.py:1): 50.0 % before, 75.0 % after (+25.0)"));
    page.press("b");
    assert_eq!(page.boxes(), named(&[("all", 1000), ("spin", 500), ("put", 500)]));
    page.assert_self_contained(&file);
}

#[test]
fn a_page_of_100_000_boxes_draws_the_visible_ones() {
    let mut b = Builder::new(header());
    let frames: Vec<FrameId> = (0..2000u32)
        .map(|i| {
            let name = NAMES[i as usize % NAMES.len()];
            let function = b.function(
                &format!("{name}{i}"),
                &format!("/srv/m{}.py", i % 50),
                i,
                FrameKind::Python,
            );
            b.frame(function, i)
        })
        .collect();
    let thread = b.thread(7, 70, "t");
    // A tree of 100,000: each of 1000 branches is 100 deep.
    for branch in 0..1000usize {
        let mut stack = StackId::EMPTY;
        for depth in 0..100 {
            stack = b.stack(stack, frames[(branch + depth * 7) % 2000]);
        }
        let key = RowKey { thread, stack, activity: Activity::RUNNING, lock: None, holder: None };
        b.row(key, Weight { samples: 1, weight: 1000 + branch as u64 });
    }
    let profile = b.finish(totals()).profile;
    assert!(profile.stacks.len() > 100_000);
    let (_dir, file) = page(|path| write(Format::Flame, &profile, None, path).unwrap());
    let mut page = FlamePage::open(&file, 1400, "light");
    assert_eq!(page.evaluate("Number(document.getElementById('graph').dataset.count)"), 100_001);
    let boxes = page.boxes().len();
    assert!((1000..100_002).contains(&boxes), "{boxes}");
    page.press("/");
    page.insert("</script><b>");
    assert!(page.text("matched").contains("% matched"));
    page.press("Escape");
    page.press("i");
    assert!(page.boxes().len() > 500);
    assert_eq!(page.evaluate("document.querySelectorAll('body > b').length"), 0);
    page.assert_self_contained(&file);
}
