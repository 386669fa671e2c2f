//! What a report of `ungil profile --mode alloc --json` says of a line.
#![allow(clippy::unwrap_used)] // helpers of tests may

use serde_json::Value;

/// The line of `work.py`.
#[track_caller]
pub(crate) fn line(report: &Value, number: u64) -> &Value {
    let of_file = |l: &&Value| l["file"].as_str().is_some_and(|f| f.ends_with("work.py"));
    let mut lines = report["lines"].as_array().unwrap().iter().filter(of_file);
    lines.find(|l| l["line"] == number).unwrap_or_else(|| panic!("no line {number} in {report:#}"))
}

/// A line's share that is of a type.
#[track_caller]
pub(crate) fn kind<'a>(line: &'a Value, name: &str) -> &'a Value {
    let types = line["types"].as_array().unwrap();
    types.iter().find(|t| t["type"] == name).unwrap_or_else(|| panic!("no {name} in {line:#}"))
}
