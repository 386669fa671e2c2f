//! Compares `ungil dump --json` with the ground truth that a debuggee reported about itself.
//!
//! Nothing may be missing and nothing may be invented. The ground truth marks what is undefined
//! (the stack of a running thread, a holder that no tool can find) thread by thread;
//! `tests/debuggees/look.py` defines the format.

mod stacks;
mod waiting;

use serde_json::Value;
use std::collections::BTreeSet;

/// The differences between a dump and the ground truth.
#[derive(Debug, Default)]
pub struct DumpDiff {
    /// One line for each difference; empty for a correct dump.
    pub differences: Vec<String>,
}

impl DumpDiff {
    /// Compares a dump and the exit code of `ungil dump` with the ground truth. `age_s` is the age
    /// of the debuggee in seconds, an upper bound for the duration of every wait.
    pub fn new(truth: &Value, dump: &Value, code: i32, age_s: f64) -> DumpDiff {
        let mut diff = DumpDiff::default();
        diff.header(truth, dump);
        diff.threads(truth, dump, age_s);
        diff.deadlocks(truth, dump, code);
        diff.tasks(truth, dump);
        diff
    }

    fn add(&mut self, what: impl Into<String>) {
        self.differences.push(what.into());
    }

    fn expect_equal(&mut self, what: &str, dump: &Value, truth: &Value) {
        if dump != truth {
            self.add(format!("{what} is {dump}, not {truth}"));
        }
    }

    fn header(&mut self, truth: &Value, dump: &Value) {
        self.expect_equal("schema", &dump["schema"], &"ungil.dump/2".into());
        for key in ["pid", "python", "free_threaded", "gil"] {
            self.expect_equal(key, &dump[key], &truth[key]);
        }
    }

    fn threads(&mut self, truth: &Value, dump: &Value, age_s: f64) {
        let key_of = |interpreter: &Value, thread: &Value| {
            (interpreter.as_i64(), thread["native_id"].as_i64())
        };
        let mut dumped = Vec::new();
        for interpreter in items(&dump["interpreters"]) {
            for thread in items(&interpreter["threads"]) {
                dumped.push((key_of(&interpreter["id"], thread), thread));
            }
        }
        let mut expected = BTreeSet::new();
        for row in items(&truth["threads"]) {
            let key = key_of(&row["interpreter"], row);
            expected.insert(key);
            let found: Vec<&Value> =
                dumped.iter().filter(|(k, _)| *k == key).map(|(_, thread)| *thread).collect();
            match found[..] {
                [thread] => self.thread(row, thread, age_s),
                _ => self.add(format!(
                    "the thread {} {key:?} occurs {} times",
                    row["name"],
                    found.len()
                )),
            }
        }
        for (key, thread) in &dumped {
            if !expected.contains(key) && truth["extras"] != true {
                self.add(format!("the thread {} {key:?} is invented", thread["name"]));
            }
        }
    }

    fn thread(&mut self, row: &Value, thread: &Value, age_s: f64) {
        let who = row["name"].as_str().unwrap_or("a thread").to_string();
        if !row["name"].is_null() {
            self.expect_equal(&format!("{who}: name"), &thread["name"], &row["name"]);
        }
        self.expect_equal(&format!("{who}: ident"), &thread["ident"], &row["ident"]);
        if !items(&row["state"]).contains(&thread["state"]) {
            self.add(format!("{who}: state is {}, not one of {}", thread["state"], row["state"]));
        }
        if thread["state"] == "syscall"
            && row["calls"].is_array()
            && !items(&row["calls"]).contains(&thread["system_call"])
        {
            self.add(format!(
                "{who}: system call is {}, not one of {}",
                thread["system_call"], row["calls"]
            ));
        }
        self.stack(&who, &row["frames"], &thread["frames"]);
        self.waits(&who, &row["waits"], thread, age_s);
        self.holds(&who, row, thread);
    }

    fn deadlocks(&mut self, truth: &Value, dump: &Value, code: i32) {
        let ids = |cycle: &Value| {
            let mut ids: Vec<i64> =
                items(&cycle["edges"]).iter().filter_map(|e| e["native_id"].as_i64()).collect();
            ids.sort_unstable();
            ids
        };
        let cycles: Vec<&Value> =
            items(&dump["deadlocks"]).iter().filter(|d| !ids(d).is_empty()).collect();
        let mut found: Vec<Vec<i64>> = cycles.iter().map(|d| ids(d)).collect();
        let whole = |d: &Value| items(d).iter().filter_map(Value::as_i64).collect::<Vec<_>>();
        let mut expected: Vec<Vec<i64>> = items(&truth["deadlocks"]).iter().map(whole).collect();
        found.sort();
        expected.sort();
        if found != expected {
            self.add(format!("deadlocks are {found:?}, not {expected:?}"));
        }
        cycles.iter().for_each(|cycle| self.cycle(dump, cycle));
        // 3.13 has no `AsyncioDebug` section, so a cycle of tasks may be missed.
        let names =
            |cycle: &Value| items(cycle).iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        let cycles_of = |all: &Value| items(all).iter().map(names).collect::<BTreeSet<_>>();
        let (tasks, wanted) = (cycles_of(&dump["task_cycles"]), cycles_of(&truth["task_cycles"]));
        if tasks != wanted && !(tasks.is_empty() && minor(dump) < 14) {
            self.add(format!("task cycles are {tasks:?}, not {wanted:?}"));
        }
        if code != if expected.is_empty() && tasks.is_empty() { 0 } else { 4 } {
            self.add(format!(
                "the exit code is {code}: deadlocks {expected:?}, task cycles {tasks:?}"
            ));
        }
    }

    /// Checks that each edge leads to the next one and agrees with the entry of its thread.
    fn cycle(&mut self, dump: &Value, cycle: &Value) {
        let edges = items(&cycle["edges"]);
        for (edge, next) in edges.iter().zip(edges.iter().cycle().skip(1)) {
            if edge["held_by"] != next["native_id"] || edge["holder"] != next["thread"] {
                self.add(format!("the edge {edge} does not lead to {next}"));
            }
            let threads = items(&dump["interpreters"]).iter().flat_map(|i| items(&i["threads"]));
            let agrees = threads.filter(|t| t["native_id"] == edge["native_id"]).any(|t| {
                let waits = &t["waits"];
                let held = items(&waits["holders"]).iter().any(|h| {
                    h["native_id"] == edge["held_by"] && h["confidence"] == edge["confidence"]
                });
                held && waits["lock"] == edge["waits_for"]
                    && waits["kind"] == edge["kind"]
                    && t["name"] == edge["thread"]
            });
            if !agrees {
                self.add(format!("no thread waits as the edge {edge} states"));
            }
        }
    }
}

/// Returns the minor version of the interpreter.
fn minor(dump: &Value) -> u32 {
    dump["python"].as_str().and_then(|v| v.split('.').nth(1)?.parse().ok()).unwrap_or(0)
}

/// Returns the items of an array; nothing for any other value.
fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests;
