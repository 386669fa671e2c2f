//! Tests the phase: the part of a run that the workload marks for measurement.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::Value;
use ungil_tests::{TestDir, hazards, metric};

const HEAD: &str = "
import os, sys, time
from ungil_phase import phase, metric
import ungil_phase
def spin(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass
";

/// Runs a script that begins with [`HEAD`] once on 3.14.
fn run(script: &str) -> Value {
    let dir = TestDir::new();
    dir.write("w.py", format!("{HEAD}{script}"));
    let out = dir.one_block(["w.py", "--python", "3.14"]).run().ok();
    out.record().run("3.14").clone()
}

fn failed(script: &str) -> (ungil_tests::ErrorMessage, Value) {
    let dir = TestDir::new();
    dir.write("w.py", format!("{HEAD}{script}"));
    let told = dir.one_block(["w.py", "--python", "3.14"]).run().expect_error(1);
    (told, dir.newest_record().run("3.14").clone())
}

#[test]
fn interpreter_start_up_is_shown_without_a_phase() {
    let dir = TestDir::new();
    dir.write("w.py", "print('same')\n");
    let out = dir.one_block(["w.py", "--python", "3.14,3.14t", "--aa"]).run().ok();
    let record = out.record();
    // Measured once per interpreter; the repeated baseline of an A/A run does not count.
    let starts: Vec<&Value> = record.of_type("startup").collect();
    assert_eq!(
        starts.iter().map(|s| s["python"].as_str()).collect::<Vec<_>>(),
        [Some("3.14"), Some("3.14t")]
    );
    assert!(
        starts.iter().all(|s| s["seconds"].as_array().is_some_and(|s| s.len() == 5)),
        "{starts:?}"
    );
    assert!(
        out.stdout.lines().next().is_some_and(|head| head.contains("start-up")),
        "{}",
        out.stdout
    );
}

#[test]
fn the_whole_process_counts_without_a_phase() {
    let run = run("spin(0.5)\n");
    assert_eq!(run["marked"], false);
    assert!(metric(&run, "cpu_s") >= 0.5 && metric(&run, "wall_s") >= 0.5, "{run}");
    assert!(metric(&run, "rss_peak_bytes") > 5e6);
    assert!(run["metrics"].get("process_s").is_none());
    // Start-up is reported separately: the time of `python -c pass`.
    assert!(run["metrics"].get("startup_s").is_none(), "{run}");
    assert!(run["missing"]["pss_end_bytes"].as_str().unwrap().contains("mark a phase"));
}

#[test]
fn set_up_and_tear_down_do_not_count_with_a_phase() {
    let run = run(
        "spin(0.5)\nx = bytearray(64 << 20)\nwith phase():\n    pass\nspin(0.5)\ny = bytearray(64 << 20)\n",
    );
    assert_eq!(run["marked"], true);
    assert!(metric(&run, "cpu_s") < 0.3, "{run}");
    assert!(metric(&run, "process_s") >= 1.0);
    assert!(
        metric(&run, "startup_s") >= 0.5 && metric(&run, "startup_s") < metric(&run, "process_s")
    );
    // 64 MiB are 16384 pages of 4 KiB, or 32 of 2 MiB; marking the phase touches a few.
    assert!(metric(&run, "minor_faults") < 1000.0, "{run}");
    // Memory at the end of the phase does not include what is allocated later.
    let held = metric(&run, "rss_end_bytes");
    assert!(held > 64e6 && held < 64e6 * 2.0, "{held}");
    assert!(metric(&run, "rss_peak_bytes") < 64e6 * 2.0);
}

#[test]
fn start_up_is_shown_with_a_phase_and_for_imports() {
    let run = run("with phase(): spin(0.2)\n");
    let (startup, wall) = (metric(&run, "startup_s"), metric(&run, "wall_s"));
    assert!(startup > 0.0 && wall >= 0.2 && startup + wall <= metric(&run, "process_s"), "{run}");
}

#[test]
fn several_phases_add_up() {
    let run = run("for _ in range(3):\n    with phase(): spin(0.2)\n    spin(0.3)\n");
    let cpu = metric(&run, "cpu_s");
    assert!((0.6..0.9).contains(&cpu), "{cpu}");
    assert!(metric(&run, "wall_s") >= 0.6);
    assert!(hazards(&run, "phase").is_empty());
}

#[test]
fn nested_phases_count_once() {
    let run = run("
with phase():
    spin(0.2)
    with phase(): spin(0.2)
    spin(0.2)
spin(0.5)
");
    let cpu = metric(&run, "cpu_s");
    assert!((0.6..0.9).contains(&cpu), "{cpu}");
    assert!(metric(&run, "wall_s") >= 0.6, "{run}");
}

#[test]
fn a_phase_without_an_end_is_an_error() {
    let (told, run) = failed("ungil_phase.start()\n");
    assert!(told.what.contains("phase has no end"), "{told:?}");
    assert_eq!(run["outcome"]["kind"], "invalid");
    // An exception is not a missing end: `with` closes the phase, and the exit code reports the
    // failure.
    let (told, run) = failed("with phase(): raise ValueError('inside')\n");
    assert!(told.why.contains("ValueError: inside"), "{told:?}");
    assert_eq!(run["outcome"]["kind"], "exited");
    // A crash inside a phase is reported as a crash.
    let (told, _) = failed("with phase(): os.kill(os.getpid(), 11)\n");
    assert!(format!("{told:?}").contains("SIGSEGV"), "{told:?}");
}

#[test]
fn metrics_of_the_workload_are_recorded() {
    let run = run(
        "metric('before', 1)\nwith phase(): metric('rows_per_s', 1234.5)\nmetric('after', -0.125)\nprint('x')\n",
    );
    assert_eq!(metric(&run, "rows_per_s"), 1234.5);
    assert_eq!((metric(&run, "before"), metric(&run, "after")), (1.0, -0.125));
}

#[test]
fn garbage_on_the_channel_is_a_hazard() {
    let run = run("
with phase(): spin(0.1)
up = os.open(os.environ['UNGIL_PHASE'] + '/up', os.O_WRONLY)
os.write(up, b'\\xff\\x00 garbage\\nend 1 2\\nstart x\\nmetric 1 a/b 2\\n')
os.write(up, b'z' * 3000 + b'\\n')
print('done')
");
    assert_eq!(run["outcome"]["kind"], "ok");
    assert!(metric(&run, "cpu_s") >= 0.1);
    let texts = hazards(&run, "phase");
    assert!(texts.len() >= 4 && texts.iter().all(|s| s.len() < 300), "{texts:?}");
    assert!(texts.iter().any(|s| s.contains("metric 1 a/b 2")), "{texts:?}");
}

#[test]
fn endless_garbage_on_the_channel_is_handled() {
    let run = run("
up = os.open(os.environ['UNGIL_PHASE'] + '/up', os.O_WRONLY)
for _ in range(2000): os.write(up, b'nonsense\\n' * 100)
with phase(): spin(0.1)
");
    assert_eq!(run["outcome"]["kind"], "ok");
    assert_eq!(run["marked"], true);
    assert!(hazards(&run, "phase").len() <= 20);
}

#[test]
fn phases_of_a_child_are_a_hazard_and_do_not_count() {
    let run = run("
with phase(): spin(0.2)
pid = os.fork()
if pid == 0:
    with phase(): spin(0.3)
    os._exit(0)
os.waitpid(pid, 0)
");
    assert_eq!(run["outcome"]["kind"], "ok");
    let cpu = metric(&run, "cpu_s");
    assert!((0.2..0.4).contains(&cpu), "the first process's phase alone: {cpu}");
    let texts = hazards(&run, "phase");
    assert!(texts.iter().any(|s| s.contains("also marked a phase")), "{texts:?}");
}

#[test]
fn costs_of_children_in_the_phase_count() {
    let run = run("
import subprocess
code = 'import time\\nwhile time.process_time() < 0.5: pass\\nfor _ in range(400): time.sleep(0.001)\\nx = bytearray(32 << 20)'
with phase():
    for _ in range(2): subprocess.run([sys.executable, '-c', code], check=True)
");
    let cpu = metric(&run, "cpu_s");
    assert!((1.0..2.0).contains(&cpu), "{cpu}");
    // 800 sleeps. A sleep whose timer fires before the thread has left the core causes no switch.
    // Waiting for the children adds two.
    assert!(metric(&run, "voluntary_switches") >= 400.0, "{run}");
    assert!(metric(&run, "processes_peak") >= 2.0, "{run}");
}

#[test]
fn context_switches_of_ended_threads_count() {
    let run = run("
import threading
def naps():
    for _ in range(500): time.sleep(0.001)
with phase():
    threads = [threading.Thread(target=naps) for _ in range(4)]
    for t in threads: t.start()
    for t in threads: t.join()
");
    // 2000 sleeps, fewer switches on a busy machine; the joining thread alone has a handful.
    assert!(metric(&run, "voluntary_switches") >= 1000.0, "{run}");
    assert!(metric(&run, "threads_peak") >= 2.0);
}

#[test]
fn the_phase_module_works_without_ungil() {
    let dir = TestDir::new();
    let module = dir.ungil(["phase"]).run().ok().stdout;
    dir.write("ungil_phase.py", &module);
    dir.write(
        "w.py",
        "from ungil_phase import phase, metric\nwith phase(): metric('a', 1)\nprint('by hand')\n",
    );
    let mut by_hand = std::process::Command::new(ungil_tests::python("3.14"));
    by_hand.arg("w.py").current_dir(dir.path()).env_remove("UNGIL_PHASE");
    let out = by_hand.output().unwrap();
    assert_eq!((out.status.code(), out.stdout), (Some(0), b"by hand\n".to_vec()));
    // A channel that no longer exists is ignored.
    by_hand.env("UNGIL_PHASE", dir.join("gone"));
    assert!(by_hand.output().unwrap().status.success());
    let record = dir.one_block(["w.py", "--python", "3.14"]).run().ok().record();
    assert_eq!(record.run("3.14")["marked"], true);
    assert_eq!(metric(record.run("3.14"), "a"), 1.0);
}

#[test]
fn every_interpreter_supports_phases() {
    let dir = TestDir::new();
    dir.write("w.py", format!("{HEAD}with phase(): x = bytearray(1 << 20)\nprint('same')\n"));
    let record =
        dir.one_block(["w.py", "--python", &ungil_tests::PYTHONS.join(",")]).run().ok().record();
    assert!(record.runs().len() == 4 && record.runs().iter().all(|r| r["marked"] == true));
}
