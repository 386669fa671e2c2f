//! Tests that an interrupted, killed or truncated experiment keeps what it measured, leaves no
//! processes behind, and can be resumed.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use ungil_tests::{Record, Running, TestDir, alive, eventually};

/// Writes its process id and hangs in the run named in `stay`; otherwise it exits at once.
const SCRIPT: &str = "
import os, sys, time
with open('count', 'a') as f: f.write('x')
if os.path.exists('stay') and len(open('count').read()) > int(open('stay').read()):
    root = os.getpid()
    if os.fork(): open('root', 'w').write('%d\\n' % root)
    with open('pids', 'a') as f: f.write('%d\\n' % os.getpid())
    while True: time.sleep(0.05)
print('same')
";
const BLOCKS: usize = 5;

/// Runs 2 whole blocks of 2 arms and hangs in the second run of the third.
fn start_and_hang_in_block_3(dir: &TestDir) -> (Running, Vec<i32>) {
    dir.write("work.py", SCRIPT);
    dir.write("stay", "5");
    let args = [
        "compare",
        "work.py",
        "--python",
        "3.14,3.14t",
        "--warmup",
        "0",
        "--blocks",
        "5",
        "--max-blocks",
        "5",
    ];
    let mut running = dir.ungil(args).args(["--energy", "off", "-q", "--out", "r.jsonl"]).start();
    let pids = running.until("the hanging run", || {
        let there = dir.join("root").exists() && dir.pids("pids").len() == 2;
        there.then(|| dir.pids("pids"))
    });
    (running, pids)
}

fn wait_until_dead(pids: &[i32]) {
    eventually("the end of the workload's processes", || !pids.iter().any(|&pid| alive(pid)));
}

fn resume(dir: &TestDir) -> Record {
    let before = complete_lines(dir);
    fs::remove_file(dir.join("stay")).unwrap();
    let out = dir.ungil(["compare", "-q", "--resume", "r.jsonl"]).run().ok();
    assert!(out.stdout.contains("3.14t"), "{}", out.stdout);
    let record = Record::read(&dir.join("r.jsonl"));
    assert_eq!(record.lines[..before.len()], before[..], "existing lines are unchanged");
    let places: Vec<(String, u64)> = record
        .runs()
        .iter()
        .map(|r| (r["arm"].as_str().unwrap().into(), r["block"].as_u64().unwrap()))
        .collect();
    let once: BTreeSet<_> = places.iter().cloned().collect();
    assert_eq!(
        (once.len(), places.len()),
        (2 * BLOCKS, 2 * BLOCKS),
        "each arm runs once per block: {places:?}"
    );
    assert!(record.runs().iter().all(|r| r["outcome"]["kind"] == "ok"));
    assert_eq!(record.comparison()["blocks"], BLOCKS);
    // 5 complete runs and the one that was cut off, then the 5 that were missing.
    assert_eq!(dir.read("count").unwrap().len(), 6 + 5, "a finished run was repeated");
    assert_eq!(record.of_type("resumed").count(), 1);
    record
}

/// Parses every complete line as JSON. A truncated last line is ignored.
fn complete_lines(dir: &TestDir) -> Vec<serde_json::Value> {
    let text = dir.read("r.jsonl").unwrap();
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    whole.lines().map(|l| serde_json::from_str(l).expect("a complete line is JSON")).collect()
}

fn interrupts_and_resumes(signal: &str) {
    let dir = TestDir::new();
    let (running, pids) = start_and_hang_in_block_3(&dir);
    running.signal(signal);
    let out = running.wait();
    let told = out.expect_error(130);
    assert!(
        told.what.contains("interrupted") && told.help.contains("--resume r.jsonl"),
        "{told:?}"
    );
    assert!(!pids.iter().any(|&pid| alive(pid)), "processes are left after ungil ended");
    let record = Record::read(&dir.join("r.jsonl"));
    assert_eq!(record.runs().len(), 5);
    assert_eq!(record.of_type("stopped").count(), 1);
    assert!(out.stdout.contains("3.14t"), "measurements are not shown: {}", out.stdout);
    resume(&dir);
}

#[test]
fn ctrl_c_keeps_measurements_and_resume_completes_them() {
    interrupts_and_resumes("INT");
}

#[test]
fn sigterm_keeps_measurements_and_resume_completes_them() {
    interrupts_and_resumes("TERM");
}

