//! Tests the memory of a process tree to within 2 %: shared and private memory, peaks at the same
//! and at different times, and memory freed between two samples. The same workload without its
//! allocation gives the interpreter's own memory.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::Value;
use std::process::Command;
use ungil_tests::{TestDir, hazards, metric};

const MIB: f64 = 1_048_576.0;

#[track_caller]
fn assert_within_2_percent(what: &str, measured: f64, expected: f64) {
    let error = (measured / expected - 1.0).abs();
    let (m, e) = (measured / MIB, expected / MIB);
    assert!(
        error < 0.02,
        "{what}: {m:.1} MiB measured, {e:.1} MiB expected: {:.2} % off",
        error * 100.0
    );
}

fn run(dir: &TestDir, script: &str, mib: u32) -> Value {
    dir.write("w.py", script);
    let mib = mib.to_string();
    let out = dir.one_block(["w.py", "--python", "3.14", "--", &mib]).run().ok();
    out.record().run("3.14").clone()
}

/// Forks four children of a process that holds `mib`. Each child gets its own copy of the first
/// half, and all are alive when the phase ends.
const SHARED: &str = "
import mmap, os, sys
from ungil_phase import phase
size = int(sys.argv[1]) << 20
block = mmap.mmap(-1, max(size, 1 << 12), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
def touch(end):
    for at in range(0, end, 4096): block[at] = 1 + block[at]
touch(size)
ready, go = os.pipe(), os.pipe()
with phase():
    children = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            os.close(go[1])
            touch(size // 2)
            os.write(ready[1], b'.')
            os.read(go[0], 1)
            os._exit(0)
        children.append(pid)
    seen = 0
    while seen < 4: seen += len(os.read(ready[0], 4))
os.close(go[1])
for pid in children: os.waitpid(pid, 0)
print('done')
";

#[test]
fn forked_workers_share_memory_until_they_write() {
    let dir = TestDir::new();
    let base = run(&dir, SHARED, 0);
    let full = run(&dir, SHARED, 512);
    let expect = |key: &str, mib: f64| {
        assert_within_2_percent(key, metric(&full, key), metric(&base, key) + mib * MIB)
    };
    // Resident in each of five processes, so counted five times.
    expect("rss_end_bytes", 5.0 * 512.0);
    // Physical memory in use: one full block and four copies of half of it.
    expect("pss_end_bytes", 512.0 + 4.0 * 256.0);
    // Private: the copies, and the original's first half, which no other process maps any more.
    expect("uss_end_bytes", 5.0 * 256.0);
    assert_within_2_percent(
        "RSS peak",
        metric(&full, "rss_peak_bytes"),
        metric(&full, "rss_end_bytes"),
    );
    assert_within_2_percent(
        "PSS peak",
        metric(&full, "pss_peak_bytes"),
        metric(&full, "pss_end_bytes"),
    );
    assert_eq!(metric(&full, "processes_peak"), 5.0);
    assert!(
        hazards(&full, "fork-with-threads").is_empty() && hazards(&full, "leftovers").is_empty(),
        "{full}"
    );
    assert!(full["probes"]["share_samples"].as_u64().unwrap() >= 1);
}

/// Two children allocate 256 MiB each: at the same time if `together`, otherwise one after the
/// other has exited.
fn two_children(together: bool) -> String {
    format!(
        "
import mmap, os, sys
from ungil_phase import phase
size, together = int(sys.argv[1]) << 20, {}
class Child:
    def __init__(self):
        self.ready, self.go = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.read(self.go[0], 1)
            block = mmap.mmap(-1, max(size, 1 << 12), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            for at in range(0, size, 4096): block[at] = 1
            os.write(self.ready[1], b'.')
            os.read(self.go[0], 1)
            block.close()
            os.write(self.ready[1], b'.')
            os.read(self.go[0], 1)
            os._exit(0)
    def step(self):
        os.write(self.go[1], b'.')
        os.read(self.ready[0], 1)
a, b = Child(), Child()
with phase():
    a.step()
    if together: b.step()
if not together:
    with phase(): a.step()
    with phase(): b.step()
for child in a, b:
    os.kill(child.pid, 9)
    os.waitpid(child.pid, 0)
print('done')
",
        if together { "True" } else { "False" }
    )
}

#[test]
fn peaks_add_up_only_if_simultaneous() {
    let dir = TestDir::new();
    for (together, mib) in [(false, 256.0), (true, 512.0)] {
        let script = two_children(together);
        let base = run(&dir, &script, 0);
        let full = run(&dir, &script, 256);
        for key in ["rss_peak_bytes", "pss_peak_bytes", "uss_peak_bytes"] {
            let what = format!("{key}, together: {together}");
            assert_within_2_percent(&what, metric(&full, key), metric(&base, key) + mib * MIB);
        }
    }
}

#[test]
fn memory_held_for_a_while_is_seen_without_a_phase() {
    let dir = TestDir::new();
    // Held for three times the longest sampling interval.
    let script = "
import subprocess, sys, time
code = 'import sys, time; x = bytearray(int(sys.argv[1]) << 20); print(len(x), flush=True); sys.stdin.read(); time.sleep(0)'
children = [subprocess.Popen([sys.executable, '-c', code, sys.argv[1]], stdin=-1, stdout=-1) for _ in range(2)]
for child in children: child.stdout.readline()
end = time.monotonic() + 3
while time.monotonic() < end: time.sleep(0.1)
for child in children: child.communicate()
";
    let base = run(&dir, script, 0);
    let full = run(&dir, script, 256);
    assert_within_2_percent(
        "RSS",
        metric(&full, "rss_peak_bytes"),
        metric(&base, "rss_peak_bytes") + 512.0 * MIB,
    );
    assert!(metric(&full, "processes_peak") == 3.0);
}

#[test]
fn a_child_that_exits_before_any_sample_counts() {
    let dir = TestDir::new();
    dir.write("touch.py", "import sys\nx = bytearray(int(sys.argv[1]) << 20)\n");
    let through_sh = |mib: u32| {
        let command = format!("sh -c '{{python}} touch.py {mib}; true'");
        let out = dir.one_block(["--command", &command, "--python", "3.14"]).run().ok();
        metric(out.record().run("3.14"), "rss_peak_bytes")
    };
    assert_within_2_percent("unmarked, below sh", through_sh(300), through_sh(0) + 300.0 * MIB);
}

#[test]
fn a_child_that_exits_before_any_sample_counts_in_a_phase() {
    let dir = TestDir::new();
    // With 0 MiB the child stays until it has been sampled, so that the base includes both
    // interpreters.
    let script = "
import os, subprocess, sys
from ungil_phase import phase
mib = int(sys.argv[1])
code = 'import sys; x = bytearray(int(sys.argv[1]) << 20); print(1, flush=True); sys.argv[1] == \"0\" and sys.stdin.read()'
with phase():
    child = subprocess.Popen([sys.executable, '-c', code, str(mib)], stdin=-1, stdout=-1)
    child.stdout.readline()
    if mib: child.communicate()
child.communicate()
print('done')
";
    let base = run(&dir, script, 0);
    let full = run(&dir, script, 300);
    assert_within_2_percent(
        "marked",
        metric(&full, "rss_peak_bytes"),
        metric(&base, "rss_end_bytes") + 300.0 * MIB,
    );
}

#[test]
fn memory_freed_before_the_phase_does_not_count() {
    let dir = TestDir::new();
    let script = "
import subprocess, sys
from ungil_phase import phase
subprocess.run([sys.executable, '-c', 'import sys; x = bytearray(int(sys.argv[1]) << 20)', sys.argv[1]], check=True)
x = bytearray(int(sys.argv[1]) << 20)
del x
# Held to the end: how much of the interpreter's own file is mapped varies by a quarter of a MiB.
y = bytearray(100 << 20)
with phase(): pass
";
    let base = run(&dir, script, 0);
    let full = run(&dir, script, 300);
    assert_within_2_percent(
        "after 300 MiB were freed",
        metric(&full, "rss_peak_bytes"),
        metric(&base, "rss_peak_bytes"),
    );
}

/// A parent with 200 MiB of ballast, kept or freed before the phase, starts small children in the
/// phase.
const BALLAST: &str = "
import subprocess, sys, time
from ungil_phase import phase
ballast = b'x' * (200 << 20)
if sys.argv[1] == 'free': del ballast
with phase():
    for _ in range(3): subprocess.run(['true'], check=True)
    time.sleep(0.3)
print('done')
";

#[test]
fn small_children_do_not_count_their_parents_memory() {
    let dir = TestDir::new();
    dir.write("w.py", BALLAST);
    for (ballast, mib) in [("keep", 200.0), ("free", 0.0)] {
        let record = dir.one_block(["w.py", "--python", "3.14", "--", ballast]).run().ok().record();
        let run = record.run("3.14");
        let (peak, end) = (metric(run, "rss_peak_bytes") / MIB, metric(run, "rss_end_bytes") / MIB);
        assert!(
            peak >= mib && peak < mib + 60.0,
            "{ballast}: {peak:.1} MiB, {end:.1} MiB at the end"
        );
    }
}

/// Holds 200 MiB and waits for a `vfork` child, which stays in the parent's memory until it has
/// been sampled.
const VFORKS: &str = "
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
int main(void) {
    size_t size = 200u << 20;
    char *block = malloc(size);
    memset(block, 1, size);
    pid_t child = vfork();
    if (child == 0) {
        struct timespec rest = {3, 0};
        nanosleep(&rest, NULL);
        _exit(block[size / 2] - 1);
    }
    return waitpid(child, NULL, 0) != child;
}
";

#[test]
fn a_vfork_child_counts_its_parents_memory_once() {
    let dir = TestDir::new();
    dir.write("big.c", VFORKS);
    let cc =
        Command::new("cc").args(["-O1", "-o", "big", "big.c"]).current_dir(dir.path()).status();
    assert!(cc.expect("cc runs").success());
    let record =
        dir.one_block(["--command", "./big {python}", "--python", "3.14"]).run().ok().record();
    let run = record.run("3.14");
    assert_eq!(metric(run, "processes_peak"), 2.0, "the child was not sampled");
    for key in ["rss_peak_bytes", "pss_peak_bytes", "uss_peak_bytes"] {
        let mib = metric(run, key) / MIB;
        assert!((200.0..220.0).contains(&mib), "{key}: {mib:.1} MiB");
    }
}

#[test]
fn a_peak_between_two_samples_is_counted() {
    let dir = TestDir::new();
    // The block is freed before the phase ends, and no sample is taken while all of it is resident.
    let script = "
import mmap, sys
from ungil_phase import phase
size = max(int(sys.argv[1]) << 20, 1 << 12)
with phase():
    block = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    block.write(b'x' * 4096 * (size // 4096))
    block.close()
";
    let base = run(&dir, script, 0);
    let full = run(&dir, script, 64);
    assert_within_2_percent(
        "in the phase",
        metric(&full, "rss_peak_bytes"),
        metric(&base, "rss_peak_bytes") + 128.0 * MIB,
    );
}
