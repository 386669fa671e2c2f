//! Findings of known profiles, and differences between two.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

mod common;

use common::*;
use ungil_profile::*;

fn texts(profile: &Profile) -> Vec<String> {
    findings(profile).into_iter().map(|f| f.text).collect()
}

#[test]
fn names_the_contended_locks_and_their_holders() {
    let profile = contended().finish(totals()).profile;
    assert_eq!(
        texts(&profile),
        [
            "38.0 % of thread time waits for the dict `cache` at app.py:31 (8 threads, most often held at app.py:47)",
            "20.0 % of thread time runs at app.py:62 in spin",
            "10.0 % of thread time waits for the threading.Lock 0x7f0000002000 at app.py:31 (8 threads, holder unknown)",
            "6.00 % of thread time waits for the GIL (8 threads, most often at app.py:62)",
            "6.00 % of thread time is spent on garbage collection: 2.00 % collecting, 4.00 % suspended \
             meanwhile (20 pauses, the longest 2.00 ms)",
        ]
    );
}

/// Builds a profile of one thread from rows `(function, activity, lock, weight)`; a row has as many
/// samples as its weight.
fn of(header: Header, totals: Totals, rows: &[(&str, Activity, Option<&str>, u64)]) -> Profile {
    let mut b = Builder::new(header);
    for (i, (name, activity, lock, weight)) in rows.iter().enumerate() {
        let function = b.function(name, "a.py", 1, FrameKind::Python);
        let frame = b.frame(function, 10 + i as u32);
        let (thread, stack) = (b.thread(7, 70, ""), b.stack(StackId::EMPTY, frame));
        let lock = lock.map(|name| b.lock(7, i as u64, "Lock", name));
        let key = RowKey { thread, stack, activity: *activity, lock, holder: None };
        b.row(key, Weight { samples: *weight, weight: *weight });
    }
    b.finish(totals).profile
}

#[test]
fn leaves_out_insignificant_findings() {
    let none: [&str; 0] = [];
    let names: Vec<String> = (0..40).map(|i| format!("f{i}")).collect();
    let small: Vec<_> =
        names.iter().map(|name| (name.as_str(), Activity::RUNNING, None, 25)).collect();
    assert_eq!(texts(&of(header(), Totals::default(), &small)), none);
    let waits = [("f", Activity::LOCK, Some("x"), 49), ("f", Activity::SYSCALL, None, 951)];
    assert_eq!(
        texts(&of(header(), Totals::default(), &waits)),
        ["95.1 % of thread time is in system calls or idle"]
    );
    assert_eq!(
        texts(&of(header(), Totals::default(), &[("f", Activity::RUNNING, None, 49)])),
        ["only 49 samples: too few for reliable shares"]
    );
}

#[test]
fn names_the_hottest_function_and_the_hottest_line() {
    // Function f has two lines of 20, g one of 25.
    let mut b = Builder::new(header());
    for (name, line, weight) in [("f", 1, 200), ("f", 2, 170), ("g", 7, 230)] {
        let function = b.function(name, "/srv/a.py", 1, FrameKind::Python);
        let frame = b.frame(function, line);
        let (thread, stack) = (b.thread(7, 70, ""), b.stack(StackId::EMPTY, frame));
        let key = RowKey { thread, stack, activity: Activity::RUNNING, lock: None, holder: None };
        b.row(key, Weight { samples: weight, weight });
    }
    let idle = b.function("h", "/srv/a.py", 1, FrameKind::Python);
    let (thread, frame) = (b.thread(7, 70, ""), b.frame(idle, 9));
    let stack = b.stack(StackId::EMPTY, frame);
    let key = RowKey { thread, stack, activity: Activity::SYSCALL, lock: None, holder: None };
    b.row(key, Weight { samples: 400, weight: 400 });
    assert_eq!(
        texts(&b.finish(Totals::default()).profile),
        ["37.0 % of thread time runs in f (a.py)", "23.0 % of thread time runs at a.py:7 in g"]
    );
    let rows = [("f", Activity::RUNNING, None, 60), ("f", Activity::RUNNING, None, 40)];
    assert_eq!(
        texts(&of(header(), Totals::default(), &rows)),
        ["100 % of thread time runs in f, most often at a.py:10 (60.0 %)"]
    );
}

#[test]
fn attributes_a_pause_to_the_collector_only_during_a_collection() {
    let stopped = |pauses: &[(PauseKind, u64)]| {
        let mut b = Builder::new(header());
        let function = b.function("f", "a.py", 1, FrameKind::Python);
        let frame = b.frame(function, 1);
        let (thread, stack) = (b.thread(7, 70, ""), b.stack(StackId::EMPTY, frame));
        for (activity, weight) in [(Activity::SUSPENDED, 100), (Activity::SYSCALL, 100)] {
            let key = RowKey { thread, stack, activity, lock: None, holder: None };
            b.row(key, Weight { samples: weight, weight });
        }
        for &(kind, start) in pauses {
            b.pause(7, kind, start, 2_000_000, "");
        }
        texts(&b.finish(Totals::default()).profile)
    };
    assert_eq!(
        stopped(&[(PauseKind::StopTheWorld, 0)]),
        [
            "50.0 % of thread time is suspended by stop-the-world pauses outside garbage collection (1 pause, the longest 2.00 ms)"
        ]
    );
    assert_eq!(
        stopped(&[(PauseKind::Collection, 1_000_000), (PauseKind::StopTheWorld, 0)]),
        [
            "50.0 % of thread time is suspended by stop-the-world pauses (2 pauses, the longest 2.00 ms)"
        ]
    );
}

