//! Tests the page of `ungil report` in a real browser: keyboard use, narrow and wide, light and
//! dark.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

mod reports;

use reports::{HOSTILE, READY, names, record, report};
use serde_json::{Value, json};
use std::fs;
use ungil_tests::{BrowserPage, TestDir};

/// Counts the elements of a chart that have a class.
#[track_caller]
fn count_marks(page: &mut BrowserPage, chart: &str, class: &str) -> u64 {
    let all = format!("document.querySelectorAll('[data-chart={chart}] svg .{class}').length");
    page.evaluate(&all).as_u64().unwrap()
}

/// Returns the texts of a column in the table of runs.
fn column(page: &mut BrowserPage, title: &str) -> Vec<String> {
    let title = json!(title);
    let script = format!(
        "(() => {{ const t = document.getElementById('run-table'); \
         const i = [...t.tHead.rows[0].cells].findIndex(c => c.textContent === {title}); \
         return [...t.tBodies[0].rows].map(r => r.cells[i].textContent); }})()"
    );
    let all = page.evaluate(&script);
    all.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_string()).collect()
}

fn blocks(page: &mut BrowserPage) -> Vec<u32> {
    column(page, "block").iter().map(|b| b.parse().unwrap_or(0)).collect()
}

#[test]
fn the_page_is_complete_self_contained_and_runs_no_record_content() {
    let dir = TestDir::new();
    record(&dir, "r.jsonl");
    let file = report(&dir, &["r.jsonl"]);
    for (width, scheme) in [(1400, "light"), (400, "dark")] {
        let mut page = BrowserPage::open(&file, width, scheme, READY);
        assert_eq!(count_marks(&mut page, "forest", "mark"), 3);
        assert_eq!(count_marks(&mut page, "forest", "whisker"), 3);
        assert_eq!(count_marks(&mut page, "forest", "rule"), 1);
        assert_eq!(count_marks(&mut page, "speed-up", "mark"), 4);
        assert_eq!(count_marks(&mut page, "speed-up", "line"), 2);
        assert_eq!(count_marks(&mut page, "speed-up", "ideal"), 1);
        assert_eq!(count_marks(&mut page, "efficiency", "mark"), 4);
        assert_eq!(count_marks(&mut page, "memory", "bar"), 4);
        assert_eq!(count_marks(&mut page, "energy", "bar"), 4);
        // The runs are longer than the shortest sampling interval of the cores; there is one band
        // per core.
        let cores = page.evaluate("Math.max(...[...document.querySelectorAll('[data-chart=cores] svg')].map(s => s.querySelectorAll('.area').length))");
        assert!(cores.as_u64().unwrap() >= 1, "{cores}");
        let named = page.evaluate("[...document.querySelectorAll('.drawing > svg')].every(s => s.getAttribute('role') === 'img' && s.getAttribute('aria-label') && s.querySelector('title') && s.querySelector('desc'))");
        assert_eq!(named, true);
        assert_eq!(page.evaluate("window.hacked === undefined"), true);
        assert_eq!(page.evaluate("document.querySelectorAll('img').length"), 0);
        let shown = page.evaluate("document.querySelector('header').textContent");
        assert!(shown.as_str().unwrap().contains(HOSTILE), "{shown}");
        // Every mark is inside its drawing, and nothing is wider than the screen.
        let outside = page.evaluate(
            "[...document.querySelectorAll('svg')].flatMap(s => { const b = s.getBoundingClientRect(); \
             return [...s.querySelectorAll('.mark,.bar,text')].filter(m => { const r = m.getBoundingClientRect(); \
             return r.left < b.left - 1 || r.right > b.right + 1 || r.top < b.top - 1 || r.bottom > b.bottom + 1; }) \
             .map(m => m.outerHTML); })",
        );
        assert_eq!(outside, json!([]));
        assert_eq!(page.evaluate("document.documentElement.scrollWidth <= innerWidth"), true);
        let paper = page.evaluate("getComputedStyle(document.body).backgroundColor");
        assert_eq!(paper == "rgb(23, 24, 28)", scheme == "dark", "{paper}");
        page.assert_self_contained(&file);
    }
}

