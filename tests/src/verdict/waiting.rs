//! What a thread waits for, who has it, and what it holds itself.

use super::{Verdict, items};
use serde_json::Value;

/// How sure a dump is of a holder, more for surer. `None`: not a word the schema has.
fn rank(confidence: &Value) -> Option<usize> {
    ["unknown", "with", "critical-section", "owner"].iter().position(|c| confidence == c)
}

/// The kinds for which one look tells since when the thread has waited, from 3.14 on.
const TIMED: [&str; 2] = ["threading.Lock", "threading.RLock"];

impl Verdict {
    pub(super) fn waits(&mut self, who: &str, truth: &Value, thread: &Value, age_s: f64) {
        let waits = &thread["waits"];
        if truth == "any" || truth.is_null() && waits.is_null() {
            return;
        }
        if let Some(others) = truth["gil"].as_array() {
            let gil =
                waits["kind"] == "GIL" && self.named(who, waits).iter().all(|h| others.contains(h));
            if !waits.is_null() && !gil {
                self.wrong(format!(
                    "{who}: waits {waits}, not for the GIL of {others:?} or for nothing"
                ));
            }
            return;
        }
        let known = |w: &Value| w[0] == waits["lock"] && (w[1].is_null() || w[1] == waits["kind"]);
        if !items(&truth["any"]).iter().any(known) {
            self.wrong(format!("{who}: waits {waits}, not {}", truth["any"]));
            return;
        }
        let expected = items(&truth["holders"]);
        let named = self.named(who, waits);
        for holder in expected {
            let least = rank(&holder["confidence"]);
            let found =
                items(&waits["holders"]).iter().find(|h| h["native_id"] == holder["native_id"]);
            match found {
                None if least == Some(0) => {}
                None => self.wrong(format!("{who}: {holder} is not among the holders of {waits}")),
                Some(found) if rank(&found["confidence"]) < least => {
                    self.wrong(format!("{who}: not sure enough of {holder} in {waits}"));
                }
                Some(_) => {}
            }
        }
        for id in named {
            if !expected.iter().any(|h| h["native_id"] == *id) {
                self.wrong(format!("{who}: the holder {id} is invented in {waits}"));
            }
        }
        if waits["seconds"].as_f64().is_some_and(|s| !(0.0..=age_s).contains(&s)) {
            self.wrong(format!("{who}: waits longer than the program runs: {waits}, {age_s} s"));
        }
    }

    /// Whether a wait that says since when it lasts does so; asked where every build can tell.
    pub fn timed(&mut self, dump: &Value) {
        let threads = items(&dump["interpreters"]).iter().flat_map(|i| items(&i["threads"]));
        for thread in threads {
            let waits = &thread["waits"];
            if TIMED.iter().any(|k| waits["kind"] == *k) && waits["seconds"].is_null() {
                self.wrong(format!("{}: no word of since when it waits: {waits}", thread["name"]));
            }
        }
    }

    /// The holders that a wait names, with every word the schema asks for.
    fn named<'a>(&mut self, who: &str, waits: &'a Value) -> Vec<&'a Value> {
        for holder in items(&waits["holders"]) {
            let sure = rank(&holder["confidence"]);
            if sure.is_none() || (sure == Some(0)) != holder["native_id"].is_null() {
                self.wrong(format!(
                    "{who}: the holder {holder} and its confidence do not go together"
                ));
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
                [] if hold["must"] == true => self.wrong(format!("{who}: does not hold {hold}")),
                [] => {}
                [own] => {
                    let kind = hold["kind"].is_null() || own["kind"] == hold["kind"];
                    if !kind
                        || own["depth"] != hold["depth"]
                        || rank(&own["confidence"]) < rank(&hold["confidence"])
                    {
                        self.wrong(format!("{who}: holds {own}, not {hold}"));
                    }
                }
                _ => self.wrong(format!("{who}: holds {} {} times over", hold["lock"], own.len())),
            }
        }
        for hold in found {
            let known = expected.iter().any(|h| h["lock"] == hold["lock"])
                || items(&row["may"]).contains(&hold["lock"])
                || is_in(&row["may_in"], thread, hold);
            if !known {
                self.wrong(format!("{who}: holds {hold}, which is invented"));
            }
        }
    }
}

/// The frame that holds it is of this file of the standard library, whose own locks the program
/// cannot tell.
fn is_in(file: &Value, thread: &Value, hold: &Value) -> bool {
    let frame = hold["frame"].as_u64().and_then(|frame| usize::try_from(frame).ok());
    let held_in = frame.and_then(|frame| thread["frames"][frame]["file"].as_str());
    file.as_str().zip(held_in).is_some_and(|(file, held_in)| held_in.ends_with(file))
}
