//! Sentences for synthetic records: where each must appear, and where it must not.

use super::*;
use ungil_experiment::compare::compare;
use ungil_experiment::comparison::Comparison;
use ungil_experiment::hazard::{Hazard, Kind};
use ungil_experiment::record::{Outcome, Record, Run, Startup, Uncached};

/// An arm, with the figures of each of its runs.
#[derive(Clone, Copy)]
struct TestArm {
    python: &'static str,
    workers: Option<u32>,
    wall_s: f64,
    cores: f64,
    pieces: Option<f64>,
}

const fn test_arm(python: &'static str, workers: u32, wall_s: f64, cores: f64) -> TestArm {
    TestArm { python, workers: Some(workers), wall_s, cores, pieces: None }
}

/// A workload that two workers halve without the GIL.
const PARALLEL: [TestArm; 4] = [
    test_arm("3.14", 1, 1.0, 0.99),
    test_arm("3.14", 2, 1.001, 0.99),
    test_arm("3.14t", 1, 1.1, 0.99),
    test_arm("3.14t", 2, 0.55, 1.95),
];

/// Returns a record of these arms on four cores, of which other processes use `other_cores`.
fn record(arms: &[TestArm], other_cores: f64, blocks: u32) -> Record {
    let interpreter = |name: &str| {
        serde_json::json!({"name": name, "executable": "/p", "real": "/p", "implementation": "cpython",
            "version": {"major": 3, "minor": 14, "micro": 0}, "free_threaded": name.ends_with('t'),
            "build": {}, "origin": "path"})
    };
    let id = |m: &TestArm| m.workers.map_or(m.python.to_string(), |w| format!("{}/{w}", m.python));
    let arm = |m: &TestArm| {
        serde_json::json!({"id": id(m), "kind": "python", "interpreter": interpreter(m.python),
            "gil": "default", "workers": m.workers})
    };
    let header = serde_json::json!({"schema": ungil_experiment::record::SCHEMA, "ungil": "0", "started": "now",
        "directory": "/", "workload": {"kind": "script", "path": "w.py", "args": []},
        "settings": {"seed": 1, "warmup": 0, "blocks": 5, "precision": 0.02, "time_limit_s": 1.0,
            "allow_different_output": false, "keep_going": true, "energy": "off", "idle_s": 0.0},
        "arms": arms.iter().map(arm).collect::<Vec<_>>(),
        "machine": {"cpu": "", "cpus": 4, "cpus_online": 4, "memory_bytes": 0, "swap_bytes": 0, "kernel": "",
            "architecture": "", "virtual_machine": false, "settings": {}},
        "sensors": [], "absent": [], "notes": []});
    let mut record = Record::new(serde_json::from_value(header).expect("a header"));
    for block in 1..=blocks {
        for m in arms {
            let busy = m.cores + other_cores;
            let around = serde_json::json!({"per_core": [busy / 4.0, busy / 4.0, busy / 4.0, busy / 4.0], "disparity": 0.0,
                "busy_cores": busy, "steal": 0.0, "swapped_pages": 0, "throttled": 0, "quota_throttled": 0});
            let run = serde_json::json!({"arm": id(m), "block": block, "order": 0, "at_s": 0.0,
                "outcome": {"kind": "ok"}, "marked": true, "counted_by": "proc", "machine": around,
                "metrics": {"wall_s": m.wall_s, "cpu_s": m.wall_s * m.cores, "busy_cores": m.cores},
                "probes": {"cpu_s": 0.0, "window_cpu_s": 0.0, "samples": 1, "share_samples": 1, "added_s": 0.0}});
            let mut run: Run = serde_json::from_value(run).expect("a run");
            run.metrics.extend(m.pieces.map(|p| ("pieces".to_string(), p)));
            record.runs.push(run);
        }
    }
    record
}

/// Checks that the record's sentences contain all of `yes` and none of `no`.
#[track_caller]
fn check(record: &Record, yes: &[&str], no: &[&str]) {
    let comparison: Comparison = compare(record);
    let text = sentences(View { record, comparison: &comparison }).join("\n");
    assert!(yes.iter().all(|part| text.contains(part)), "{yes:?} in:\n{text}");
    assert!(!no.iter().any(|part| text.contains(part)), "none of {no:?} in:\n{text}");
}