#[test]
fn sigkill_also_ends_the_workload_and_resume_completes_it() {
    let dir = TestDir::new();
    let (running, pids) = start_and_hang_in_block_3(&dir);
    running.signal("KILL");
    assert_eq!(running.wait().code, -9);
    let root = dir.pids("root");
    assert_eq!(root.len(), 1);
    wait_until_dead(&root);
    // PR_SET_PDEATHSIG reaches only the root process, so the test ends the fork itself.
    for pid in pids.iter().filter(|&&pid| alive(pid)) {
        let _ = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
    }
    wait_until_dead(&pids);
    assert_eq!(Record::read(&dir.join("r.jsonl")).runs().len(), 5);
    resume(&dir);
}

#[test]
fn resume_discards_a_truncated_last_line() {
    let dir = TestDir::new();
    let (running, _) = start_and_hang_in_block_3(&dir);
    running.signal("INT");
    running.wait();
    let text = dir.read("r.jsonl").unwrap();
    let runs: Vec<&str> = text.lines().filter(|l| l.contains("\"type\":\"run\"")).collect();
    let head = text.lines().next().unwrap();
    // Simulates a power failure in the middle of the fifth run's line.
    let (last, whole) = runs.split_last().unwrap();
    let torn = &last[..last.len() / 2];
    fs::write(dir.join("r.jsonl"), format!("{head}\n{}\n{torn}", whole.join("\n"))).unwrap();
    dir.write("count", "xxxxx");
    resume(&dir);
}

#[test]
fn different_output_after_resume_is_an_error() {
    let dir = TestDir::new();
    let (running, _) = start_and_hang_in_block_3(&dir);
    running.signal("INT");
    running.wait();
    fs::remove_file(dir.join("stay")).unwrap();
    // Block 3 has one run, which printed different output.
    dir.write("work.py", "print('different')\n");
    let told = dir.ungil(["compare", "-q", "--resume", "r.jsonl"]).run().expect_error(1);
    assert!(told.what.contains("print different output"), "{told:?}");
}

#[test]
fn resume_retries_failed_runs() {
    let dir = TestDir::new();
    dir.write(
        "w.py",
        "import os, sys\nprint('same')\nsys.exit(os.path.exists('fail') and sys.abiflags == 't')\n",
    );
    dir.write("fail", "");
    let arms = ["w.py", "--python", "3.14,3.14t", "--out", "r.jsonl"];
    dir.one_block(arms).run().expect_error(1);
    let told = dir.ungil(["compare", "-q", "--resume", "r.jsonl"]).run().expect_error(1);
    assert!(told.what.contains("3.14t failed"), "expected the same failure: {told:?}");
    fs::remove_file(dir.join("fail")).unwrap();
    dir.ungil(["compare", "-q", "--resume", "r.jsonl"]).run().ok();
    let record = Record::read(&dir.join("r.jsonl"));
    assert_eq!(record.of_arm("3.14t").last().unwrap()["outcome"]["kind"], "ok");
    assert!(record.comparison()["arms"][1].get("failed").is_none(), "{}", record.comparison());
    assert_eq!(record.of_arm("3.14").len(), 1, "a finished run was repeated");
}

#[test]
fn a_record_in_use_is_locked() {
    let dir = TestDir::new();
    let (running, pids) = start_and_hang_in_block_3(&dir);
    let before = dir.read("r.jsonl").unwrap();
    let told = dir.ungil(["compare", "-q", "--resume", "r.jsonl"]).run().expect_error(1);
    assert!(told.what.contains("in use") && told.why.contains("another ungil"), "{told:?}");
    let told = dir
        .one_block(["work.py", "--python", "3.14,3.14t", "--out", "r.jsonl"])
        .run()
        .expect_error(1);
    assert!(told.why.contains("exists"), "{told:?}");
    assert_eq!(dir.read("r.jsonl").unwrap(), before, "the record in use was changed");
    assert!(pids.iter().all(|&pid| alive(pid)));
    running.signal("INT");
    assert_eq!(running.wait().code, 130);
}

