//! Compares the stacks of threads, including source lines, and asyncio tasks with their await
//! graph.

use super::{DumpDiff, items, minor};
use serde_json::Value;
use std::collections::BTreeSet;

impl DumpDiff {
    pub(super) fn stack(&mut self, who: &str, truth: &Value, dump: &Value) {
        let Some(expected) = truth.as_array() else {
            // The thread is running: only the presence of a stack can be checked.
            if dump.as_array().is_none() {
                self.add(format!("{who}: no frames at all"));
            }
            return;
        };
        let location = |f: &Value| [f["function"].clone(), f["file"].clone(), f["line"].clone()];
        let found: Vec<Value> =
            items(dump).iter().map(|f| Value::from(location(f).to_vec())).collect();
        let first = expected.iter().zip(&found).position(|(e, f)| e != f);
        let first =
            first.or((expected.len() != found.len()).then_some(expected.len().min(found.len())));
        if let Some(at) = first {
            let none = Value::Null;
            let (actual, wanted) =
                (found.get(at).unwrap_or(&none), expected.get(at).unwrap_or(&none));
            let of = (found.len(), expected.len());
            self.add(format!(
                "{who}: frame {at} of {} is {actual}, not {wanted} of {}",
                of.0, of.1
            ));
        }
        let mut last: Option<(String, Vec<String>)> = None;
        for frame in items(dump) {
            let file = frame["file"].as_str().unwrap_or_default();
            if last.as_ref().is_none_or(|(name, _)| name != file) {
                let text = std::fs::read(file).unwrap_or_default();
                let lines =
                    String::from_utf8_lossy(&text).lines().map(|l| l.trim().to_string()).collect();
                last = Some((file.to_string(), lines));
            }
            let lines = last.as_ref().map_or(&[][..], |(_, lines)| lines);
            let line = frame["line"]
                .as_u64()
                .and_then(|n| lines.get(usize::try_from(n).ok()?.checked_sub(1)?));
            if frame["source"].as_str() != line.map(String::as_str) {
                self.add(format!(
                    "{who}: the source of {file}:{} is {}, not {line:?}",
                    frame["line"], frame["source"]
                ));
            }
        }
    }

    pub(super) fn tasks(&mut self, truth: &Value, dump: &Value) {
        let Some(expected) = truth["tasks"].as_array().filter(|_| minor(dump) >= 14) else {
            // 3.13 has no `AsyncioDebug` section: its tasks need not be found.
            return;
        };
        let ids =
            |rows: &[Value]| rows.iter().map(|t| t["id"].to_string()).collect::<BTreeSet<_>>();
        let (found, wanted) = (ids(items(&dump["tasks"])), ids(expected));
        if found != wanted || items(&dump["tasks"]).len() != expected.len() {
            self.add(format!("tasks are {found:?}, not {wanted:?}"));
        }
        for row in expected {
            let Some(task) = items(&dump["tasks"]).iter().find(|t| t["id"] == row["id"]) else {
                continue;
            };
            let who = format!("task {}", row["name"]);
            self.expect_equal(&format!("{who}: name"), &task["name"], &row["name"]);
            self.expect_equal(&format!("{who}: coroutine"), &task["coroutine"], &row["coroutine"]);
            self.edges(&who, "awaits", task, items(&row["awaits"]));
            let by = expected.iter().filter(|t| items(&t["awaits"]).contains(&row["id"]));
            let by: Vec<Value> = by.map(|t| t["id"].clone()).collect();
            self.edges(&who, "awaited_by", task, &by);
            self.stack(&who, &row["frames"], &task["frames"]);
        }
    }

    fn edges(&mut self, who: &str, key: &str, task: &Value, expected: &[Value]) {
        let set = |all: &[Value]| all.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        let (found, wanted) = (set(items(&task[key])), set(expected));
        if found != wanted {
            self.add(format!("{who}: {key} {found:?}, not {wanted:?}"));
        }
    }
}
