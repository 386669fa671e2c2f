//! Compares wait targets, their holders, and the locks that a thread holds.

use super::{DumpDiff, items};
use serde_json::Value;

/// Orders the confidence values of the schema, the most certain last. `None` for any other value.
fn rank(confidence: &Value) -> Option<usize> {
    ["unknown", "with", "critical-section", "owner"].iter().position(|c| confidence == c)
}

/// Kinds of locks for which a single dump knows the duration of a wait, from 3.14 on.
const TIMED_KINDS: [&str; 2] = ["threading.Lock", "threading.RLock"];

impl DumpDiff {
    pub(super) fn waits(&mut self, who: &str, truth: &Value, thread: &Value, age_s: f64) {
        let waits = &thread["waits"];
        if truth == "any" || truth.is_null() && waits.is_null() {
            return;
        }
        if let Some(others) = truth["gil"].as_array() {
            let gil = waits["kind"] == "GIL"
                && self.holder_ids(who, waits).iter().all(|h| others.contains(h));
            if !waits.is_null() && !gil {
                self.add(format!(
                    "{who}: waits {waits}, neither for the GIL of {others:?} nor for nothing"
                ));
            }
            return;
        }
        let known = |w: &Value| w[0] == waits["lock"] && (w[1].is_null() || w[1] == waits["kind"]);
        if !items(&truth["any"]).iter().any(known) {
            self.add(format!("{who}: waits {waits}, not {}", truth["any"]));
            return;
        }
        let expected = items(&truth["holders"]);
        let named = self.holder_ids(who, waits);
        for holder in expected {
            let least = rank(&holder["confidence"]);
            let found =
                items(&waits["holders"]).iter().find(|h| h["native_id"] == holder["native_id"]);
            match found {
                None if least == Some(0) => {}
                None => self.add(format!("{who}: {holder} is not among the holders of {waits}")),
                Some(found) if rank(&found["confidence"]) < least => {
                    self.add(format!("{who}: the confidence in {holder} is too low in {waits}"));
                }
                Some(_) => {}
            }
        }
        for id in named {
            if !expected.iter().any(|h| h["native_id"] == *id) {
                self.add(format!("{who}: the holder {id} is invented in {waits}"));
            }
        }
        if waits["seconds"].as_f64().is_some_and(|s| !(0.0..=age_s).contains(&s)) {
            self.add(format!("{who}: waits longer than the program runs: {waits}, {age_s} s"));
        }
    }

    /// Checks that waits for [`TIMED_KINDS`] have a duration. Not for 3.13, which does not record
    /// it.
    pub fn require_wait_times(&mut self, dump: &Value) {
        let threads = items(&dump["interpreters"]).iter().flat_map(|i| items(&i["threads"]));
        for thread in threads {
            let waits = &thread["waits"];
            if TIMED_KINDS.iter().any(|k| waits["kind"] == *k) && waits["seconds"].is_null() {
                self.add(format!("{}: the wait has no duration: {waits}", thread["name"]));
            }
        }
    }

    /// Returns the native ids of the holders of a wait, and checks their confidence.
    fn holder_ids<'a>(&mut self, who: &str, waits: &'a Value) -> Vec<&'a Value> {
        for holder in items(&waits["holders"]) {
            let rank = rank(&holder["confidence"]);
            if rank.is_none() || (rank == Some(0)) != holder["native_id"].is_null() {
                self.add(format!("{who}: the holder {holder} contradicts its confidence"));
            }
        }
        items(&waits["holders"])
            .iter()
            .map(|h| &h["native_id"])
            .filter(|id| !id.is_null())
            .collect()
    }

    pub(super) fn holds(&mut self, who: &str, row: &Value, thread: &Value) {
        let (expected, found) = (items(&row["holds"]), items(&thread["holds"]));
        for hold in expected {
            let own: Vec<&Value> = found.iter().filter(|h| h["lock"] == hold["lock"]).collect();
            match own[..] {
                [] if hold["must"] == true => self.add(format!("{who}: does not hold {hold}")),
                [] => {}
                [own] => {
                    let kind = hold["kind"].is_null() || own["kind"] == hold["kind"];
                    if !kind
                        || own["depth"] != hold["depth"]
                        || rank(&own["confidence"]) < rank(&hold["confidence"])
                    {
                        self.add(format!("{who}: holds {own}, not {hold}"));
                    }
                }
                _ => self.add(format!("{who}: holds {} {} times", hold["lock"], own.len())),
            }
        }
        for hold in found {
            let known = expected.iter().any(|h| h["lock"] == hold["lock"])
                || items(&row["may"]).contains(&hold["lock"])
                || is_held_in(&row["may_in"], thread, hold);
            if !known {
                self.add(format!("{who}: holds {hold}, which is invented"));
            }
        }
    }
}

/// Returns whether the frame that holds the lock is in this file of the standard library. A
/// debuggee does not know the locks that the standard library itself holds.
fn is_held_in(file: &Value, thread: &Value, hold: &Value) -> bool {
    let frame = hold["frame"].as_u64().and_then(|frame| usize::try_from(frame).ok());
    let held_in = frame.and_then(|frame| thread["frames"][frame]["file"].as_str());
    file.as_str().zip(held_in).is_some_and(|(file, held_in)| held_in.ends_with(file))
}