/// A part of each sentence that replaces a recommendation.
const OBSTACLES: [&str; 8] = [
    "Starting the interpreter",
    "compiled in every run",
    "of work for",
    "limited to one core",
    "on a less busy machine",
    "plays no part",
    "does not run in parallel",
    "Stay with",
];

fn obstacles_except<'a>(but: &[&str]) -> Vec<&'a str> {
    OBSTACLES.into_iter().filter(|o| !but.contains(o)).collect()
}

#[test]
fn parallel_work_that_is_faster_is_recommended() {
    check(&record(&PARALLEL, 0.0, 5), &["3.14t/2 is the fastest", "Use 3.14t/2."], &OBSTACLES);
    // So it is on a busy machine: the arm shows that it used two cores.
    check(&record(&PARALLEL, 1.8, 5), &["Use 3.14t/2."], &OBSTACLES);
}

#[test]
fn one_arm_alone_is_not_recommended() {
    let one = record(&PARALLEL[..1], 0.0, 5);
    check(&one, &["3.14/1 is the only arm, so there is nothing"], &["Use ", "Next:", "Stay with"]);
    let mut failed = record(&PARALLEL[..2], 0.0, 5);
    for run in failed.runs.iter_mut().filter(|r| r.arm == "3.14/2") {
        run.outcome = Outcome::Exited { code: 1 };
    }
    check(&failed, &["the only arm that did not fail"], &["Use ", "Next:"]);
}

#[test]
fn start_up_that_dominates_a_run_is_reported() {
    let arms = [test_arm("3.14", 1, 0.020, 0.9), test_arm("3.14t", 1, 0.015, 0.9)];
    let startups = |seconds: f64| {
        let of = |python: &str| Startup { python: python.into(), seconds: vec![seconds; 5] };
        vec![of("3.14"), of("3.14t")]
    };
    let mut short = record(&arms, 0.0, 5);
    short.startups = startups(0.0135);
    // A phase excludes start-up.
    check(&short, &["Use 3.14t/1."], &OBSTACLES);
    short.runs.iter_mut().for_each(|r| r.marked = false);
    let no = obstacles_except(&["Starting the interpreter"]);
    check(
        &short,
        &["Starting the interpreter takes 90.0 % of 3.14t/1's time", "mark the part that counts"],
        &no,
    );
    check(&short, &[], &["Use ", "Next:"]);
    short.startups = startups(0.005);
    check(&short, &["Use 3.14t/1."], &OBSTACLES);
}

#[test]
fn modules_compiled_in_every_run_are_named() {
    let mut compiled = record(&PARALLEL, 0.0, 5);
    let modules = ["a", "b", "c", "d"].map(String::from).to_vec();
    compiled.runs[0].uncached = Some(Uncached { modules, why: "nowhere to write".into() });
    let no = obstacles_except(&["compiled in every run"]);
    check(
        &compiled,
        &["The modules a, b and 2 more are compiled in every run (nowhere to write)"],
        &no,
    );
    check(&compiled, &[], &["Use "]);
}

#[test]
fn fewer_pieces_than_workers_are_reported() {
    let pieces =
        |n: f64| PARALLEL.map(|m| TestArm { pieces: Some(n), cores: m.cores.min(1.0), ..m });
    let no = obstacles_except(&["of work for"]);
    check(&record(&pieces(1.0), 0.0, 5), &["3.14t/2 had 1 piece of work for 2 workers"], &no);
    let enough = PARALLEL.map(|m| TestArm { pieces: Some(2.0), ..m });
    check(&record(&enough, 0.0, 5), &["Use 3.14t/2."], &OBSTACLES);
    // The baseline is the fastest, and one of the other arms had enough work.
    let mut mixed = [
        test_arm("3.14", 1, 0.5, 0.99),
        test_arm("3.14t", 2, 1.0, 1.9),
        test_arm("3.14t", 4, 1.0, 1.9),
    ];
    (mixed[1].pieces, mixed[2].pieces) = (Some(2.0), Some(2.0));
    check(&record(&mixed, 0.0, 5), &["Use 3.14/1."], &OBSTACLES);
}