#[test]
fn a_signal_during_the_idle_measurement_ends_at_once() {
    let dir = TestDir::new();
    dir.write("a.py", "print('same')\n");
    let args = [
        "compare",
        "a.py",
        "--python",
        "3.14,3.14t",
        "-q",
        "--energy",
        "meter=while :; do echo 1 W; sleep 0.1; done",
    ];
    let mut running = dir.ungil(args).args(["--idle", "10m", "--out", "r.jsonl"]).start();
    running.until("the record", || fs::metadata(dir.join("r.jsonl")).ok().filter(|m| m.len() > 0));
    running.signal("INT");
    running.wait().expect_error(130);
    let record = Record::read(&dir.join("r.jsonl"));
    assert_eq!((record.runs().len(), record.of_type("stopped").count()), (0, 1));
}

#[test]
fn resuming_a_finished_record_changes_nothing() {
    let dir = TestDir::new();
    dir.write("a.py", "print('same')\n");
    dir.one_block(["a.py", "--python", "3.14,3.14t", "--out", "r.jsonl"]).run().ok();
    dir.ungil(["compare", "-q", "--resume", "r.jsonl"]).run().ok();
    let record = Record::read(&dir.join("r.jsonl"));
    assert_eq!(record.runs().len(), 2, "max-blocks 1 was already reached");
    assert_eq!(record.comparison()["blocks"], 1);
}

#[test]
fn resume_rejects_invalid_records() {
    let dir = TestDir::new();
    dir.write("a.py", "print('same')\n");
    dir.one_block(["a.py", "--python", "3.14,3.14t", "--out", "good.jsonl"]).run().ok();
    let good = dir.read("good.jsonl").unwrap();
    let (head, rest) = good.split_once('\n').unwrap();
    let mut damaged = good.clone();
    damaged.replace_range(
        head.len() + 20..head.len() + 40,
        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    );
    let cases: [(&str, Vec<u8>, &str); 8] = [
        ("empty", vec![], "empty"),
        ("garbage", b"\x00\xff not a record \xfe\n\n".to_vec(), "not a record"),
        ("text", b"hello\nworld\n".to_vec(), "not a record"),
        ("json", b"{\"type\": \"run\"}\n".to_vec(), "not a record"),
        (
            "schema",
            good.replace("ungil.experiment/1", "ungil.experiment/9").into_bytes(),
            "ungil.experiment/9",
        ),
        (
            "future",
            b"{\"type\":\"experiment\",\"schema\":\"ungil.experiment/9\"}\n".to_vec(),
            "ungil.experiment/9",
        ),
        ("damaged", damaged.into_bytes(), "line 2"),
        ("no-header", rest.as_bytes().to_vec(), "not a record"),
    ];
    for (name, bytes, words) in cases {
        dir.write(name, &bytes);
        let told = dir.ungil(["compare", "-q", "--resume", name]).run().expect_error(1);
        assert!(
            told.what.contains(name) && format!("{told:?}").contains(words),
            "{name}: {told:?}"
        );
        assert_eq!(fs::read(dir.join(name)).unwrap(), bytes, "{name} was changed");
    }
    let told = dir.ungil(["compare", "-q", "--resume", "nowhere"]).run().expect_error(1);
    assert!(told.what.contains("nowhere"), "{told:?}");
}

#[test]
fn resume_ignores_unknown_fields() {
    let dir = TestDir::new();
    dir.write("a.py", "print('same')\n");
    dir.one_block(["a.py", "--python", "3.14,3.14t", "--out", "r.jsonl"]).run().ok();
    let text = dir.read("r.jsonl").unwrap().replace("\"type\":", "\"new\":{\"a\":[1]},\"type\":");
    fs::File::create(dir.join("r.jsonl")).unwrap().write_all(text.as_bytes()).unwrap();
    dir.ungil(["compare", "-q", "--resume", "r.jsonl"]).run().ok();
}