#[test]
fn the_table_of_runs_sorts_and_filters_by_mouse_and_keyboard() {
    let dir = TestDir::new();
    let record = record(&dir, "r.jsonl");
    let file = report(&dir, &["r.jsonl"]);
    let mut page = BrowserPage::open(&file, 1400, "light", READY);
    assert_eq!(blocks(&mut page).len(), 24);
    let sorted = "[...document.querySelectorAll('#run-table th[aria-sort]')].map(t => t.textContent + ' ' + t.getAttribute('aria-sort'))";
    assert_eq!(page.evaluate(sorted), json!([]));
    page.evaluate("[...document.querySelectorAll('#run-table thead button')].find(b => b.textContent === 'time').click()");
    assert_eq!(page.evaluate(sorted), json!(["time ascending"]));
    page.evaluate("[...document.querySelectorAll('#run-table thead button')].find(b => b.textContent === 'arm').focus()");
    page.press("Tab");
    assert_eq!(page.evaluate("document.activeElement.textContent"), "block");
    page.press("Enter");
    assert_eq!(page.evaluate(sorted), json!(["block ascending"]));
    let up = blocks(&mut page);
    assert!(up.is_sorted() && up[0] == 0, "{up:?}");
    page.press(" ");
    assert_eq!(page.evaluate(sorted), json!(["block descending"]));
    let down = blocks(&mut page);
    assert!(down.iter().rev().is_sorted() && down[0] == 5, "{down:?}");
    page.evaluate("document.getElementById('filter').focus()");
    page.insert("3.14t/2 block 3");
    assert_eq!(column(&mut page, "arm"), ["3.14t/2"]);
    assert_eq!(blocks(&mut page), [3]);
    assert_eq!(page.text("count"), "1 of 24 runs");
    // The downloaded record is identical byte for byte.
    let folder = dir.join("taken");
    fs::create_dir(&folder).unwrap();
    page.command("Page.setDownloadBehavior", json!({"behavior": "allow", "downloadPath": folder}));
    page.evaluate("document.querySelector('.take').click()");
    let taken = folder.join("r.jsonl");
    ungil_tests::eventually("the record", || {
        fs::read(&taken).is_ok_and(|b| b == fs::read(&record).unwrap())
    });
    page.assert_self_contained(&file);
}

