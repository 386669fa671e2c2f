//! What `ungil dump --json` says against what a program said of itself: every difference, in words.
//!
//! Nothing may be missing and nothing invented. Where the truth leaves something open (a thread
//! that computes, a holder that no tool could know) it says so itself, thread by thread; the rules
//! for that are in `tests/debuggees/look.py`.

mod stacks;
mod waiting;

use serde_json::Value;
use std::collections::BTreeSet;

/// What is wrong with a dump, and where.
#[derive(Debug, Default)]
pub struct Verdict {
    /// One line a difference; none is what is wanted.
    pub differences: Vec<String>,
}

impl Verdict {
    /// Compares a dump and its exit code with the truth. `age_s` is a time that no wait can have
    /// lasted longer than.
    pub fn of(truth: &Value, dump: &Value, code: i32, age_s: f64) -> Verdict {
        let mut verdict = Verdict::default();
        verdict.header(truth, dump);
        verdict.threads(truth, dump, age_s);
        verdict.deadlocks(truth, dump, code);
        verdict.tasks(truth, dump);
        verdict
    }

    fn wrong(&mut self, what: impl Into<String>) {
        self.differences.push(what.into());
    }

    fn same(&mut self, what: &str, dump: &Value, truth: &Value) {
        if dump != truth {
            self.wrong(format!("{what} is {dump}, not {truth}"));
        }
    }

    fn header(&mut self, truth: &Value, dump: &Value) {
        self.same("schema", &dump["schema"], &"ungil.dump/2".into());
        for key in ["pid", "python", "free_threaded", "gil"] {
            self.same(key, &dump[key], &truth[key]);
        }
    }

    fn threads(&mut self, truth: &Value, dump: &Value, age_s: f64) {
        let place = |interpreter: &Value, thread: &Value| {
            (interpreter.as_i64(), thread["native_id"].as_i64())
        };
        let mut seen = Vec::new();
        for interpreter in items(&dump["interpreters"]) {
            for thread in items(&interpreter["threads"]) {
                seen.push((place(&interpreter["id"], thread), thread));
            }
        }
        let mut expected = BTreeSet::new();
        for row in items(&truth["threads"]) {
            let key = place(&row["interpreter"], row);
            expected.insert(key);
            let found: Vec<&Value> =
                seen.iter().filter(|(k, _)| *k == key).map(|(_, thread)| *thread).collect();
            match found[..] {
                [thread] => self.thread(row, thread, age_s),
                _ => self.wrong(format!(
                    "the thread {} {key:?} is there {} times",
                    row["name"],
                    found.len()
                )),
            }
        }
        for (key, thread) in &seen {
            if !expected.contains(key) && truth["extras"] != true {
                self.wrong(format!("the thread {} {key:?} is invented", thread["name"]));
            }
        }
    }

    fn thread(&mut self, row: &Value, thread: &Value, age_s: f64) {
        let who = row["name"].as_str().unwrap_or("a thread").to_string();
        if !row["name"].is_null() {
            self.same(&format!("{who}: name"), &thread["name"], &row["name"]);
        }
        self.same(&format!("{who}: ident"), &thread["ident"], &row["ident"]);
        if !items(&row["state"]).contains(&thread["state"]) {
            self.wrong(format!("{who}: state is {}, not one of {}", thread["state"], row["state"]));
        }
        if thread["state"] == "syscall"
            && row["calls"].is_array()
            && !items(&row["calls"]).contains(&thread["system_call"])
        {
            self.wrong(format!(
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
            self.wrong(format!("deadlocks are {found:?}, not {expected:?}"));
        }
        cycles.iter().for_each(|cycle| self.circle(dump, cycle));
        // 3.13 has no table of asyncio, so that a circle of its tasks may be missed.
        let names =
            |cycle: &Value| items(cycle).iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        let circles = |all: &Value| items(all).iter().map(names).collect::<BTreeSet<_>>();
        let (tasks, wanted) = (circles(&dump["task_cycles"]), circles(&truth["task_cycles"]));
        if tasks != wanted && !(tasks.is_empty() && minor(dump) < 14) {
            self.wrong(format!("circles of tasks are {tasks:?}, not {wanted:?}"));
        }
        if code != if expected.is_empty() && tasks.is_empty() { 0 } else { 4 } {
            self.wrong(format!(
                "the exit code is {code}: deadlocks {expected:?}, circles of tasks {tasks:?}"
            ));
        }
    }

    /// Each edge leads to the next, and says of its thread what the thread's own row says.
    fn circle(&mut self, dump: &Value, cycle: &Value) {
        let edges = items(&cycle["edges"]);
        for (edge, next) in edges.iter().zip(edges.iter().cycle().skip(1)) {
            if edge["held_by"] != next["native_id"] || edge["holder"] != next["thread"] {
                self.wrong(format!("the edge {edge} does not lead to {next}"));
            }
            let threads = items(&dump["interpreters"]).iter().flat_map(|i| items(&i["threads"]));
            let own = threads.filter(|t| t["native_id"] == edge["native_id"]).any(|t| {
                let waits = &t["waits"];
                let held = items(&waits["holders"]).iter().any(|h| {
                    h["native_id"] == edge["held_by"] && h["confidence"] == edge["confidence"]
                });
                held && waits["lock"] == edge["waits_for"]
                    && waits["kind"] == edge["kind"]
                    && t["name"] == edge["thread"]
            });
            if !own {
                self.wrong(format!("no thread waits as the edge {edge} has it"));
            }
        }
    }
}

/// The second number of the interpreter's version.
fn minor(dump: &Value) -> u32 {
    dump["python"].as_str().and_then(|v| v.split('.').nth(1)?.parse().ok()).unwrap_or(0)
}

/// The items of an array; none of anything else.
fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests;
