//! Checks that `top` and `profile` report the same state and the same wait target as `dump` for
//! each thread.

use crate::{TestDir, TruthfulDebuggee};
use serde_json::Value;

/// Returns the items of an array; nothing for any other value.
fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The state of a thread as one command reports it, and the kind and address of its wait target.
#[derive(Debug, PartialEq, Eq)]
struct ReportedThread {
    state: String,
    target: Option<(String, String)>,
}

impl ReportedThread {
    fn new(state: &Value, wait: &Value, address: &str) -> ReportedThread {
        let state = state.as_str().unwrap_or_default().to_string();
        let text = |key: &str| wait[key].as_str().unwrap_or_default().to_string();
        // All three commands name a wait target only in these states.
        let waits = ["lock", "event", "gil"].contains(&state.as_str()) && !wait.is_null();
        ReportedThread { target: waits.then(|| (text("kind"), text(address))), state }
    }
}

/// Returns a thread's most frequent activity and wait target in a profile.
fn from_profile(profile: &Value, thread: &Value) -> ReportedThread {
    let activities = thread["activities"].as_object().cloned().unwrap_or_default();
    let most = activities.iter().max_by_key(|(_, weight)| weight.as_u64());
    let state = most.map_or(Value::Null, |(name, _)| name.as_str().into());
    let wait = items(&thread["waits"]).iter().max_by_key(|wait| wait["weight"].as_u64());
    let lock = wait.and_then(|wait| wait["lock"].as_u64()).map_or(Value::Null, |index| {
        profile["locks"]
            .get(usize::try_from(index).unwrap_or(usize::MAX))
            .cloned()
            .unwrap_or_default()
    });
    ReportedThread::new(&state, &lock, "address")
}

/// Runs `top` and `profile` on a debuggee whose state does not change, and compares each thread
/// with `dump`. Skips threads that may be in several states according to the debuggee.
pub fn disagreements_with_dump(target: &TruthfulDebuggee, dump: &Value) -> Vec<String> {
    let pid = target.pid().to_string();
    let dir = TestDir::new();
    let run = |args: &[&str]| dir.ungil(args.iter().copied()).run().ok();
    let top = run(&["top", &pid, "--json", "-d", "150ms", "-n", "1"]);
    let top: Value =
        serde_json::from_str(top.stdout.lines().last().unwrap_or_default()).unwrap_or_default();
    let profile =
        run(&["profile", &pid, "--json", "--quiet", "--duration", "200ms", "--rate", "200"]).json();
    let is_moving = |id: &Value| {
        let row = items(&target.truth["threads"]).iter().find(|row| row["native_id"] == *id);
        row.is_none_or(|row| row["frames"] == "moving" || items(&row["state"]).len() != 1)
    };
    let threads =
        items(&dump["interpreters"]).iter().flat_map(|interpreter| items(&interpreter["threads"]));
    let mut wrong = Vec::new();
    for thread in
        threads.filter(|thread| thread["entered"].is_null() && !is_moving(&thread["native_id"]))
    {
        let (id, name) = (&thread["native_id"], &thread["name"]);
        let dumped = ReportedThread::new(&thread["state"], &thread["waits"], "lock");
        let of_top = items(&top["threads"]).iter().find(|row| row["tid"] == *id);
        let of_top = of_top.map(|row| ReportedThread::new(&row["state"], &row["wait"], "object"));
        if of_top.as_ref() != Some(&dumped) {
            wrong.push(format!("{name}: dump reports {dumped:?}, top {of_top:?}"));
        }
        let row = items(&profile["threads"]).iter().find(|row| row["native_id"] == *id);
        let sampled = row.map(|row| from_profile(&profile, row));
        if sampled.as_ref() != Some(&dumped) {
            wrong.push(format!("{name}: dump reports {dumped:?}, profile {sampled:?}"));
        }
    }
    wrong
}