#[test]
fn a_suite_folder_is_shown_by_category() {
    let dir = TestDir::new();
    let what = "suite --workload mandelbrot,dict_write --python 3.14,3.14t --workers 1,2 --scale 0.0001 --blocks 5 --no-install --energy off -q -o study";
    dir.ungil(what.split(' ')).run().ok();
    let suite = fs::read_to_string(dir.join("study/suite.json")).unwrap();
    let file = report(&dir, &["study"]);
    let mut page = BrowserPage::open(&file, 400, "light", READY);
    let titles =
        "[...document.querySelectorAll('#study [data-chart=chapter] h3')].map(t => t.textContent)";
    assert_eq!(page.evaluate(titles), json!(["Sequential", "Shared objects"]));
    // One sequential arm and its reference; dict_write shared and private at one and at two
    // workers.
    assert_eq!(count_marks(&mut page, "chapter", "mark"), 5);
    assert_eq!(count_marks(&mut page, "chapter", "whisker"), 5);
    assert_eq!(page.evaluate("document.querySelectorAll('#overview').length"), 0);
    let words = page.evaluate("document.querySelector('#study').textContent");
    let words = words.as_str().unwrap();
    for part in
        ["Sequential workloads: ", "1 workload, ", "the paper's way", "3.14, as many workers"]
    {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert_eq!(page.evaluate("document.documentElement.scrollWidth <= innerWidth"), true);
    page.assert_self_contained(&file);
    let markdown = dir.ungil(["report", "study", "--format", "md"]).run().ok().stdout;
    assert!(
        markdown.contains("## Shared objects") && markdown.contains("the paper's way"),
        "{markdown}"
    );
    dir.ungil(["report", "study", "--format", "svg"]).run().ok();
    let charts = names(&dir.join("study/charts"));
    assert!(charts.contains(&"shared-objects-chapter.svg".to_string()), "{charts:?}");
    // Text from suite.json stays text. A file with a newer schema is reported, and the records are
    // shown without it.
    dir.write("study/suite.json", suite.replace("\"mandelbrot\"", &json!(HOSTILE).to_string()));
    let mut page = BrowserPage::open(&report(&dir, &["study"]), 400, "dark", READY);
    assert_eq!(
        page.evaluate(
            "window.hacked === undefined && document.querySelectorAll('img').length === 0"
        ),
        true
    );
    assert!(
        page.evaluate("document.querySelector('#study').textContent")
            .as_str()
            .unwrap()
            .contains(HOSTILE)
    );
    dir.write("study/suite.json", suite.replace("ungil.suite/1", "ungil.suite/9"));
    let out = dir.ungil(["report", "study"]).run().ok();
    assert!(out.stderr.contains("ungil.suite/9"), "{}", out.stderr);
    let mut page = BrowserPage::open(&file, 400, "dark", READY);
    assert_eq!(page.evaluate("document.querySelectorAll('#study').length"), 0);
}

#[test]
fn a_folder_of_many_records_loads_them_on_demand() {
    let dir = TestDir::new();
    let one = fs::read_to_string(record(&dir, "one.jsonl")).unwrap();
    fs::create_dir(dir.join("study")).unwrap();
    for i in 0..100 {
        // All records differ, otherwise they would compress as one.
        dir.write(&format!("study/w{i:02}.jsonl"), vary(&one, i));
    }
    dir.write("study/other.jsonl", "{\"type\":\"experiment\",\"schema\":\"ungil.experiment/9\"}\n");
    let out = dir.ungil(["report", "study"]).run().ok();
    assert!(out.stderr.contains("ungil.experiment/9"), "{}", out.stderr);
    let file = dir.join("study/report.html");
    let size = fs::metadata(&file).unwrap().len();
    assert!(size < 2 << 20, "{size} bytes");
    let mut page = BrowserPage::open(&file, 1400, "light", READY);
    assert_eq!(page.evaluate("document.querySelectorAll('details.record').length"), 100);
    // The best arm of each Python, except the baseline itself.
    assert!(count_marks(&mut page, "overview", "mark") >= 100);
    assert!(
        page.evaluate("document.querySelector('.caution').textContent")
            .as_str()
            .unwrap()
            .contains("experiment/9")
    );
    page.evaluate("document.querySelector('#record-42 summary').focus()");
    page.press("Enter");
    page.wait_until(
        "document.querySelectorAll('#record-42 [data-chart=forest] .mark').length === 3",
    );
    assert_eq!(page.evaluate("document.querySelectorAll('[data-chart=forest]').length"), 1);
    page.evaluate("dispatchEvent(new Event('beforeprint'))");
    assert_eq!(page.evaluate("document.querySelectorAll('[data-chart=forest]').length"), 100);
    page.assert_self_contained(&file);
}

/// Returns a record in which every measured number is slightly different.
fn vary(record: &str, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut factor = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1.0 + (state >> 40) as f64 / (1u64 << 24) as f64 / 10.0
    };
    fn shake(value: &mut Value, factor: &mut dyn FnMut() -> f64) {
        match value {
            Value::Number(n) if n.is_f64() && n.as_f64().is_some_and(|v| v.fract() != 0.0) => {
                *value = json!(n.as_f64().unwrap() * factor());
            }
            Value::Array(all) => all.iter_mut().for_each(|v| shake(v, factor)),
            Value::Object(all) => all.values_mut().for_each(|v| shake(v, factor)),
            _ => {}
        }
    }
    let mut lines = String::new();
    for line in record.lines() {
        let mut line: Value = serde_json::from_str(line).unwrap();
        if line["type"] == "run" {
            shake(&mut line["metrics"], &mut factor);
        } else if line["type"] == "comparison" {
            shake(&mut line, &mut factor);
        }
        lines.push_str(&format!("{line}\n"));
    }
    lines
}

