//! What a workload does to excess: hangs, prints for ever, leaves daemons, fills the disk; and
//! surroundings that are odd.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use ungil_tests::{Record, TestDir, alive, binary, hazards, python};

/// Leaves a daemon in a session of its own (double fork), a child, and a child that ignores
/// SIGTERM; all write their ids.
const FAMILY: &str = "
import os, signal, time
def note():
    with open('pids', 'a') as f: f.write('%d\\n' % os.getpid())
def rest():
    note()
    while True: time.sleep(1)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: rest()
    os._exit(0)
if os.fork() == 0: rest()
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    rest()
while len(open('pids').readlines() if os.path.exists('pids') else []) < 3: time.sleep(0.01)
";

#[test]
fn a_hang_is_ended_with_everything_it_started() {
    let dir = TestDir::new();
    dir.write("hang.py", format!("{FAMILY}\nrest()\n"));
    // Long enough for the family to come about on any machine; nothing else depends on it.
    let out = dir.one_block(["hang.py", "--python", "3.14,3.14t", "--timeout", "8s"]).run();
    let told = out.expect_error(1);
    assert!(told.what.contains("--timeout"), "{told:?}");
    let pids = dir.pids("pids");
    assert_eq!(pids.len(), 4, "the family came about");
    let left: Vec<_> = pids.into_iter().filter(|&pid| alive(pid)).collect();
    assert!(left.is_empty(), "still alive: {left:?}");
    assert_eq!(dir.newest_record().runs()[0]["outcome"]["kind"], "timed_out");
}

#[test]
fn what_outlives_the_workload_is_named_and_ended() {
    let dir = TestDir::new();
    dir.write("leaves.py", format!("{FAMILY}\nprint('done')\n"));
    let out = dir.one_block([
        "leaves.py",
        "--python",
        "3.14",
        "--also",
        "none=true",
        "--allow-different-output",
    ]);
    let record = out.run().ok().record();
    let says = hazards(record.run("3.14"), "leftovers");
    assert!(says.len() == 1 && says[0].matches("leaves.py").count() == 3, "{says:?}");
    assert_eq!(record.run("3.14")["outcome"]["kind"], "ok");
    let pids = dir.pids("pids");
    assert_eq!(pids.len(), 3);
    assert!(!pids.into_iter().any(alive));
}

