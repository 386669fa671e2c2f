//! `ungil report` of records that are broken, hostile, far too large or none at all.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

mod reports;

use reports::{HOSTILE, READY, names, record, report};
use serde_json::{Value, json};
use std::fs;
use ungil_tests::{BrowserPage, TestDir};

#[test]
fn a_record_that_is_far_too_large_makes_a_small_page_that_says_so() {
    let dir = TestDir::new();
    let text = fs::read_to_string(record(&dir, "r.jsonl")).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    let mut header: Value = serde_json::from_str(first).unwrap();
    let arm = header["arms"][1].clone();
    for i in 0..3000 {
        let mut arm = arm.clone();
        arm["id"] = json!(format!("{HOSTILE}/{i}"));
        header["arms"].as_array_mut().unwrap().push(arm);
    }
    header["notes"] = json!(vec![HOSTILE; 5000]);
    let comparison = rest.lines().last().unwrap();
    // Many runs, each with a hazard of its own.
    let run = rest.lines().find(|l| l.contains("\"block\":1,")).unwrap();
    let mut run: Value = serde_json::from_str(run).unwrap();
    let mut lines = format!("{header}\n");
    for block in 1..20_000 {
        run["block"] = json!(block);
        run["hazards"] = json!([{"kind": "leftovers", "says": format!("{HOSTILE} {block}")}]);
        run["at_s"] = json!(f64::from(block).sqrt());
        lines.push_str(&format!("{run}\n"));
    }
    dir.write("large.jsonl", format!("{lines}{comparison}\n"));
    let file = report(&dir, &["large.jsonl"]);
    let size = fs::metadata(&file).unwrap().len();
    assert!(size < 2 << 20, "{size} bytes");
    let mut page = BrowserPage::open(&file, 400, "light", READY);
    let said = page.evaluate("document.body.textContent");
    for word in ["The record has 3004 arms; only the first 300 are shown", "… and 17999 more"] {
        assert!(said.as_str().unwrap().contains(word), "{word}");
    }
    assert_eq!(page.evaluate("window.hacked === undefined"), true);
    page.assert_self_contained(&file);
}

#[test]
fn bad_input_is_told_and_leaves_nothing_half_written() {
    let dir = TestDir::new();
    let whole = fs::read(record(&dir, "r.jsonl")).unwrap();
    // Cut off in the middle of a line: what is whole is shown.
    let cut = whole.len() * 2 / 3;
    dir.write("cut.jsonl", &whole[..cut]);
    let page = fs::read_to_string(report(&dir, &["cut.jsonl", "-o", "cut.html"])).unwrap();
    let line = whole[..cut].iter().filter(|b| **b == b'\n').count() + 1;
    assert!(page.contains(&format!("cut off in its line {line}")), "no word of the cut");
    assert!(page.contains("data-chart=\"forest\""));
    let newer =
        String::from_utf8(whole.clone()).unwrap().replacen("experiment/1", "experiment/2", 1);
    dir.write("newer.jsonl", newer);
    let told = dir.ungil(["report", "newer.jsonl"]).run().expect_error(1);
    assert!(told.why.contains("ungil.experiment/2"), "{told:?}");
    dir.write("text.txt", "hello\n");
    dir.write("empty.jsonl", "");
    for name in ["text.txt", "empty.jsonl", "absent.jsonl"] {
        let told = dir.ungil(["report", name]).run().expect_error(1);
        assert!(told.what.contains(name), "{told:?}");
    }
    fs::create_dir(dir.join("folder")).unwrap();
    let told = dir.ungil(["report", "folder"]).run().expect_error(1);
    assert!(told.what.contains("no record in folder"), "{told:?}");
    // A place that cannot be written, a record that must not be overwritten, a format that is none.
    let told = dir.ungil(["report", "r.jsonl", "-o", "absent/page.html"]).run().expect_error(1);
    assert!(told.what.contains("absent/page.html"), "{told:?}");
    dir.ungil(["report", "r.jsonl", "-o", "folder"]).run().expect_error(2);
    dir.ungil(["report", "r.jsonl", "-o", "r.jsonl", "--format", "html"]).run().expect_error(2);
    dir.ungil(["report", "r.jsonl", "-o", "page.pdf"]).run().expect_error(2);
    dir.ungil(["report"]).run().expect_error(2);
    assert_eq!(fs::read(dir.join("r.jsonl")).unwrap(), whole);
    assert_eq!(names(&dir.join("folder")), [""; 0]);
    let left = names(dir.path());
    assert_eq!(
        left,
        [
            "cut.html",
            "cut.jsonl",
            "empty.jsonl",
            "folder",
            "newer.jsonl",
            "r.jsonl",
            "text.txt",
            "work.py"
        ]
    );
}

#[test]
fn a_zero_in_one_block_is_named_and_more_blocks_are_not_advised() {
    let dir = TestDir::new();
    dir.write("work.py", "print(1)\n");
    let made = dir.one_block(["work.py", "--python", "3.14,3.14t"]).run().ok().record();
    let mut lines = format!("{}\n", made.lines[0]);
    for block in 1..=9 {
        for (arm, time) in [("3.14", 1.0), ("3.14t", if block == 4 { 0.0 } else { 2.0 })] {
            let mut run = made.run(arm).clone();
            run["block"] = json!(block);
            run["metrics"] = json!({"wall_s": time, "cpu_s": 1.0, "rss_peak_bytes": 1e6});
            lines.push_str(&format!("{run}\n"));
        }
    }
    dir.write("zero.jsonl", lines);
    let said = dir.ungil(["report", "zero.jsonl", "--format", "md"]).run().ok().stdout;
    assert!(said.contains("3.14t has 0 in block 4 (time)"), "{said}");
    assert!(said.contains("2.00–2.00"), "the other blocks have their ratio: {said}");
    for never in ["five blocks", "longer --time-limit", "Use 3.14"] {
        assert!(!said.contains(never), "'{never}' in {said}");
    }
}
