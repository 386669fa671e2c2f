//! Tests one function under every execution model, and arms that are not Python.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::Value;
use std::collections::BTreeSet;
use ungil_tests::{Record, TestDir, hazards, metric};

const MODULE: &str = "\
import sys
def total(n):
    return n, sum(range(n * 1000))
def big(n):
    return bytes(100_000)
async def later(n):
    import asyncio
    await asyncio.sleep(0)
    return n * n
def gil(n):
    return sys._is_gil_enabled()
def noisy(n):
    print('printed by the task', n)
    return n
";

fn task(target: &str, items: &str, models: &str, pythons: &str) -> Record {
    let dir = TestDir::new();
    dir.write("work.py", MODULE);
    let task = [
        "--task",
        target,
        "--items",
        items,
        "--models",
        models,
        "--workers",
        "2",
        "--python",
        pythons,
    ];
    dir.one_block(task).run().ok().record()
}

fn hashes(record: &Record) -> BTreeSet<&str> {
    record.runs().iter().map(|r| r["output"]["blake3"].as_str().unwrap()).collect()
}

#[test]
fn every_model_prints_the_same_on_both_builds() {
    let models = "sequential,threads,fork,spawn,forkserver,interpreters";
    let record = task("work:total", "range(20)", models, "3.14,3.14t");
    assert_eq!(record.runs().len(), 12);
    assert_eq!(hashes(&record).len(), 1, "outputs differ");
    assert_eq!(
        record.runs()[0]["output"]["bytes"].as_u64().unwrap(),
        expected_output().len() as u64
    );
    for run in record.runs() {
        let arm = run["arm"].as_str().unwrap();
        assert_eq!(run["marked"], true, "{arm}");
        let copies = ["fork", "spawn", "forkserver", "interpreters"]
            .contains(&arm.split('/').nth(1).unwrap());
        assert_eq!(run["metrics"].get("serialise_bytes").is_some(), copies, "{arm}");
        assert_eq!(run["metrics"].get("serialise_s").is_some(), copies, "{arm}");
        // The standard library's helper processes exit on their own and are no hazard.
        assert!(hazards(run, "leftovers").is_empty(), "{arm}: {}", run["hazards"]);
        let workers = if arm.contains("sequential") { "1" } else { "2" };
        assert!(arm.ends_with(workers), "{arm}");
    }
}

/// Returns what Python prints for `total` of 20 items, one line per item.
fn expected_output() -> String {
    let line = |n: u64| format!("({n}, {})\n", (0..n * 1000).sum::<u64>());
    (0..20).map(line).collect()
}

#[test]
fn serialised_bytes_are_counted() {
    let record = task(
        "work:big",
        "[bytes([i]) * 50_000 for i in range(8)]",
        "threads,spawn,interpreters",
        "3.14,3.14t",
    );
    for run in record.runs() {
        if let Some(bytes) = run["metrics"].get("serialise_bytes").and_then(Value::as_f64) {
            // 8 arguments of 50 kB, 8 results of 100 kB, and little overhead.
            let least = 8.0 * 150_000.0;
            assert!((least..least * 1.01).contains(&bytes), "{}: {bytes}", run["arm"]);
            assert!(metric(run, "serialise_s") > 0.0);
        }
    }
    assert_eq!(record.runs().len(), 6);
}

#[test]
fn an_async_function_runs_under_every_model() {
    let models = "asyncio,sequential,threads,spawn,interpreters";
    let record = task("work:later", "range(10)", models, "3.14,3.14t");
    assert_eq!((record.runs().len(), hashes(&record).len()), (10, 1));
}

#[test]
fn output_printed_by_a_task_is_ignored() {
    let record = task("work:noisy", "range(4)", "sequential,threads,fork,spawn", "3.14,3.14t");
    assert_eq!(hashes(&record).len(), 1);
    assert_eq!(record.runs()[0]["output"]["bytes"], 8, "four digits and four newlines");
}

#[test]
fn items_can_use_the_module_and_chunks_do_not_change_the_output() {
    let dir = TestDir::new();
    dir.write("work.py", MODULE);
    let mut seen = BTreeSet::new();
    for chunk in ["1", "3", "100"] {
        let task = [
            "--task",
            "work:total",
            "--items",
            "[total(n)[0] for n in range(7)]",
            "--chunk",
            chunk,
        ];
        let models = ["--models", "threads,spawn", "--workers", "2", "--python", "3.14,3.14t"];
        let record = dir.one_block(task).args(models).run().ok().record();
        seen.extend(hashes(&record).into_iter().map(str::to_string));
    }
    assert_eq!(seen.len(), 1);
}