#[test]
fn a_waiting_workload_does_not_depend_on_the_gil() {
    let waits = [test_arm("3.14", 1, 1.0, 0.10), test_arm("3.14t", 1, 0.9, 0.08)];
    let no = obstacles_except(&["plays no part"]);
    check(
        &record(&waits, 0.0, 5),
        &["No arm keeps more than 0.10 cores busy", "the GIL plays no part"],
        &no,
    );
    check(&record(&waits, 0.0, 5), &[], &["Use "]);
    // On a fully loaded machine it may have waited for a core.
    check(&record(&waits, 3.8, 5), &["Use 3.14t/1."], &OBSTACLES);
    // One arm that computes is enough.
    let computes = [test_arm("3.14", 1, 1.0, 0.10), test_arm("3.14t", 1, 0.9, 0.60)];
    check(&record(&computes, 0.0, 5), &["Use 3.14t/1."], &OBSTACLES);
}

#[test]
fn workers_that_use_one_core_are_not_recommended() {
    let serial = [
        test_arm("3.14", 1, 1.0, 0.99),
        test_arm("3.14t", 1, 0.9, 1.0),
        test_arm("3.14t", 2, 0.89, 1.07),
    ];
    let mut serial = record(&serial, 0.0, 5);
    // The quartiles overlap: the second worker gained nothing.
    for run in serial.runs.iter_mut().filter(|r| r.arm == "3.14t/1" && r.block % 2 == 0) {
        run.metrics.insert("wall_s".into(), 0.88);
    }
    let no = obstacles_except(&["does not run in parallel"]);
    check(
        &serial,
        &["2 workers used 1.07 cores (3.14t/2): the work does not run in parallel"],
        &no,
    );
    check(&serial, &[], &["Use ", "the widest interval"]);
    // With every other core busy, the machine may have limited it to one.
    for around in serial.runs.iter_mut().filter_map(|r| r.machine.as_mut()) {
        around.busy_cores = 3.9;
    }
    check(
        &serial,
        &["3.14t/2 got 1.07 cores for 2 workers", "on a less busy machine"],
        &obstacles_except(&["on a less busy machine"]),
    );
    serial.header.machine.cpus = 1;
    check(&serial, &["is limited to one core"], &obstacles_except(&["limited to one core"]));
}

#[test]
fn workers_that_overlap_waits_gain_without_more_cores() {
    let overlaps = [
        test_arm("3.14", 1, 1.0, 0.5),
        test_arm("3.14", 2, 0.5, 1.0),
        test_arm("3.14t", 2, 0.5, 1.0),
    ];
    check(&record(&overlaps, 0.0, 5), &["Use 3.14/2."], &OBSTACLES);
}

#[test]
fn workers_with_the_gil_are_expected_to_use_one_core() {
    // No arm is faster; the free-threaded arm did run in parallel.
    let arms = [
        test_arm("3.14", 1, 1.0, 0.99),
        test_arm("3.14", 2, 1.2, 0.99),
        test_arm("3.14t", 2, 1.3, 1.9),
    ];
    check(&record(&arms, 0.0, 5), &["Use 3.14/1."], &OBSTACLES);
    // All arms that could have run in parallel did not.
    let arms = [
        test_arm("3.14", 1, 1.0, 0.99),
        test_arm("3.14", 2, 1.2, 0.99),
        test_arm("3.14t", 2, 1.3, 1.0),
    ];
    check(&record(&arms, 0.0, 5), &["2 workers used 1.00 cores (3.14t/2)"], &["Use "]);
}

#[test]
fn few_blocks_decide_nothing() {
    let no = obstacles_except(&["Stay with"]);
    check(&record(&PARALLEL, 0.0, 1), &["Stay with 3.14/1 for now", "at least five blocks"], &no);
    check(&record(&PARALLEL, 0.0, 4), &["Stay with 3.14/1 for now"], &no);
}

#[test]
fn a_re_enabled_gil_explains_a_single_core() {
    let mut back =
        record(&[test_arm("3.14", 1, 1.0, 0.99), test_arm("3.14t", 2, 0.9, 1.0)], 0.0, 5);
    back.runs[1].hazards.push(Hazard::new(Kind::GilEnabled, "importing 'x' re-enabled the GIL"));
    check(&back, &["does not run in parallel", "Next: an import re-enabled the GIL"], &["Use "]);
}
