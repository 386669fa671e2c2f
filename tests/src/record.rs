//! Reads records as lines of JSON, independently of the program's own reader.

use serde_json::Value;
use std::path::{Path, PathBuf};

/// The lines of a record.
#[derive(Debug, Clone)]
pub struct Record {
    pub path: PathBuf,
    pub lines: Vec<Value>,
}

impl Record {
    /// Reads a record. Fails unless it consists of complete lines of JSON and starts with an
    /// experiment.
    #[track_caller]
    pub fn read(path: &Path) -> Record {
        let text =
            std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(
            text.ends_with('\n'),
            "the record does not end with a whole line: {:?}",
            text.lines().last()
        );
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in the line {line}"))
        };
        let record = Record { path: path.into(), lines: text.lines().map(parse).collect() };
        assert_eq!(record.lines[0]["type"], "experiment");
        record
    }

    /// Returns the lines of one type.
    pub fn of_type<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.lines.iter().filter(move |l| l["type"] == kind)
    }

    /// Returns all runs, including warm-up.
    pub fn runs(&self) -> Vec<&Value> {
        self.of_type("run").collect()
    }

    /// Returns the runs of one arm, including warm-up. Fails if there is none.
    #[track_caller]
    pub fn of_arm(&self, arm: &str) -> Vec<&Value> {
        let runs: Vec<&Value> = self.of_type("run").filter(|r| r["arm"] == arm).collect();
        assert!(!runs.is_empty(), "no run of {arm} among {:?}", self.arms());
        runs
    }

    /// Returns the only run of an arm. Fails if there are several.
    #[track_caller]
    pub fn run(&self, arm: &str) -> &Value {
        let runs = self.of_arm(arm);
        assert_eq!(runs.len(), 1, "runs of {arm}");
        runs[0]
    }

    /// Returns the ids of the arms, the baseline first.
    pub fn arms(&self) -> Vec<&str> {
        let arms = self.lines[0]["arms"].as_array().expect("arms");
        arms.iter().map(|a| a["id"].as_str().expect("an id")).collect()
    }

    /// Returns the last comparison.
    #[track_caller]
    pub fn comparison(&self) -> &Value {
        self.of_type("comparison").last().expect("a comparison")
    }
}

/// Returns a metric of a run. Fails if the run does not have it.
#[track_caller]
pub fn metric(run: &Value, key: &str) -> f64 {
    run["metrics"][key].as_f64().unwrap_or_else(|| panic!("no {key} in {run}"))
}

/// Returns the messages of a run's hazards of one kind.
pub fn hazards<'a>(run: &'a Value, kind: &str) -> Vec<&'a str> {
    let all = run["hazards"].as_array().map_or(&[][..], Vec::as_slice);
    all.iter()
        .filter(|h| h["kind"] == kind)
        .map(|h| h["says"].as_str().expect("a message"))
        .collect()
}