#[test]
fn default_models_and_workers_match_the_documentation() {
    let dir = TestDir::new();
    dir.write("work.py", MODULE);
    let task = ["--task", "work:total", "--items", "range(4)", "--python", "3.14"];
    let record = dir.one_block(task).run().ok().record();
    let cores = record.lines[0]["machine"]["cpus"].as_u64().unwrap();
    let mut workers: Vec<u64> = (0..).map(|i| 1 << i).take_while(|w| *w < cores).collect();
    workers.push(cores);
    let mut expected = vec!["3.14/sequential/1".to_string()];
    for model in ["threads", "forkserver", "interpreters"] {
        expected.extend(workers.iter().map(|w| format!("3.14/{model}/{w}")));
    }
    assert_eq!(record.arms(), expected);
}

#[test]
fn the_gil_arm_of_a_free_threaded_build_has_the_gil() {
    let dir = TestDir::new();
    dir.write("work.py", MODULE);
    let task = [
        "--task",
        "work:gil",
        "--items",
        "range(4)",
        "--models",
        "sequential,threads,spawn",
        "--workers",
        "2",
    ];
    // The arms with a GIL print the same; the free-threaded arm prints something else.
    let record = dir.one_block(task).args(["--python", "3.14,3.14t+gil"]).run().ok().record();
    assert_eq!((record.runs().len(), hashes(&record).len()), (6, 1));
    assert_eq!(record.runs()[0]["output"]["bytes"], 4 * "True\n".len());
    let all = ["--python", "3.14t+gil,3.14t", "--allow-different-output"];
    let record = dir.one_block(task).args(all).run().ok().record();
    assert_eq!(record.run("3.14t/threads/2")["output"]["bytes"], 4 * "False\n".len());
    assert_eq!(record.run("3.14t+gil/threads/2")["output"]["bytes"], 4 * "True\n".len());
    assert_eq!(record.lines[0]["arms"][0]["gil"], "on");
}

#[test]
fn the_workload_gets_workers_by_argument_and_environment() {
    let dir = TestDir::new();
    dir.write("env.py", "import os\nprint(os.environ['UNGIL_WORKERS'])\n");
    dir.write("arg.py", "import sys\nprint(sys.argv[1])\n");
    dir.write("pkg/bench.py", "import sys\nprint(sys.argv[1])\n");
    let two = ["--workers", "1,3", "--python", "3.14", "--allow-different-output"];
    let calls: [&[&str]; 4] = [
        &["env.py"],
        &["arg.py", "--", "{workers}"],
        &["-m", "pkg.bench", "--", "{workers}"],
        &["--command", "{python} arg.py {workers}"],
    ];
    let mut seen = BTreeSet::new();
    for call in calls {
        let record = dir.one_block(two).args(call.iter().copied()).run().ok().record();
        assert_eq!(record.arms(), ["3.14/1", "3.14/3"], "{call:?}");
        let hash = |arm| record.run(arm)["output"]["blake3"].as_str().unwrap().to_string();
        assert_ne!(hash("3.14/1"), hash("3.14/3"), "{call:?}");
        seen.insert((hash("3.14/1"), hash("3.14/3")));
    }
    assert_eq!(seen.len(), 1, "all ways give the same number of workers");
}

#[test]
fn an_arm_can_be_a_program_other_than_python() {
    let dir = TestDir::new();
    dir.write("w.py", "import sys\nprint(int(sys.argv[1]) * 21)\n");
    let also = ["--also", "shell=sh -c 'echo $((21 * {workers}))'", "--also", "fixed=echo 42"];
    let out = dir.one_block(["w.py", "--python", "3.14,3.14t", "--workers", "2"]).args(also);
    let record = out.args(["--", "{workers}"]).run().ok().record();
    assert_eq!(record.arms(), ["3.14/2", "3.14t/2", "shell/2", "fixed"]);
    assert_eq!(hashes(&record).len(), 1);
    let told = dir
        .one_block(["w.py", "--python", "3.14", "--also", "no=./nowhere", "--", "1"])
        .run()
        .expect_error(1);
    assert!(told.what.contains("./nowhere"), "{told:?}");
}

#[test]
fn aa_reports_the_noise_of_the_baseline() {
    let dir = TestDir::new();
    dir.write("w.py", "print(sum(range(100_000)))\n");
    let args = [
        "compare",
        "w.py",
        "--aa",
        "--python",
        "3.14,3.14t",
        "--warmup",
        "0",
        "--max-blocks",
        "5",
        "-q",
    ];
    let out = dir.ungil(args).args(["--energy", "off"]).run().ok();
    let record = out.record();
    assert_eq!(record.arms(), ["3.14", "3.14 again", "3.14t"]);
    let ratio = record.comparison()["noise"]["wall_s"]["ratio"]["ratio"].as_f64().unwrap();
    let again =
        record.comparison()["arms"][1]["metrics"]["wall_s"]["baseline"]["ratio"]["ratio"].as_f64();
    assert_eq!(Some(ratio), again);
    assert!(out.stdout.contains("(A/A)"), "{}", out.stdout);
    assert!(!out.stdout.contains("Use 3.14 again"), "{}", out.stdout);
}
