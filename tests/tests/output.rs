//! Tests that every output format agrees with the record.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::Value;
use std::collections::BTreeMap;
use ungil_tests::{Out, Record, TestDir, metric};

/// Does a thousand times the work on a build with a GIL, a difference larger than any noise.
const UNEQUAL: &str = "
import sys
from ungil_phase import phase
with phase():
    for i in range(3_000_000 if sys._is_gil_enabled() else 3_000): pass
print('same')
";

fn five_blocks(dir: &TestDir, form: &[&str]) -> Out {
    dir.write("w.py", UNEQUAL);
    let args = [
        "compare",
        "w.py",
        "--python",
        "3.14,3.14t",
        "--warmup",
        "1",
        "--blocks",
        "5",
        "--max-blocks",
        "5",
    ];
    dir.ungil(args)
        .args(["-q", "--energy", "off", "--out", "r.jsonl"])
        .args(form.iter().copied())
        .run()
        .ok()
}

fn record(dir: &TestDir) -> Record {
    Record::read(&dir.join("r.jsonl"))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    if n % 2 == 1 { values[n / 2] } else { f64::midpoint(values[n / 2 - 1], values[n / 2]) }
}

/// Returns a metric by block, without warm-up runs.
fn by_block(record: &Record, arm: &str, key: &str) -> BTreeMap<u64, f64> {
    let runs = record.of_arm(arm).into_iter().filter(|r| r["block"] != 0);
    runs.filter_map(|r| Some((r["block"].as_u64()?, r["metrics"].get(key)?.as_f64()?))).collect()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-12)
}

/// Recomputes every figure of a comparison from the runs. Returns their number.
fn check_figures(record: &Record, comparison: &Value) -> usize {
    let mut figures = 0;
    for arm in comparison["arms"].as_array().unwrap() {
        let id = arm["arm"].as_str().unwrap();
        assert_eq!(arm["runs"].as_u64(), Some(by_block(record, id, "wall_s").len() as u64));
        for (key, figure) in arm["metrics"].as_object().unwrap() {
            let mine = by_block(record, id, key);
            let expected = median(mine.values().copied().collect());
            assert!(
                close(figure["median"].as_f64().unwrap(), expected),
                "{id} {key}: {figure}, {expected} expected"
            );
            figures += 1;
            let Some(ratio) = figure["baseline"]["ratio"]["ratio"].as_f64() else { continue };
            let theirs = by_block(record, "3.14", key);
            // A block in which either value is zero has no ratio.
            let pairs = mine.iter().filter_map(|(block, m)| Some((*m, *theirs.get(block)?)));
            let logs =
                pairs.filter(|(m, t)| *m > 0.0 && *t > 0.0).map(|(m, t)| (m / t).ln()).collect();
            let expected = median(logs).exp();
            assert!(close(ratio, expected), "{id} {key}: ratio {ratio}, {expected} expected");
        }
    }
    figures
}

#[test]
fn json_agrees_with_the_record() {
    let dir = TestDir::new();
    let json = five_blocks(&dir, &["--json"]).json();
    let record = record(&dir);
    assert!(check_figures(&record, &json["comparison"]) > 30);
    assert_eq!(&json["comparison"]["arms"], &record.comparison()["arms"]);
    assert_eq!(
        (json["record"].as_str(), json["schema"].as_str()),
        (Some("r.jsonl"), Some("ungil.experiment/1"))
    );
    assert_eq!(json["comparison"]["blocks"], 5);
    assert_eq!(json["experiment"]["arms"], record.lines[0]["arms"]);
    let t = &json["comparison"]["arms"][1]["metrics"]["wall_s"]["baseline"];
    assert_eq!(t["verdict"], "less");
    let (low, mid, high) = (&t["ratio"]["low"], &t["ratio"]["ratio"], &t["ratio"]["high"]);
    assert!(
        low.as_f64() <= mid.as_f64() && mid.as_f64() <= high.as_f64() && high.as_f64() < Some(0.5),
        "{t}"
    );
    assert!(json["words"].as_array().unwrap().len() >= 2);
    // Warm-up runs are recorded but not used in any figure.
    assert_eq!(record.runs().iter().filter(|r| r["block"] == 0).count(), 2);
}