#[test]
fn rates_count_rounds_and_misses_name_their_cause() {
    // Two processes: two looks per round.
    let totals = Totals {
        duration_ns: 1_000_000_000,
        captured: 1414,
        rounds: Some(707),
        missed: 293,
        missed_busy: Some(290),
        ..Totals::default()
    };
    assert_eq!(totals.rate_reached_hz().unwrap().round(), 707.0);
    assert!((totals.missed_share() - 0.293).abs() < 1e-9);
    let warning = |totals| {
        texts(&of(header(), totals, &[("f", Activity::SYSCALL, None, 100)])).pop().unwrap()
    };
    assert_eq!(
        warning(totals.clone()),
        "29.3 % of the looks were missed, most of them because all CPUs were busy; short events are \
         under-counted"
    );
    assert_eq!(
        warning(Totals { missed_busy: Some(3), ..totals }),
        "29.3 % of the looks were missed, most of them because a look takes longer than the period; \
         short events are under-counted"
    );
}

#[test]
fn locks_of_one_name_are_merged() {
    let header = Header { mode: Mode::Lock, ..header() };
    let rows = [
        ("f", Activity::LOCK, Some("pool at a.py:3"), 35),
        ("g", Activity::LOCK, Some("pool at a.py:3"), 35),
        ("h", Activity::LOCK, Some("log"), 20),
        ("k", Activity::LOCK, Some("rest"), 10),
    ];
    assert_eq!(
        texts(&of(header, Totals::default(), &rows)),
        [
            "70.0 % of lock waiting is for the Lock `pool` at a.py:3 (1 thread, holder unknown)",
            "20.0 % of lock waiting is for the Lock `log` at a.py:12 (1 thread, holder unknown)",
            "10.0 % of lock waiting is for the Lock `rest` at a.py:13 (1 thread, holder unknown)",
        ]
    );
}

#[test]
fn locks_are_labelled_by_kind_and_name() {
    let mut b = Builder::new(header());
    let mut label = |kind: &str, address: u64, name: &str| {
        let id = b.lock(7, address, kind, name);
        let profile = b.so_far();
        profile.lock_label(&profile.locks[id.index()])
    };
    assert_eq!(label("dict", 16, "cache at app.py:31"), "dict `cache` at app.py:31");
    assert_eq!(
        label("threading.Lock", 32, "q.mutex in worker()"),
        "threading.Lock `q.mutex` in worker()"
    );
    assert_eq!(label("threading.RLock", 48, "app.lock"), "threading.RLock `app.lock`");
    assert_eq!(label("object:dict", 16, "cache at app.py:31"), "dict `cache` at app.py:31");
    assert_eq!(label("list", 0xabc, ""), "list 0xabc", "of a recording of version 1");
    assert_eq!(label("import lock", 0, ""), "import lock");
    assert_eq!(label("runtime:the type cache", 64, ""), "the type cache");
    assert_eq!(label("runtime:mutex", 80, ""), "mutex of the runtime 0x50");
    assert_eq!(label("inside:_hashlib.HASH", 96, "h"), "lock inside _hashlib.HASH `h`");
}

#[test]
fn unreliable_profiles_have_warnings_and_at_most_five_findings() {
    let totals = Totals { captured: 800, missed: 200, torn: 10, left_out: 5, ..Totals::default() };
    let names = ["a", "b", "c", "d", "e", "f"];
    let rows: Vec<_> = names.iter().map(|n| ("f", Activity::LOCK, Some(*n), 160)).collect();
    let found = findings(&of(header(), totals, &rows));
    assert_eq!(found.len(), 5);
    let warnings: Vec<&str> = found
        .iter()
        .filter(|f| f.topic == FindingTopic::Warning)
        .map(|f| f.text.as_str())
        .collect();
    assert_eq!(
        warnings,
        [
            "20.0 % of the looks were missed; short events are under-counted",
            "1.03 % of the stacks changed while they were read and are left out",
            "a table was full: 5 samples without a stack",
        ]
    );
}

#[test]
fn memory_findings_name_lines() {
    let header = Header { mode: Mode::Alloc, unit: Unit::Bytes, ..header() };
    let rows = [
        ("keep", Activity::Live, None, 300),
        ("drop", Activity::Freed, None, 700),
        ("keep", Activity::Live, None, 100),
    ];
    assert_eq!(
        texts(&of(header, Totals::default(), &rows)),
        [
            "100 % of live memory was allocated in keep, most often at a.py:10 (75.0 %)",
            "100 % of freed memory was allocated at a.py:11 in drop",
        ]
    );
}

#[test]
fn changes_are_shares_of_the_total() {
    let before = of(
        header(),
        totals(),
        &[("f", Activity::RUNNING, None, 100), ("g", Activity::RUNNING, None, 100)],
    );
    let after = of(
        header(),
        totals(),
        &[
            ("f", Activity::RUNNING, None, 1000),
            ("g", Activity::RUNNING, None, 2000),
            ("n", Activity::RUNNING, None, 1000),
        ],
    );
    let found: Vec<(String, f64, f64)> = changes(&before, &after, ChangeBy::Function)
        .into_iter()
        .map(|c| (c.name, c.before, c.after))
        .collect();
    let expected = [("f", 0.5, 0.25), ("n", 0.0, 0.25), ("g", 0.5, 0.5)];
    assert_eq!(found, expected.map(|(n, b, a)| (n.to_string(), b, a)));
    let lines = changes(&before, &after, ChangeBy::Line);
    assert_eq!(lines[0].describe(), "f (a.py:10): 50.0 % before, 25.0 % after (-25.0)");
    assert!(changes(&after, &after, ChangeBy::Line).iter().all(|c| c.change() == 0.0));
}
