//! Checks that the advice of `ungil compare` follows from what was measured. The crate `report`
//! tests the sentences themselves on synthetic records.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use ungil_tests::{Out, TestDir, metric};

/// Returns whether an item of the printed advice contains `words`.
fn advises(out: &Out, words: &str) -> bool {
    out.stdout.lines().any(|l| l.starts_with("- ") && l.contains(words))
}

#[test]
fn single_arm_is_not_recommended() {
    let dir = TestDir::new();
    dir.write("w.py", "print(1)\n");
    let args = [
        "compare",
        "w.py",
        "-q",
        "--energy",
        "off",
        "--python",
        "3.14",
        "--warmup",
        "0",
        "--max-blocks",
        "5",
    ];
    let out = dir.ungil(args).run().ok();
    assert!(advises(&out, "3.14 is the only arm") && !advises(&out, "Use "), "{}", out.stdout);
}

#[test]
fn names_only_modules_without_cached_bytecode() {
    let dir = TestDir::new();
    dir.write("helper.py", "import inner.part\nif False: import never\ndef f(): import later\n");
    dir.write("inner/__init__.py", "from . import beside\n");
    for name in ["inner/part.py", "inner/beside.py", "never.py", "later.py"] {
        dir.write(name, "x = 1\n");
    }
    dir.write("w.py", "import helper\ntry: import nowhere\nexcept ImportError: pass\nprint(1)\n");
    dir.write("pkg/__init__.py", "");
    dir.write("pkg/bench.py", "import helper\nprint(1)\n");
    let run = |args: &[&str], writes_bytecode: bool| {
        let ungil = dir.one_block(args.iter().copied()).args(["--python", "3.14,3.14t"]);
        let ungil = if writes_bytecode { ungil } else { ungil.env("PYTHONDONTWRITEBYTECODE", "1") };
        ungil.run().ok().record()
    };
    let script = ["helper", "inner", "inner.beside", "inner.part"];
    let module = ["helper", "inner", "inner.beside", "inner.part", "pkg", "pkg.bench"];
    for (args, modules) in [(&["w.py"][..], &script[..]), (&["-m", "pkg.bench"], &module)] {
        let record = run(args, false);
        for found in record.runs() {
            assert_eq!(found["uncached"]["modules"], serde_json::json!(modules), "{found}");
            assert!(
                found["uncached"]["why"].as_str().unwrap().contains("PYTHONDONTWRITEBYTECODE"),
                "{found}"
            );
        }
    }
    for args in [&["w.py"][..], &["-m", "pkg.bench"]] {
        let record = run(args, true);
        assert!(record.runs().iter().all(|r| r.get("uncached").is_none()), "{:?}", record.runs());
    }
    // Imports before the phase are not measured, so they are not reported.
    dir.write("w.py", "import fresh\nfrom ungil_phase import phase\nwith phase(): pass\n");
    dir.write("fresh.py", "");
    assert!(run(&["w.py"], false).runs().iter().all(|r| r.get("uncached").is_none()));
}

#[test]
fn reports_fewer_chunks_than_workers() {
    let dir = TestDir::new();
    dir.write("work.py", "def f(x):\n    return x\n");
    let task = |items: &str, chunk: &str| {
        let args = [
            "--task",
            "work:f",
            "--items",
            items,
            "--models",
            "threads",
            "--workers",
            "2",
            "--chunk",
            chunk,
        ];
        dir.one_block(args).args(["--python", "3.14,3.14t"]).run().ok()
    };
    for (items, chunk) in [("range(1)", "1"), ("range(8)", "8")] {
        let out = task(items, chunk);
        assert_eq!(metric(out.record().run("3.14t/threads/2"), "pieces"), 1.0);
        assert!(advises(&out, "had 1 piece of work for 2 workers"), "{}", out.stdout);
    }
    let out = task("range(8)", "2");
    assert_eq!(metric(out.record().run("3.14t/threads/2"), "pieces"), 4.0);
    assert!(!advises(&out, "of work for"), "{}", out.stdout);
}

#[test]
fn sleeping_workload_gets_no_recommendation() {
    let dir = TestDir::new();
    dir.write("w.py", "import time\nfrom ungil_phase import phase\nwith phase(): time.sleep(1)\n");
    let out = dir.one_block(["w.py", "--python", "3.14,3.14t"]).run().ok();
    // Without an idle core the workload may have been waiting for a CPU, so `compare` does not
    // conclude that it only sleeps.
    let record = out.record();
    let busy = record.runs().iter().any(|run| {
        let machine = &run["machine"];
        let cores = machine["per_core"].as_array().unwrap().len() as f64;
        machine["busy_cores"].as_f64().unwrap() + machine["steal"].as_f64().unwrap() * cores
            > cores - 0.5
    });
    assert_eq!(advises(&out, "the GIL plays no part"), !busy, "{}", out.stdout);
    assert!(busy || !advises(&out, "Use ") && !advises(&out, "Stay with"), "{}", out.stdout);
}

/// Threads that hold one lock while they sleep: each more takes as much longer.
const ONE_LOCK: &str = "
import sys, threading, time
lock = threading.Lock()
def work():
    for _ in range(30):
        with lock:
            time.sleep(0.005)
threads = [threading.Thread(target=work) for _ in range(int(sys.argv[1]))]
for thread in threads: thread.start()
for thread in threads: thread.join()
";

#[test]
fn a_collapse_is_followed_by_a_lock_profile() {
    let dir = TestDir::new();
    dir.write("work.py", ONE_LOCK);
    let record = ".ungil/r.jsonl";
    let blocks = ["--blocks", "5", "--max-blocks", "5", "--warmup", "0", "--out", record];
    let python = ["--python", "3.14,3.14t", "--workers", "1,2", "--", "{workers}"];
    let first = dir.ungil(["compare", "-q", "work.py"]).args(blocks).args(python).run().ok();
    let command = "ungil profile --mode lock --python 3.14t work.py -- 2";
    assert!(first.stdout.contains(command), "{}", first.stdout);
    assert!(!first.stdout.contains("Lock profile"), "{}", first.stdout);
    // On a busy machine a profile may have too few samples for a finding.
    let profile = || dir.ungil(command.split(' ').skip(1)).run().ok().stdout;
    assert!((0..20).any(|_| profile().contains("of lock waiting is for")), "no profile found it");
    let again = dir.ungil(["compare", "--replay", record]).run().ok().stdout;
    let quoted = again.lines().find(|line| line.starts_with("- Lock profile .ungil/"));
    let quoted = quoted.unwrap_or_else(|| panic!("{again}"));
    assert!(quoted.contains("threading.Lock `lock`") && quoted.contains("work.py:"), "{quoted}");
}