#[test]
fn a_gibibyte_of_output_is_hashed_and_not_kept() {
    let dir = TestDir::new();
    dir.write("loud.py", "import os\nline = b'x' * (1 << 20)\nfor _ in range(1024):\n    n = 0\n    while n < len(line):\n        n += os.write(1, line[n:])\n");
    // The peak of ungil itself, as the kernel kept it: VmHWM, read until its end.
    let mut running = dir
        .one_block(["loud.py", "--python", "3.14", "--also", "short=true"])
        .args(["--allow-different-output"])
        .start();
    let status = format!("/proc/{}/status", running.pid());
    let mut peak_kib = 0;
    while !running.ended() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        peak_kib = line
            .and_then(|l| l.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
            .unwrap_or(peak_kib);
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let record = running.wait().ok().record();
    assert_eq!(record.run("3.14")["output"]["bytes"], 1u64 << 30);
    assert!((1024..64 << 10).contains(&peak_kib), "ungil's own peak: {peak_kib} KiB");
}

#[test]
fn output_without_end_on_standard_error_is_survived() {
    let dir = TestDir::new();
    dir.write(
        "err.py",
        "import os, sys\nfor _ in range(64): os.write(2, b'y' * (1 << 20))\nsys.exit('the end')\n",
    );
    let told = dir.one_block(["err.py", "--python", "3.14,3.14t"]).run().expect_error(1);
    assert!(told.why.contains("the end"), "{}", &told.why[..200.min(told.why.len())]);
    assert!(told.why.len() < 2000, "an error is for a person to read: {} bytes", told.why.len());
    let record = std::fs::metadata(dir.newest_record().path).unwrap().len();
    assert!(record < 1 << 20, "the record holds {record} bytes");
}

#[test]
fn a_full_disk_is_told_and_what_was_measured_is_kept() {
    let dir = TestDir::new();
    dir.write("a.py", "print('same')\n");
    std::fs::create_dir(dir.join("small")).unwrap();
    // A mount of this shell's own, gone with it; 64 KiB hold the first lines and not the last.
    let script = "mount -t tmpfs -o size=64k none small || exit 99\n\
                  \"$UNGIL\" compare a.py --python 3.14,3.14t --energy off -q --warmup 0 --blocks 400 --out small/r.jsonl \
                  >out 2>err; code=$?; cp small/r.jsonl kept.jsonl; exit $code";
    let user: &[&str] = if is_root() { &["-m"] } else { &["-m", "-U", "-r"] };
    let status = Command::new("unshare")
        .args(user)
        .args(["sh", "-c", script])
        .env("UNGIL", binary())
        .current_dir(dir.path())
        .status()
        .unwrap();
    assert_ne!(status.code(), Some(99), "a tmpfs can be mounted");
    let stderr = dir.read("err").unwrap();
    assert_eq!(status.code(), Some(1), "{stderr}");
    let lines: Vec<&str> = stderr.lines().filter(|l| !l.starts_with("note: ")).collect();
    assert_eq!(lines.len(), 3, "{stderr}");
    assert!(lines[0].contains("record") && lines[1].contains("No space left"), "{stderr}");
    assert!(lines[2].contains("--resume"), "{stderr}");
    let record = Record::read(&dir.join("kept.jsonl"));
    assert!(record.runs().len() > 2, "{} runs", record.runs().len());
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout == b"0\n"
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let dir = TestDir::new();
    dir.write("a.py", "print('same')\n");
    let arms = ["a.py", "--python", "3.14,3.14t", "--json"];
    let mut command = dir.one_block(arms).command();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let out = child.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(!String::from_utf8_lossy(&out.stderr).contains("panicked"));
    let mut child =
        dir.ungil(["completions", "bash"]).command().stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(child.wait().unwrap().success() && !line.is_empty());
    // A result that cannot be written is an error.
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = dir.one_block(arms).command().stdout(full).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn what_the_shell_has_set_does_not_decide_the_gil() {
    let dir = TestDir::new();
    let script = "import os, sys\nft = 't' == sys.abiflags\nwant = not ft or os.environ['UNGIL_ARM'].startswith('3.14t+gil')\n\
                  sys.exit(0 if sys._is_gil_enabled() == want else 'the GIL is not as the arm says')\n";
    dir.write("gil.py", script);
    for gil in ["0", "1"] {
        let arms = ["gil.py", "--python", "3.14,3.14t,3.14t+gil"];
        let record = dir.one_block(arms).env("PYTHON_GIL", gil).run().ok().record();
        assert_eq!(record.arms(), ["3.14", "3.14t", "3.14t+gil"]);
    }
}

#[test]
fn odd_directories_and_names_work() {
    let dir = TestDir::new();
    let folder = "ein Ordner – Größe 'x' {workers}";
    for name in ["my script.py", " leading space.py", "-dash.py", "größe.py", "{python}.py"] {
        dir.write(&format!("{folder}/{name}"), "import sys\nprint(sys.argv[1:])\n");
        let out = ungil_tests::Ungil::new(&dir.join(folder))
            .args(["compare"])
            .args(ungil_tests::ONE_BLOCK)
            .args([
                "--python",
                "3.14,3.14t",
                "--workers",
                "1",
                &format!("./{name}"),
                "--",
                "a b",
                "{workers}",
                "{x}",
            ]);
        let record = out.run().ok().record();
        assert_eq!(record.arms()[0], "3.14/1", "{name}");
    }
}

#[test]
fn a_python_given_by_path_or_venv_is_an_arm() {
    let dir = TestDir::new();
    dir.write("a.py", "print('same')\n");
    let mut venv = Command::new(python("3.14"));
    venv.args(["-m", "venv", "--without-pip", "a venv"]).current_dir(dir.path());
    assert!(venv.status().unwrap().success());
    let path = python("3.14t");
    let out =
        dir.one_block(["a.py", "--python", &format!("./a venv,{}", path.display())]).run().ok();
    let record = out.record();
    let used = record.lines[0]["arms"][0]["interpreter"]["executable"].as_str().unwrap();
    assert!(used.contains("a venv") && used.starts_with('/'), "{used}");
    assert_eq!(record.lines[0]["arms"][1]["interpreter"]["free_threaded"], true);
}