#[test]
fn two_records_are_compared() {
    let dir = TestDir::new();
    let text = fs::read_to_string(record(&dir, "before.jsonl")).unwrap();
    // Slower without the GIL and on another processor; everything else is equal.
    let mut lines = String::new();
    for line in text.lines() {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let slower = line["arm"].as_str().is_some_and(|arm| arm.starts_with("3.14t"));
        match line["type"].as_str().unwrap() {
            "experiment" => line["machine"]["cpu"] = json!("Another <b>CPU</b>"),
            "comparison" => continue,
            "run" if slower => {
                line["metrics"]["wall_s"] =
                    json!(line["metrics"]["wall_s"].as_f64().unwrap() * 50.0);
            }
            _ => {}
        }
        lines.push_str(&format!("{line}\n"));
    }
    dir.write("after.jsonl", lines);
    let file = report(&dir, &["before.jsonl", "after.jsonl", "-o", "both.html"]);
    let mut page = BrowserPage::open(&file, 400, "light", READY);
    assert_eq!(count_marks(&mut page, "change", "mark"), 4);
    // The baseline's ratio to itself does not change.
    assert_eq!(count_marks(&mut page, "shift", "mark"), 3);
    let differences = page.evaluate("document.querySelector('#differences .words').textContent");
    let differences = differences.as_str().unwrap();
    for arm in [
        "3.14t/1 is slower in the second",
        "3.14t/2 is slower in the second",
        "4 arms in both: 2 changed",
    ] {
        assert!(differences.contains(arm), "{arm}: {differences}");
    }
    let differs = page.evaluate("document.querySelector('#differences').textContent");
    assert!(differs.as_str().unwrap().contains("Another <b>CPU</b>"), "{differs}");
    assert_eq!(page.evaluate("document.documentElement.scrollWidth <= innerWidth"), true);
    page.assert_self_contained(&file);
}

#[test]
fn other_formats_are_markdown_csv_and_svg() {
    let dir = TestDir::new();
    record(&dir, "r.jsonl");
    let text = dir.ungil(["report", "r.jsonl", "--format", "md"]).run().ok().stdout;
    assert!(text.contains("| 3.14t/2 |") && text.contains("### Peak memory"), "{text}");
    assert!(!text.contains("<script"), "{text}");
    // Every row of a table has as many cells as its header.
    for table in text.split("\n\n").filter(|part| part.starts_with("| ")) {
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        let all: Vec<usize> = table.lines().map(cells).collect();
        assert!(all.iter().all(|n| *n == all[0]), "{table}");
    }
    dir.ungil(["report", "r.jsonl", "-o", "runs.csv"]).run().ok();
    let csv = fs::read_to_string(dir.join("runs.csv")).unwrap();
    let head: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    assert_eq!(csv.lines().count(), 1 + 24);
    let at = |name: &str| head.iter().position(|h| *h == name).unwrap();
    let row: Vec<&str> = csv.lines().nth(1).unwrap().split(',').collect();
    assert_eq!(row[at("record")], "r");
    assert!(row[at("wall_s")].parse::<f64>().unwrap() > 0.0);
    dir.ungil(["report", "r.jsonl", "--format", "svg"]).run().ok();
    let charts = dir.join("r-charts");
    let drawn =
        ["r-efficiency.svg", "r-energy.svg", "r-forest.svg", "r-memory.svg", "r-speed-up.svg"];
    assert!(
        drawn.iter().all(|name| names(&charts).iter().any(|n| n == name)),
        "{:?}",
        names(&charts)
    );
    let file = charts.join("r-speed-up.svg");
    // A malformed SVG file would show an error page with another root element.
    let mut page =
        BrowserPage::open(&file, 400, "dark", "document.documentElement?.tagName === 'svg'");
    assert_eq!(page.evaluate("document.querySelectorAll('.mark').length"), 4);
    assert_eq!(page.evaluate("document.querySelector('parsererror') === null"), true);
    page.assert_self_contained(&file);
}