#[test]
fn resuming_a_complete_record_prints_it_and_runs_nothing() {
    let dir = TestDir::new();
    dir.write("a.py", "open('count', 'a').write('x')\nprint('same')\n");
    // One block takes longer than the time limit, so the plan is complete without --max-blocks.
    let args = [
        "compare",
        "a.py",
        "-q",
        "--energy",
        "off",
        "--warmup",
        "0",
        "--blocks",
        "1",
        "--time-limit",
        "10ms",
    ];
    let first = dir.ungil(args).args(["--python", "3.14,3.14t", "--out", "r.jsonl"]).run().ok();
    let (record, count) = (dir.read("r.jsonl").unwrap(), dir.read("count").unwrap());
    let again = dir
        .ungil(["compare", "-q", "--resume", "r.jsonl", "--fail-if", "time(3.14t) > 1 ms"])
        .run();
    assert_eq!(again.code, 3, "the exit code of the comparison: {}", again.stderr);
    assert!(again.stderr.contains("nothing left to measure"), "{}", again.stderr);
    let told = |text: &str| text.split("Record: ").next().map(str::to_string);
    assert_eq!(told(&again.stdout), told(&first.stdout));
    assert_eq!(dir.read("r.jsonl").unwrap(), record);
    assert_eq!(dir.read("count").unwrap(), count, "the workload ran");
}

#[test]
fn a_killed_resume_leaves_an_incomplete_record() {
    let dir = TestDir::new();
    let (running, _) = start_and_hang_in_block_3(&dir);
    running.signal("INT");
    running.wait();
    let mut text = dir.read("r.jsonl").unwrap();
    assert!(text.contains("\"type\":\"comparison\""), "the last line is a comparison");
    text.push_str("{\"type\":\"resumed\",\"at\":\"2026-01-01T00:00:00Z\"}\n");
    fs::write(dir.join("r.jsonl"), text).unwrap();
    fs::remove_file(dir.join("stay")).unwrap();
    let out = dir.ungil(["compare", "-q", "--replay", "r.jsonl"]).run().ok();
    assert!(out.stderr.contains("not complete"), "{}", out.stderr);
    dir.ungil(["compare", "-q", "--resume", "r.jsonl"]).run().ok();
    assert_eq!(Record::read(&dir.join("r.jsonl")).comparison()["blocks"], BLOCKS);
}

#[test]
fn replay_prints_every_format_and_runs_nothing() {
    let dir = TestDir::new();
    dir.write("a.py", "open('count', 'a').write('x')\nprint('same')\n");
    let first = dir.one_block(["a.py", "--python", "3.14,3.14t", "--out", "r.jsonl"]).run().ok();
    let (record, count) = (dir.read("r.jsonl").unwrap(), dir.read("count").unwrap());
    // Neither the folder in which the record was made nor the measured program is needed.
    fs::remove_file(dir.join("a.py")).unwrap();
    let replay = |flags: &[&str]| {
        dir.ungil(["compare", "--replay", "r.jsonl"]).args(flags.iter().copied()).run()
    };
    assert_eq!(replay(&[]).ok().stdout, first.stdout);
    let json = replay(&["--json"]).ok().json();
    let kept = Record::read(&dir.join("r.jsonl"));
    for (arm, there) in
        [0, 1].map(|i| (&json["comparison"]["arms"][i], &kept.comparison()["arms"][i]))
    {
        assert_eq!((&arm["arm"], &arm["runs"]), (&there["arm"], &there["runs"]));
        let [shown, there] =
            [arm, there].map(|a| a["metrics"]["wall_s"]["median"].as_f64().unwrap());
        assert!((shown / there - 1.0).abs() < 1e-12, "{shown} instead of {there}");
    }
    let csv = replay(&["--csv"]).ok().stdout;
    assert!(csv.starts_with("arm,metric,") && csv.contains("3.14t,wall_s"), "{csv}");
    assert_eq!(replay(&["--fail-if", "time(3.14t) > 1 ms"]).code, 3);
    assert_eq!(replay(&["--fail-if", "time(3.14t) > 1000 s"]).code, 0);
    assert!(replay(&["--fail-if", "time(9.9) > 1"]).expect_error(2).what.contains("9.9"));
    for flags in [
        &["--blocks", "9"][..],
        &["--resume", "r.jsonl"],
        &["a.py"],
        &["--out", "x"],
        &["--python", "3.14"],
    ] {
        assert!(replay(flags).expect_error(2).what.contains("--replay"), "{flags:?}");
    }
    assert_eq!((dir.read("r.jsonl").unwrap(), dir.read("count").unwrap()), (record.clone(), count));
    // A record without runs has nothing to print.
    let head = record.lines().next().unwrap();
    dir.write("empty.jsonl", format!("{head}\n"));
    let told = dir.ungil(["compare", "--replay", "empty.jsonl"]).run().expect_error(1);
    assert!(told.what.contains("nothing to show") && told.help.contains("--resume"), "{told:?}");
}
