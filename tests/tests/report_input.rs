//! Tests `ungil report` on damaged, hostile and very large records, and on files that are not
//! records.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

mod reports;

use reports::{HOSTILE, READY, names, record, report};
use serde_json::{Value, json};
use std::fs;
use ungil_tests::{BrowserPage, TestDir};

#[test]
fn a_huge_record_makes_a_small_page_with_a_note() {
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
    // Many runs, each with a different hazard.
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
    let text = page.evaluate("document.body.textContent");
    for word in ["The record has 3004 arms; only the first 300 are shown", "… and 17999 more"] {
        assert!(text.as_str().unwrap().contains(word), "{word}");
    }
    assert_eq!(page.evaluate("window.hacked === undefined"), true);
    page.assert_self_contained(&file);
}

#[test]
fn bad_input_is_reported_and_leaves_no_partial_file() {
    let dir = TestDir::new();
    let whole = fs::read(record(&dir, "r.jsonl")).unwrap();
    // A record cut off in the middle of a line: its complete lines are shown.
    let cut = whole.len() * 2 / 3;
    dir.write("cut.jsonl", &whole[..cut]);
    let page = fs::read_to_string(report(&dir, &["cut.jsonl", "-o", "cut.html"])).unwrap();
    let line = whole[..cut].iter().filter(|b| **b == b'\n').count() + 1;
    assert!(
        page.contains(&format!("cut off in its line {line}")),
        "the truncation is not reported"
    );
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
    // An output that cannot be written, a record that must not be overwritten, an unknown format.
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
fn a_zero_in_one_block_is_reported_without_advising_more_blocks() {
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
    let text = dir.ungil(["report", "zero.jsonl", "--format", "md"]).run().ok().stdout;
    assert!(text.contains("3.14t has 0 in block 4 (time)"), "{text}");
    assert!(text.contains("2.00–2.00"), "the other blocks have their ratio: {text}");
    for never in ["five blocks", "longer --time-limit", "Use 3.14"] {
        assert!(!text.contains(never), "'{never}' in {text}");
    }
}
