//! Advice on records that are made up: each sentence where it belongs, and where it must not
//! appear.

use super::*;
use ungil_experiment::compare::compare;
use ungil_experiment::comparison::Comparison;
use ungil_experiment::hazard::{Hazard, HazardKind as Kind};
use ungil_experiment::record::{Outcome, Record, Run, Startup, Uncached};

/// An arm with what each of its runs took and used.
#[derive(Clone, Copy)]
struct Made {
    python: &'static str,
    workers: Option<u32>,
    wall_s: f64,
    cores: f64,
    pieces: Option<f64>,
}

const fn made(python: &'static str, workers: u32, wall_s: f64, cores: f64) -> Made {
    Made { python, workers: Some(workers), wall_s, cores, pieces: None }
}

/// Work that two workers halve without the GIL.
const PARALLEL: [Made; 4] = [
    made("3.14", 1, 1.0, 0.99),
    made("3.14", 2, 1.001, 0.99),
    made("3.14t", 1, 1.1, 0.99),
    made("3.14t", 2, 0.55, 1.95),
];

/// A record of these arms: what else the machine did, in cores of four, and the number of blocks.
fn record(arms: &[Made], other_cores: f64, blocks: u32) -> Record {
    let interpreter = |name: &str| {
        serde_json::json!({"name": name, "executable": "/p", "real": "/p", "implementation": "cpython",
            "version": {"major": 3, "minor": 14, "micro": 0}, "free_threaded": name.ends_with('t'),
            "build": {}, "origin": "path"})
    };
    let id = |m: &Made| m.workers.map_or(m.python.to_string(), |w| format!("{}/{w}", m.python));
    let arm = |m: &Made| {
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

fn said(record: &Record) -> String {
    let comparison: Comparison = compare(record);
    words(View { record, comparison: &comparison }).join("\n")
}

#[track_caller]
fn says(record: &Record, yes: &[&str], no: &[&str]) {
    let said = said(record);
    assert!(yes.iter().all(|words| said.contains(words)), "{yes:?} in:\n{said}");
    assert!(!no.iter().any(|words| said.contains(words)), "none of {no:?} in:\n{said}");
}

/// A word of each sentence that stands in the place of advice.
const OBSTACLES: [&str; 8] = [
    "Starting the interpreter",
    "compiled in each run",
    "of work for",
    "one core only",
    "quieter machine",
    "plays no part",
    "does not run in parallel",
    "Stay with",
];

fn without<'a>(but: &[&str]) -> Vec<&'a str> {
    OBSTACLES.into_iter().filter(|o| !but.contains(o)).collect()
}

#[test]
fn parallel_work_that_is_faster_is_recommended() {
    says(&record(&PARALLEL, 0.0, 5), &["3.14t/2 is the fastest", "Use 3.14t/2."], &OBSTACLES);
    // Five blocks of a busy machine decide it too: the cores it used are there to be seen.
    says(&record(&PARALLEL, 1.8, 5), &["Use 3.14t/2."], &OBSTACLES);
}

#[test]
fn one_arm_alone_is_not_recommended() {
    let one = record(&PARALLEL[..1], 0.0, 5);
    says(&one, &["3.14/1 is the only arm: there is nothing"], &["Use ", "Next:", "Stay with"]);
    let mut failed = record(&PARALLEL[..2], 0.0, 5);
    for run in failed.runs.iter_mut().filter(|r| r.arm == "3.14/2") {
        run.outcome = Outcome::Exited { code: 1 };
    }
    says(&failed, &["the only arm that did not fail"], &["Use ", "Next:"]);
}

#[test]
fn start_up_that_is_most_of_a_run_is_said() {
    let arms = [made("3.14", 1, 0.020, 0.9), made("3.14t", 1, 0.015, 0.9)];
    let startups = |seconds: f64| {
        let of = |python: &str| Startup { python: python.into(), seconds: vec![seconds; 5] };
        vec![of("3.14"), of("3.14t")]
    };
    let mut short = record(&arms, 0.0, 5);
    short.startups = startups(0.0135);
    // The phase leaves start-up out.
    says(&short, &["Use 3.14t/1."], &OBSTACLES);
    short.runs.iter_mut().for_each(|r| r.marked = false);
    let no = without(&["Starting the interpreter"]);
    says(
        &short,
        &["Starting the interpreter is 90.0 % of 3.14t/1's time", "mark the part that counts"],
        &no,
    );
    says(&short, &[], &["Use ", "Next:"]);
    short.startups = startups(0.005);
    says(&short, &["Use 3.14t/1."], &OBSTACLES);
}

#[test]
fn modules_that_are_compiled_in_each_run_are_named() {
    let mut compiled = record(&PARALLEL, 0.0, 5);
    let modules = ["a", "b", "c", "d"].map(String::from).to_vec();
    compiled.runs[0].uncached = Some(Uncached { modules, why: "nowhere to write".into() });
    let no = without(&["compiled in each run"]);
    says(
        &compiled,
        &["The modules a, b and 2 more are compiled in each run (nowhere to write)"],
        &no,
    );
    says(&compiled, &[], &["Use "]);
}

#[test]
fn fewer_pieces_of_work_than_workers_are_counted() {
    let pieces = |n: f64| PARALLEL.map(|m| Made { pieces: Some(n), cores: m.cores.min(1.0), ..m });
    let no = without(&["of work for"]);
    says(&record(&pieces(1.0), 0.0, 5), &["3.14t/2 had 1 piece of work for 2 workers"], &no);
    let enough = PARALLEL.map(|m| Made { pieces: Some(2.0), ..m });
    says(&record(&enough, 0.0, 5), &["Use 3.14t/2."], &OBSTACLES);
    // The baseline is the fastest, and one of the other arms had work enough.
    let mut mixed =
        [made("3.14", 1, 0.5, 0.99), made("3.14t", 2, 1.0, 1.9), made("3.14t", 4, 1.0, 1.9)];
    (mixed[1].pieces, mixed[2].pieces) = (Some(2.0), Some(2.0));
    says(&record(&mixed, 0.0, 5), &["Use 3.14/1."], &OBSTACLES);
}

#[test]
fn a_workload_that_waits_is_not_one_of_the_gil() {
    let waits = [made("3.14", 1, 1.0, 0.10), made("3.14t", 1, 0.9, 0.08)];
    let no = without(&["plays no part"]);
    says(
        &record(&waits, 0.0, 5),
        &["No arm keeps more than 0.10 cores busy", "the GIL plays no part"],
        &no,
    );
    says(&record(&waits, 0.0, 5), &[], &["Use "]);
    // On a machine with no core to spare it may have been kept from computing.
    says(&record(&waits, 3.8, 5), &["Use 3.14t/1."], &OBSTACLES);
    // One arm that computes is enough.
    let computes = [made("3.14", 1, 1.0, 0.10), made("3.14t", 1, 0.9, 0.60)];
    says(&record(&computes, 0.0, 5), &["Use 3.14t/1."], &OBSTACLES);
}

#[test]
fn workers_that_use_one_core_are_not_recommended() {
    let serial =
        [made("3.14", 1, 1.0, 0.99), made("3.14t", 1, 0.9, 1.0), made("3.14t", 2, 0.89, 1.07)];
    let mut serial = record(&serial, 0.0, 5);
    // Both builds' quartiles overlap: the second worker gained nothing.
    for run in serial.runs.iter_mut().filter(|r| r.arm == "3.14t/1" && r.block % 2 == 0) {
        run.metrics.insert("wall_s".into(), 0.88);
    }
    let no = without(&["does not run in parallel"]);
    says(&serial, &["2 workers used 1.07 cores (3.14t/2): the work does not run in parallel"], &no);
    says(&serial, &[], &["Use ", "the widest interval"]);
    // With every other core busy the machine may be what kept it to one.
    for around in serial.runs.iter_mut().filter_map(|r| r.machine.as_mut()) {
        around.busy_cores = 3.9;
    }
    says(
        &serial,
        &["3.14t/2 got 1.07 cores for 2 workers", "quieter machine"],
        &without(&["quieter machine"]),
    );
    serial.header.machine.cpus = 1;
    says(&serial, &["may use one core only"], &without(&["one core only"]));
}

#[test]
fn workers_that_wait_together_gain_without_more_cores() {
    let overlaps =
        [made("3.14", 1, 1.0, 0.5), made("3.14", 2, 0.5, 1.0), made("3.14t", 2, 0.5, 1.0)];
    says(&record(&overlaps, 0.0, 5), &["Use 3.14/2."], &OBSTACLES);
}

#[test]
fn workers_with_the_gil_are_expected_to_use_one_core() {
    // Nothing pays; the free-threaded arm did run in parallel, and lost.
    let arms = [made("3.14", 1, 1.0, 0.99), made("3.14", 2, 1.2, 0.99), made("3.14t", 2, 1.3, 1.9)];
    says(&record(&arms, 0.0, 5), &["Use 3.14/1."], &OBSTACLES);
    // All arms that could have run in parallel did not.
    let arms = [made("3.14", 1, 1.0, 0.99), made("3.14", 2, 1.2, 0.99), made("3.14t", 2, 1.3, 1.0)];
    says(&record(&arms, 0.0, 5), &["2 workers used 1.00 cores (3.14t/2)"], &["Use "]);
}

#[test]
fn few_blocks_decide_nothing() {
    let no = without(&["Stay with"]);
    says(&record(&PARALLEL, 0.0, 1), &["Stay with 3.14/1 until", "at least five blocks"], &no);
    says(&record(&PARALLEL, 0.0, 4), &["Stay with 3.14/1 until"], &no);
}

#[test]
fn a_gil_that_is_back_explains_a_single_core() {
    let mut back = record(&[made("3.14", 1, 1.0, 0.99), made("3.14t", 2, 0.9, 1.0)], 0.0, 5);
    back.runs[1]
        .hazards
        .push(Hazard::new(Kind::GilEnabled, "importing 'x' switched the GIL back on"));
    says(
        &back,
        &["does not run in parallel", "Next: an import switched the GIL back on"],
        &["Use "],
    );
}
