//! Finds lines and types in a report of `ungil profile --mode alloc --json`.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::Value;

/// Returns the entry of a line of `work.py`.
#[track_caller]
pub(crate) fn line(report: &Value, number: u64) -> &Value {
    let in_script = |l: &&Value| l["file"].as_str().is_some_and(|f| f.ends_with("work.py"));
    let mut lines = report["lines"].as_array().unwrap().iter().filter(in_script);
    lines.find(|l| l["line"] == number).unwrap_or_else(|| panic!("no line {number} in {report:#}"))
}

/// Returns the entry of a type in a line.
#[track_caller]
pub(crate) fn kind<'a>(line: &'a Value, name: &str) -> &'a Value {
    let types = line["types"].as_array().unwrap();
    types.iter().find(|t| t["type"] == name).unwrap_or_else(|| panic!("no {name} in {line:#}"))
}
