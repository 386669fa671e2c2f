//! Tests that records of every kind validate against the documented schema, and that anything else
//! does not.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::{Value, json};
use std::path::Path;
use ungil_tests::{Record, TestDir};

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/record.schema.json");
    let text = std::fs::read_to_string(&path).expect("docs/record.schema.json");
    serde_json::from_str(&text).expect("the schema is JSON")
}

#[track_caller]
fn validates(schema: &Value, record: &Record) {
    let validator = jsonschema::validator_for(schema).expect("the schema is valid");
    for (i, line) in record.lines.iter().enumerate() {
        let errors: Vec<String> = validator
            .iter_errors(line)
            .map(|e| format!("{} at {}", e, e.instance_path()))
            .collect();
        assert!(errors.is_empty(), "line {} ({}): {errors:#?}", i + 1, line["type"]);
    }
}

/// Returns records of many kinds: successful, failed, a task, a service, with idle power and an
/// energy model, resumed.
fn records() -> Vec<Record> {
    let dir = TestDir::new();
    dir.write(
        "w.py",
        "from ungil_phase import phase, metric\nwith phase(): metric('rows', 2)\nprint('same')\n",
    );
    dir.write("task.py", "def f(x): return x\n");
    dir.write(
        "bad.py",
        "import os\nprint(1)\nos.kill(os.getpid(), 11 if 't' in __import__('sys').abiflags else 0)\n",
    );
    let arms = ["--python", "3.14,3.14t"];
    let mut found = Vec::new();
    let full = ["compare", "w.py", "--aa", "--max-blocks", "5", "-q", "--timeout", "100s"];
    let meter = ["--energy", "meter=while :; do echo 1 W; sleep 0.05; done", "--idle", "300ms"];
    found.push(dir.ungil(full).args(arms).args(meter).run().ok().record());
    let model =
        ["compare", "w.py", "--max-blocks", "1", "--blocks", "1", "-q", "--energy", "model"];
    found.push(dir.ungil(model).args(arms).run().ok().record());
    let task =
        ["--task", "task:f", "--items", "range(9)", "--models", "threads,spawn", "--workers", "2"];
    found.push(dir.one_block(task).args(arms).run().ok().record());
    dir.one_block(["bad.py"]).args(arms).args(["--out", "bad.jsonl"]).run().expect_error(1);
    dir.ungil(["compare", "-q", "--resume", "bad.jsonl"]).run().expect_error(1);
    found.push(Record::read(&dir.join("bad.jsonl")));
    let serve = [
        "--serve",
        "{python} -m http.server --bind 127.0.0.1 {port}",
        "--load",
        "wrk -t1 -c1 -d1s {url}",
    ];
    found.push(dir.one_block(serve).args(arms).run().ok().record());
    found
}

#[test]
fn every_line_of_a_record_validates() {
    let schema = schema();
    let records = records();
    for record in &records {
        validates(&schema, record);
    }
    let kinds = |kind: &str| records.iter().flat_map(|r| r.of_type(kind)).count();
    for kind in ["experiment", "idle", "startup", "run", "stopped", "resumed", "comparison"] {
        assert!(kinds(kind) > 0, "no line of type {kind} was validated");
    }
}

#[test]
fn changed_lines_do_not_validate() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).expect("the schema is valid");
    let dir = TestDir::new();
    dir.write("w.py", "print('same')\n");
    let record = dir.one_block(["w.py", "--python", "3.14,3.14t"]).run().ok().record();
    let (head, run, comparison) = (&record.lines[0], record.runs()[0], record.comparison());
    assert!([head, run, comparison].iter().all(|l| validator.is_valid(l)));
    let changed = |line: &Value, change: &dyn Fn(&mut Value)| {
        let mut line = line.clone();
        change(&mut line);
        assert!(!validator.is_valid(&line), "taken as valid: {line}");
    };
    changed(head, &|l| l["type"] = json!("experimint"));
    changed(head, &|l| l["schema"] = json!("ungil.experiment/9"));
    changed(head, &|l| l["arms"] = json!({}));
    changed(head, &|l| drop(l.as_object_mut().map(|o| o.remove("settings"))));
    changed(head, &|l| l["settings"]["seed"] = json!("one"));
    changed(run, &|l| drop(l.as_object_mut().map(|o| o.remove("arm"))));
    changed(run, &|l| l["block"] = json!(-1));
    changed(run, &|l| l["metrics"]["wall_s"] = json!("fast"));
    changed(run, &|l| l["outcome"] = json!({"kind": "exited"}));
    changed(run, &|l| l["hazards"] = json!([{"kind": "bad-luck", "says": "x"}]));
    changed(comparison, &|l| l["arms"][1]["metrics"]["wall_s"]["median"] = Value::Null);
    changed(comparison, &|l| {
        l["arms"][1]["metrics"]["wall_s"]["baseline"]["verdict"] = json!("perhaps")
    });
}