#[test]
fn csv_agrees_with_the_record() {
    let dir = TestDir::new();
    let out = five_blocks(&dir, &["--csv"]);
    let record = record(&dir);
    let mut lines = out.stdout.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let at =
        |name: &str| head.iter().position(|h| *h == name).unwrap_or_else(|| panic!("no {name}"));
    let mut rows = 0;
    for line in lines {
        let row: Vec<&str> = line.split(',').collect();
        assert_eq!(row.len(), head.len(), "{line}");
        let mine = by_block(&record, row[at("arm")], row[at("metric")]);
        assert!(
            close(row[at("median")].parse().unwrap(), median(mine.into_values().collect())),
            "{line}"
        );
        assert_eq!(
            row[at("baseline")],
            if row[at("arm")] == "3.14" { "" } else { "3.14" },
            "{line}"
        );
        rows += 1;
    }
    let figures: usize = record.comparison()["arms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["metrics"].as_object().unwrap().len())
        .sum();
    assert_eq!(rows, figures, "one row per arm and metric");
}

/// Formats three significant digits, like the table.
fn digits(value: f64) -> String {
    match value {
        v if v >= 99.95 => format!("{v:.0}"),
        v if v >= 9.995 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// Formats a time in the unit of the table's column heading.
fn seconds(table: &str, value: f64) -> String {
    let head = table.lines().next().unwrap();
    let units = [("time s ", 1.0), ("time ms ", 1e-3), ("time µs ", 1e-6)];
    let (_, size) = units.into_iter().find(|(heading, _)| head.contains(heading)).unwrap();
    format!(" {} ", digits(value / size))
}

#[test]
fn table_and_sentences_agree_with_the_record() {
    let dir = TestDir::new();
    let out = five_blocks(&dir, &[]);
    let record = record(&dir);
    let figure = &record.comparison()["arms"][1]["metrics"]["wall_s"];
    let ratio = figure["baseline"]["ratio"]["ratio"].as_f64().unwrap();
    let row = |arm: &str| {
        out.stdout
            .lines()
            .find(|l| l.trim_start().starts_with(&format!("{arm} ")))
            .unwrap()
            .to_string()
    };
    for (i, arm) in ["3.14", "3.14t"].into_iter().enumerate() {
        let wall = record.comparison()["arms"][i]["metrics"]["wall_s"]["median"].as_f64().unwrap();
        let shown = seconds(&out.stdout, wall);
        assert!(row(arm).contains(&shown), "{shown} in {}", row(arm));
    }
    assert!(row("3.14").contains("baseline"));
    assert!(
        row("3.14t").contains(&format!("1/{}", digits(1.0 / ratio)))
            && row("3.14t").contains("faster"),
        "{}",
        row("3.14t")
    );
    let words: Vec<&str> = out.stdout.lines().filter_map(|l| l.strip_prefix("- ")).collect();
    let factor = format!("3.14t is the fastest: {}× faster than 3.14", digits(1.0 / ratio));
    assert!(words.iter().any(|w| w.contains(&factor)), "{factor} in {words:?}");
    assert!(words.contains(&"Use 3.14t."), "{words:?}");
    assert!(words.iter().all(|w| w.ends_with('.')) && (2..=6).contains(&words.len()), "{words:?}");
    assert!(out.stdout.ends_with("Record: r.jsonl\n"));
    assert!(!out.stdout.contains('\u{1b}'), "colour without a terminal");
    // A resume that has nothing to do prints the same table and sentences.
    let again = dir.ungil(["compare", "-q", "--resume", "r.jsonl"]).run().ok();
    let told = |text: &str| text.split("Record: ").next().map(str::to_string);
    assert_eq!(told(&again.stdout), told(&out.stdout));
}

#[test]
fn a_table_fits_the_terminal_and_lists_omitted_columns() {
    let dir = TestDir::new();
    dir.write("work.py", "def f(x):\n    return x\n");
    let args = ["--task", "work:f", "--items", "range(8)", "--models", "threads,interpreters"];
    let arms = ["--python", "3.14,3.14t", "--workers", "1,2", "--out", "r.jsonl"];
    let at = |out: &Out| -> Vec<String> {
        let table = out.stdout.split("\n\n").next().unwrap();
        table.lines().map(String::from).collect()
    };
    let narrow = at(&dir.one_block(args).args(arms).env("COLUMNS", "80").run().ok());
    let (rows, notes) = narrow.split_at(1 + 8);
    assert!(rows.iter().all(|line| line.chars().count() <= 80), "{narrow:#?}");
    assert!(rows[0].starts_with("arm ") && rows[0].contains("verdict"), "{narrow:#?}");
    assert!(rows[1..].iter().all(|row| row.starts_with("3.14")), "{narrow:#?}");
    let left_out = notes.iter().find_map(|l| l.strip_prefix("Left out: ")).unwrap();
    let (left_out, how) = left_out.split_once("; see ").unwrap();
    assert!(how.contains("--wide") && how.contains("--json") && how.contains("--csv"), "{how}");
    let replay = |columns: &str, more: &[&str]| {
        let replay = dir.ungil(["compare", "--replay", "r.jsonl"]).args(more.iter().copied());
        replay.env("COLUMNS", columns).run().ok()
    };
    let wide = at(&replay("40", &["--wide"]));
    assert!(left_out.split(", ").all(|heading| wide[0].contains(heading)), "{wide:#?}");
    assert!(!wide.iter().any(|line| line.starts_with("Left out")), "{wide:#?}");
    for columns in ["40", "60", "100", "200"] {
        let width = columns.parse().unwrap();
        let table = at(&replay(columns, &[]));
        assert!(table[..9].iter().all(|row| row.chars().count() <= width), "{table:#?}");
    }
    assert_eq!(replay("40", &["--csv"]).stdout, replay("200", &["--csv"]).stdout);
    assert_eq!(replay("40", &["--json"]).stdout, replay("200", &["--json"]).stdout);
}

#[test]
fn fewer_than_five_blocks_are_inconclusive() {
    let dir = TestDir::new();
    dir.write("w.py", UNEQUAL);
    let out =
        dir.one_block(["w.py", "--python", "3.14,3.14t", "--fail-if", "time(3.14t) < 0.5"]).run();
    assert_eq!(out.code, 0, "one block cannot decide a threshold: {}", out.stderr);
    assert!(out.stderr.contains("inconclusive: time(3.14t) < 0.5"), "{}", out.stderr);
    let claims = ["is the fastest", "is the slowest", "1 block  faster", "Use 3.14t"];
    assert!(!claims.iter().any(|c| out.stdout.contains(c)), "{}", out.stdout);
    assert!(out.stdout.contains("1 block  inconclusive"), "{}", out.stdout);
    let record = out.record();
    let figure = &record.comparison()["arms"][1]["metrics"]["wall_s"]["baseline"];
    assert_eq!(figure["verdict"], "inconclusive");
}

#[test]
fn the_same_seed_gives_the_same_order() {
    let dir = TestDir::new();
    dir.write("w.py", "print('same')\n");
    let order = |seed: &str| {
        let args = [
            "compare",
            "w.py",
            "--warmup",
            "0",
            "--blocks",
            "3",
            "--max-blocks",
            "3",
            "-q",
            "--energy",
            "off",
        ];
        let record = dir
            .ungil(args)
            .args(["--python", "3.14,3.14t,3.15,3.15t", "--seed", seed])
            .run()
            .ok()
            .record();
        assert_eq!(record.lines[0]["settings"]["seed"].to_string(), seed);
        let runs = record.runs().into_iter().map(|r| (r["block"].clone(), r["arm"].to_string()));
        runs.collect::<Vec<_>>()
    };
    let first = order("42");
    assert_eq!(first, order("42"));
    assert_ne!(first, order("43"));
    let of =
        |block: u64| first.iter().filter(|(b, _)| *b == block).map(|(_, a)| a).collect::<Vec<_>>();
    assert!((2..=3).any(|b| of(b) != of(1)), "every block has the same order");
}

#[test]
fn warm_up_runs_are_recorded_but_not_counted() {
    let dir = TestDir::new();
    dir.write("w.py", "print('same')\n");
    let args = [
        "compare",
        "w.py",
        "--warmup",
        "3",
        "--blocks",
        "1",
        "--max-blocks",
        "1",
        "-q",
        "--energy",
        "off",
    ];
    let record = dir.ungil(args).args(["--python", "3.14,3.14t"]).run().ok().record();
    assert_eq!(record.runs().iter().filter(|r| r["block"] == 0).count(), 2 * 3);
    assert_eq!(
        (record.runs().len(), &record.comparison()["arms"][0]["runs"]),
        (8, &Value::from(1))
    );
}

#[test]
fn probes_record_their_cost() {
    let dir = TestDir::new();
    five_blocks(&dir, &["--json"]);
    for run in record(&dir).runs() {
        let probes = &run["probes"];
        assert!(
            probes["cpu_s"].as_f64() > Some(0.0) && probes["samples"].as_u64() > Some(0),
            "{run}"
        );
        assert!(probes["added_s"].as_f64().is_some() && metric(run, "process_s") > 0.0);
        assert!(["proc", "cgroup"].contains(&run["counted_by"].as_str().unwrap()));
    }
}
