//! Tests `ungil top`: lines for scripts, and a real terminal with keys, sizes and signals.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

mod terminal;

use serde_json::Value;
use std::process::{Child, Command, Stdio};
use terminal::Terminal;
use ungil_tests::{BUILDS, TestDir, eventually, python};

/// One thread holds lock L and waits for an event, one waits for L, one spins, and one has a name
/// that contains escape sequences.
const PROGRAM: &str = "
import gc, pathlib, sys, threading
L, held, end = threading.Lock(), threading.Event(), threading.Event()
def keep():
    with L:
        held.set()
        end.wait()
def wait():
    with L: pass
def spin():
    while not end.is_set():
        for _ in range(1000): pass
        gc.collect(0)
def evil(): end.wait()
threads = [threading.Thread(target=f, name=n, daemon=True) for f, n in
           [(keep, 'keeper'), (wait, 'waiter'), (spin, 'spinner'), (evil, 'e\\x1b]0;owned\\x07\\x9b2J\\u202evil')]]
for thread in threads:
    thread.start()
    held.wait()
pathlib.Path('ready').write_text('x')
sys.stdin.read()
";

/// The watched program; killed on drop.
struct WatchedProgram(Child);

impl WatchedProgram {
    fn start(dir: &TestDir, build: &str, script: &str) -> WatchedProgram {
        dir.write("program.py", script);
        let _ = std::fs::remove_file(dir.join("ready"));
        let mut command = Command::new(python(build));
        command.arg("program.py").current_dir(dir.path()).stdin(Stdio::piped());
        let mut target = WatchedProgram(command.spawn().unwrap());
        eventually("the program is ready", || {
            assert!(target.0.try_wait().unwrap().is_none(), "the program ended");
            dir.read("ready").is_some_and(|text| !text.is_empty())
        });
        target
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for WatchedProgram {
    fn drop(&mut self) {
        self.end();
    }
}

fn views(dir: &TestDir, target: &WatchedProgram, args: &[&str]) -> Vec<Value> {
    let out = dir
        .ungil(["top", &target.pid(), "--json", "-d", "200ms"])
        .args(args.iter().copied())
        .run()
        .ok();
    out.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn thread<'a>(view: &'a Value, name: &str) -> Option<&'a Value> {
    view["threads"].as_array().unwrap().iter().find(|thread| thread["name"] == name)
}

#[test]
fn a_view_shows_running_threads_waiters_and_lock_holders() {
    let dir = TestDir::new();
    for build in BUILDS {
        let target = WatchedProgram::start(&dir, build, PROGRAM);
        let mut last = Value::Null;
        eventually("a view with everything in it", || {
            last = views(&dir, &target, &["-n", "3"]).pop().unwrap();
            let waiter = thread(&last, "waiter").unwrap();
            let found = waiter["state"] == "lock"
                && waiter["wait"]["kind"] == "threading.Lock"
                && waiter["wait"]["name"] == "L"
                && waiter["wait"]["held_by"] == "keeper"
                && waiter["shares"]["lock"].as_f64().unwrap() > 0.9;
            let hot = last["lines"].as_array().unwrap().iter().any(|line| {
                line["function"] == "spin" && line["threads"]["running"].as_f64().unwrap() > 0.0
            });
            let contended =
                last["objects"].as_array().unwrap().iter().any(|object| object["name"] == "L");
            found && hot && contended && thread(&last, "keeper").unwrap()["state"] == "event"
        });
        assert_eq!(last["schema"], "ungil.top/2");
        assert_eq!(last["process"]["free_threaded"], build.ends_with('t'), "{build}");
        assert_eq!(last["process"]["pid"].as_u64(), target.pid().parse().ok());
        let threads = last["threads"].as_array().unwrap();
        assert_eq!(threads.len(), 5, "{build}: {last}");
        assert!(thread(&last, "MainThread").is_some(), "{build}: {last}");
        assert!(last["memory"]["rss_bytes"].as_u64().unwrap() > 1 << 20);
        assert!(last["memory"]["pss_bytes"].as_u64().unwrap() > 1 << 20);
        assert_eq!(last["gil"].is_null(), build.ends_with('t'), "{build}");
        let young = last["collector"]["generations"][0]["collections"].as_u64().unwrap();
        assert!(young > 0, "{build}: {}", last["collector"]);
        assert_eq!(last["collector"]["span"]["exact"], build.starts_with("3.15"), "{build}");
        assert_eq!(last["ended"], Value::Null);
    }
}

#[test]
fn text_output_has_no_control_characters() {
    let dir = TestDir::new();
    let target = WatchedProgram::start(&dir, "3.14t", PROGRAM);
    let out = dir.ungil(["top", &target.pid(), "--once", "--sort", "name"]).run().ok().stdout;
    assert!(!out.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}'), "{out:?}");
    assert!(out.contains("e\u{fffd}]0;owned\u{fffd}\u{fffd}2J\u{fffd}vil"), "{out}");
    assert!(out.contains("waits") && out.contains("threading.Lock \"L\", held by keeper"), "{out}");
    let json = dir.ungil(["top", &target.pid(), "--json"]).run().ok().stdout;
    assert!(!json.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}'), "{json:?}");
    let view: Value = serde_json::from_str(&json).unwrap();
    assert!(thread(&view, "e\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}vil").is_some(), "{view}");
}

#[test]
fn every_python_is_listed_without_a_pid() {
    let dir = TestDir::new();
    let targets = BUILDS.map(|build| WatchedProgram::start(&dir, build, PROGRAM));
    let list = dir.ungil(["top", "--json"]).run().ok().json();
    for (target, build) in targets.iter().zip(BUILDS) {
        let pid: u64 = target.pid().parse().unwrap();
        let row = list["pythons"].as_array().unwrap().iter().find(|row| row["pid"] == pid);
        let row = row.unwrap_or_else(|| panic!("{build} is not in {list}"));
        assert!(row["version"].as_str().unwrap().starts_with(build.trim_end_matches('t')), "{row}");
        assert_eq!(
            (&row["free_threaded"], &row["threads"]),
            (&build.ends_with('t').into(), &5.into()),
            "{row}"
        );
    }
    let text = dir.ungil(["top", "--once", "--filter", "program.py"]).run().ok().stdout;
    assert!(targets.iter().all(|target| text.contains(&target.pid())), "{text}");
}

#[test]
fn targets_that_cannot_be_watched_are_reported() {
    let dir = TestDir::new();
    assert!(
        dir.ungil(["top", "4194300", "--once"]).run().expect_error(1).what.contains("no process")
    );
    let mut sleep = Command::new("sleep").arg("1000").spawn().unwrap();
    let told = dir.ungil(["top", &sleep.id().to_string(), "--once"]).run().expect_error(1);
    sleep.kill().unwrap();
    sleep.wait().unwrap();
    assert!(told.what.contains("does not contain CPython"), "{told:?}");
    assert!(dir.ungil(["top"]).run().expect_error(2).help.contains("--once"));
    for wrong in
        [&["top", "0"][..], &["top", "1", "-d", "0"], &["top", "1", "--rate", "0"], &["top", "x"]]
    {
        dir.ungil(wrong.iter().copied()).run().expect_error(2);
    }
}

#[test]
fn the_last_view_is_kept_when_the_target_ends() {
    let dir = TestDir::new();
    let mut target = WatchedProgram::start(&dir, "3.15t", PROGRAM);
    let running =
        dir.ungil(["top", &target.pid(), "--json", "-n", "100000", "-d", "100ms"]).start();
    std::thread::sleep(std::time::Duration::from_millis(300));
    target.end();
    let out = running.wait();
    assert_eq!(out.code, 0, "{}", out.stderr);
    let last: Value = serde_json::from_str(out.stdout.lines().last().unwrap()).unwrap();
    assert!(last["ended"].as_str().unwrap().contains("ended"), "{last}");
    assert!(out.stderr.contains("ended"), "{}", out.stderr);
}

#[test]
fn keys_change_the_view_and_the_terminal_is_restored() {
    let dir = TestDir::new();
    let mut target = WatchedProgram::start(&dir, "3.14t", PROGRAM);
    let mut top = Terminal::start(dir.ungil(["top", &target.pid(), "--sort", "name"]), 30, 130);
    top.until(&["waiter", "keeper", "spinner", "threading.Lock \"L\", held by keeper", "top uses"]);
    assert!(top.alternate());
    top.press("2");
    top.until(&["by running", "spin (program.py"]);
    top.press("3");
    top.until(&["OBJECT", "threading.Lock \"L\"", "by waiting"]);
    top.press("4");
    top.until(&["GENERATION"]);
    top.press("1");
    top.until(&["THREAD"]);
    top.press("/spinn\r");
    top.until(&["with \"spinn\""]);
    top.gone("waiter");
    top.press("\r");
    top.until(&["spin (", "program.py:"]);
    top.press("\x1b");
    top.press("\x1b");
    top.until(&["waiter"]);
    top.press("h");
    top.until(&["back to the list of Pythons"]);
    top.press("h");
    top.press("p");
    top.until(&["PAUSED"]);
    top.press("p");
    top.gone("PAUSED");
    top.press("t");
    top.until(&["   all "]);
    top.press("e\r");
    top.until(&["written to ungil-top-"]);
    top.press("e\r");
    top.until(&["not written"]);
    top.press("e\x7f\x7f\x7f\x7ftxt\r");
    // The whole name: the refusal above is still on the screen, and it names the other file.
    top.until(&[&format!("written to ungil-top-{}.txt", target.pid())]);
    let view: Value =
        serde_json::from_str(&dir.read(&format!("ungil-top-{}.json", target.pid())).unwrap())
            .unwrap();
    assert!(thread(&view, "waiter").is_some());
    assert!(dir.read(&format!("ungil-top-{}.txt", target.pid())).unwrap().contains("waiter"));
    top.resize(9, 40);
    top.until(&["THREAD"]);
    top.resize(2, 10);
    top.until(&["too small"]);
    top.resize(24, 100);
    top.until(&["top uses", "waiter"]);
    target.end();
    top.until(&["ENDED", "last view", "waiter"]);
    top.press("q");
    assert_eq!(top.end(), 0);
}

#[test]
fn top_can_be_suspended_and_resumed() {
    let dir = TestDir::new();
    let target = WatchedProgram::start(&dir, "3.15", PROGRAM);
    let mut top = Terminal::start(dir.ungil(["top", &target.pid()]), 24, 100);
    top.until(&["waiter"]);
    for by_key in [true, false] {
        if by_key {
            top.press("\x1a")
        } else {
            top.signal("TSTP")
        }
        top.until_stopped();
        assert!(!top.alternate(), "the alternate screen is still active");
        top.signal("CONT");
        eventually("the screen is back", || {
            top.read();
            top.alternate() && top.text().contains("waiter")
        });
    }
    top.press("q");
    assert_eq!(top.end(), 0);
}

#[test]
fn signals_end_top_and_the_terminal_is_restored() {
    let dir = TestDir::new();
    let target = WatchedProgram::start(&dir, "3.13", PROGRAM);
    for signal in ["TERM", "HUP", "INT"] {
        let mut top = Terminal::start(dir.ungil(["top", &target.pid()]), 24, 100);
        top.until(&["waiter"]);
        top.signal(signal);
        assert_eq!(top.end(), 130, "{signal}");
    }
}

#[test]
fn closing_the_terminal_ends_top() {
    let dir = TestDir::new();
    let target = WatchedProgram::start(&dir, "3.14", PROGRAM);
    let top = Terminal::start(dir.ungil(["top", &target.pid()]), 24, 100);
    // The hang-up signal ends it, before or after its signal handler is installed.
    assert!(matches!(top.hang_up(&["waiter"]), Some(130) | None));
}

#[test]
fn a_python_can_be_chosen_from_the_list() {
    let dir = TestDir::new();
    let target = WatchedProgram::start(&dir, "3.15t", PROGRAM);
    let mut top =
        Terminal::start(dir.ungil(["top", "--filter", &format!("{} 3.15", target.pid())]), 24, 100);
    top.until(&["Pythons of this machine", &target.pid(), "program.py"]);
    top.press("\r");
    top.until(&["spinner", "CPython 3.15"]);
    top.press("b");
    top.until(&["Pythons of this machine"]);
    top.press("q");
    assert_eq!(top.end(), 0);
}

#[test]
fn no_color_is_respected() {
    let dir = TestDir::new();
    let target = WatchedProgram::start(&dir, "3.14", PROGRAM);
    for (value, coloured) in [("1", false), ("", true)] {
        let command =
            dir.ungil(["top", &target.pid()]).env("NO_COLOR", value).env("TERM", "xterm-256color");
        let mut top = Terminal::start(command, 24, 100);
        top.until(&["spinner", "waiter"]);
        assert_eq!(top.coloured(), coloured);
        top.press("q");
        assert_eq!(top.end(), 0);
    }
}
