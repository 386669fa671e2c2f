//! Whether `top` and `profile` say of each thread what `dump` says: the same state, and the same
//! object waited for.

use crate::{Place, Target};
use serde_json::Value;

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// What a verb says of one thread: its state, and the kind and address of what it waits for.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    state: String,
    target: Option<(String, String)>,
}

impl Said {
    fn of(state: &Value, wait: &Value, address: &str) -> Said {
        let state = state.as_str().unwrap_or_default().to_string();
        let text = |key: &str| wait[key].as_str().unwrap_or_default().to_string();
        // In these states alone the three name what is waited for.
        let waits = ["lock", "event", "gil"].contains(&state.as_str()) && !wait.is_null();
        Said { target: waits.then(|| (text("kind"), text(address))), state }
    }
}

/// What a profile says of a thread: what it did most, and what it waited for most.
fn of_profile(profile: &Value, thread: &Value) -> Said {
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
    Said::of(&state, &lock, "address")
}

/// Runs `top` and `profile` of a program that stays as it is, and compares what they say of each of
/// its threads with `dump`. A thread of which the program itself says that it may be in several
/// states is left out.
pub fn disagreements(target: &Target, dump: &Value) -> Vec<String> {
    let pid = target.pid().to_string();
    let place = Place::new();
    let run = |args: &[&str]| place.ungil(args.iter().copied()).run().ok();
    let top = run(&["top", &pid, "--json", "-d", "150ms", "-n", "1"]);
    let top: Value =
        serde_json::from_str(top.stdout.lines().last().unwrap_or_default()).unwrap_or_default();
    let profile =
        run(&["profile", &pid, "--json", "--quiet", "--duration", "200ms", "--rate", "200"]).json();
    let moves = |id: &Value| {
        let row = items(&target.truth["threads"]).iter().find(|row| row["native_id"] == *id);
        row.is_none_or(|row| row["frames"] == "moving" || items(&row["state"]).len() != 1)
    };
    let threads =
        items(&dump["interpreters"]).iter().flat_map(|interpreter| items(&interpreter["threads"]));
    let mut wrong = Vec::new();
    for thread in
        threads.filter(|thread| thread["entered"].is_null() && !moves(&thread["native_id"]))
    {
        let (id, name) = (&thread["native_id"], &thread["name"]);
        let said = Said::of(&thread["state"], &thread["waits"], "lock");
        let of_top = items(&top["threads"]).iter().find(|row| row["tid"] == *id);
        let of_top = of_top.map(|row| Said::of(&row["state"], &row["wait"], "object"));
        if of_top.as_ref() != Some(&said) {
            wrong.push(format!("{name}: dump says {said:?}, top {of_top:?}"));
        }
        let row = items(&profile["threads"]).iter().find(|row| row["native_id"] == *id);
        let sampled = row.map(|row| of_profile(&profile, row));
        if sampled.as_ref() != Some(&said) {
            wrong.push(format!("{name}: dump says {said:?}, profile {sampled:?}"));
        }
    }
    wrong
}
