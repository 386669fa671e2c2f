//! Checks that a correct dump passes and that every change to it is detected.

use super::DumpDiff;
use serde_json::{Value, json};

fn truth() -> Value {
    let frames =
        |line: u32| json!([["stay", "/nowhere/look.py", 9], ["take", "/nowhere/a.py", line]]);
    let waits = |lock: &str, holder: u32| json!({"any": [[lock, "threading.Lock"]], "holders": [{"native_id": holder, "confidence": "with"}]});
    let holds = |lock: &str| json!([{"lock": lock, "kind": "threading.Lock", "depth": 1, "confidence": "with", "must": true}]);
    let one = json!({"name": "one", "native_id": 11, "ident": 1, "interpreter": 0, "state": ["lock"], "calls": ["futex", null],
        "waits": waits("0xb", 12), "holds": holds("0xa"), "frames": frames(4)});
    let two = json!({"name": "two", "native_id": 12, "ident": 2, "interpreter": 0, "state": ["lock"], "calls": ["futex", null],
        "waits": waits("0xa", 11), "holds": holds("0xb"), "frames": frames(5)});
    let idle = json!({"name": "idle", "native_id": 13, "ident": 3, "interpreter": 1, "state": ["syscall"], "calls": ["read"],
        "waits": null, "holds": [], "frames": frames(6)});
    let tasks = json!([{"id": "0x1", "name": "t1", "coroutine": "c", "awaits": ["0x2"], "frames": []},
        {"id": "0x2", "name": "t2", "coroutine": "c", "awaits": [], "frames": []}]);
    json!({"pid": 11, "python": "3.14.9", "free_threaded": true, "gil": "off", "threads": [one, two, idle],
        "deadlocks": [[11, 12]], "extras": false, "tasks": tasks, "task_cycles": []})
}

fn dump() -> Value {
    let frame = |name: &str, file: &str, line: u32| json!({"function": name, "file": file, "line": line, "source": null});
    let frames = |line: u32| {
        json!([frame("stay", "/nowhere/look.py", 9), frame("take", "/nowhere/a.py", line)])
    };
    let waits = |lock: &str, id: u32, name: &str| {
        json!({"lock": lock, "kind": "threading.Lock", "name": null, "seconds": 0.5,
        "frame": 1, "holders": [{"native_id": id, "name": name, "confidence": "with"}]})
    };
    let holds = |lock: &str| json!([{"lock": lock, "kind": "threading.Lock", "depth": 1, "confidence": "with", "frame": 1}]);
    let thread = |name: &str, id: u32, ident: u32, line: u32| {
        json!({"name": name, "native_id": id, "ident": ident, "state": "lock",
        "system_call": "futex", "frames": frames(line), "waits": null, "holds": []})
    };
    let (mut one, mut two, mut idle) =
        (thread("one", 11, 1, 4), thread("two", 12, 2, 5), thread("idle", 13, 3, 6));
    (one["waits"], one["holds"]) = (waits("0xb", 12, "two"), holds("0xa"));
    (two["waits"], two["holds"]) = (waits("0xa", 11, "one"), holds("0xb"));
    (idle["state"], idle["system_call"]) = ("syscall".into(), "read".into());
    let edge = |id: u32, name: &str, lock: &str, by: u32, holder: &str| {
        json!({"native_id": id, "thread": name, "waits_for": lock,
        "kind": "threading.Lock", "name": null, "held_by": by, "holder": holder, "confidence": "with"})
    };
    let task = |id: &str, name: &str, awaits: Value, by: Value| {
        json!({"id": id, "name": name, "coroutine": "c", "state": "waiting",
        "awaits": awaits, "awaited_by": by, "frames": []})
    };
    json!({"schema": "ungil.dump/2", "pid": 11, "python": "3.14.9", "free_threaded": true, "gil": "off",
        "interpreters": [{"id": 0, "threads": [one, two]}, {"id": 1, "threads": [idle]}],
        "tasks": [task("0x1", "t1", json!(["0x2"]), json!([])), task("0x2", "t2", json!([]), json!(["0x1"]))],
        "task_cycles": [], "deadlocks": [{"edges": [edge(11, "one", "0xb", 12, "two"), edge(12, "two", "0xa", 11, "one")]}], "warnings": []})
}

#[test]
fn accepts_correct_dump() {
    assert_eq!(DumpDiff::new(&truth(), &dump(), 4, 1.0).differences, Vec::<String>::new());
}

#[test]
fn detects_every_changed_field() {
    let changes = [
        ("/schema", json!("ungil.dump/1")),
        ("/pid", json!(12)),
        ("/python", json!("3.14.8")),
        ("/gil", json!("on")),
        ("/interpreters/0/threads", json!([])),
        ("/interpreters/0/id", json!(2)),
        ("/interpreters/1/threads/0/name", json!("idler")),
        ("/interpreters/1/threads/0/native_id", json!(14)),
        ("/interpreters/1/threads/0/ident", json!(4)),
        ("/interpreters/1/threads/0/state", json!("running")),
        ("/interpreters/1/threads/0/system_call", json!("write")),
        (
            "/interpreters/1/threads/0/waits",
            dump()["interpreters"][0]["threads"][0]["waits"].clone(),
        ),
        (
            "/interpreters/1/threads/0/holds",
            dump()["interpreters"][0]["threads"][0]["holds"].clone(),
        ),
        ("/interpreters/1/threads/0/frames", json!([])),
        ("/interpreters/1/threads/0/frames/1/line", json!(7)),
        ("/interpreters/1/threads/0/frames/0/function", json!("leave")),
        ("/interpreters/1/threads/0/frames/0/file", json!("/nowhere/a.py")),
        ("/interpreters/1/threads/0/frames/0/source", json!("x = 1")),
        ("/interpreters/0/threads/0/waits", json!(null)),
        ("/interpreters/0/threads/0/waits/lock", json!("0xc")),
        ("/interpreters/0/threads/0/waits/kind", json!("threading.RLock")),
        ("/interpreters/0/threads/0/waits/seconds", json!(1.5)),
        ("/interpreters/0/threads/0/waits/holders", json!([])),
        ("/interpreters/0/threads/0/waits/holders/0/native_id", json!(13)),
        ("/interpreters/0/threads/0/waits/holders/0/confidence", json!("unknown")),
        ("/interpreters/0/threads/0/waits/holders/0/confidence", json!("perhaps")),
        ("/interpreters/0/threads/0/holds", json!([])),
        ("/interpreters/0/threads/0/holds/0/depth", json!(2)),
        ("/interpreters/0/threads/0/holds/0/kind", json!("threading.RLock")),
        ("/interpreters/0/threads/0/holds/0/confidence", json!("unknown")),
        ("/deadlocks", json!([])),
        ("/deadlocks/0/edges/0/native_id", json!(13)),
        ("/deadlocks/0/edges/0/held_by", json!(11)),
        ("/deadlocks/0/edges/0/waits_for", json!("0xc")),
        ("/deadlocks/0/edges/0/confidence", json!("owner")),
        ("/task_cycles", json!([["0x1", "0x2"]])),
        ("/tasks", json!([])),
        ("/tasks/0/name", json!("t3")),
        ("/tasks/0/coroutine", json!("d")),
        ("/tasks/0/awaits", json!([])),
        ("/tasks/1/awaited_by", json!([])),
    ];
    for (pointer, value) in changes {
        let mut dump = dump();
        *dump.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
        assert!(
            !DumpDiff::new(&truth(), &dump, 4, 1.0).differences.is_empty(),
            "the change of {pointer} was not detected"
        );
    }
    assert!(
        !DumpDiff::new(&truth(), &dump(), 0, 1.0).differences.is_empty(),
        "the exit code was not checked"
    );
    let mut no_deadlock = truth();
    no_deadlock["deadlocks"] = json!([]);
    assert!(
        !DumpDiff::new(&no_deadlock, &dump(), 4, 1.0).differences.is_empty(),
        "the invented deadlock was not detected"
    );
}

#[test]
fn unknown_holder_may_be_omitted_but_not_invented() {
    let mut unknown = truth();
    unknown["threads"][0]["waits"]["holders"][0]["confidence"] = "unknown".into();
    unknown["deadlocks"] = json!([]);
    let mut dump = dump();
    dump["deadlocks"] = json!([]);
    let compare = |dump: &Value| DumpDiff::new(&unknown, dump, 0, 1.0).differences;
    assert_eq!(compare(&dump), Vec::<String>::new(), "naming the true holder is allowed");
    let holders = "/interpreters/0/threads/0/waits/holders";
    *dump.pointer_mut(holders).unwrap() =
        json!([{"native_id": null, "name": null, "confidence": "unknown"}]);
    assert_eq!(compare(&dump), Vec::<String>::new());
    *dump.pointer_mut(holders).unwrap() =
        json!([{"native_id": 13, "name": "idle", "confidence": "with"}]);
    assert!(!compare(&dump).is_empty());
}

#[test]
fn requires_duration_of_lock_wait() {
    let mut dump = dump();
    let timed = |dump: &Value| {
        let mut diff = DumpDiff::default();
        diff.require_wait_times(dump);
        diff.differences.len()
    };
    assert_eq!(timed(&dump), 0);
    dump["interpreters"][0]["threads"][0]["waits"]["seconds"] = Value::Null;
    assert_eq!(timed(&dump), 1);
}

#[test]
fn allows_lock_held_by_named_standard_library_file() {
    let (mut truth, mut dump) = (truth(), dump());
    let held = json!({"lock": "0xfeed", "kind": "threading.Lock", "depth": 1, "confidence": "with", "frame": 0});
    dump["interpreters"][0]["threads"][0]["holds"].as_array_mut().unwrap().push(held);
    let file =
        dump["interpreters"][0]["threads"][0]["frames"][0]["file"].as_str().unwrap().to_owned();
    assert!(!DumpDiff::new(&truth, &dump, 4, 1.0).differences.is_empty());
    truth["threads"][0]["may_in"] = "/threading.py".into();
    assert!(!DumpDiff::new(&truth, &dump, 4, 1.0).differences.is_empty(), "it is held in {file}");
    truth["threads"][0]["may_in"] = file.into();
    assert_eq!(DumpDiff::new(&truth, &dump, 4, 1.0).differences, Vec::<String>::new());
}
