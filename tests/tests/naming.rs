//! Tests what `dump`, `top` and `profile` call things: names come from the program, and a count of
//! one is singular.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

mod profiles;

use profiles::{ScriptTarget, profile};
use serde_json::Value;
use ungil_tests::{BUILDS, TestDir, eventually};

fn threads(dump: &Value) -> Vec<Value> {
    let interpreters = dump["interpreters"].as_array().unwrap();
    interpreters
        .iter()
        .flat_map(|interpreter| interpreter["threads"].as_array().unwrap())
        .cloned()
        .collect()
}

fn thread(dump: &Value, name: &str) -> Value {
    threads(dump)
        .into_iter()
        .find(|t| t["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {dump}"))
}

/// Runs a thread in a file whose name is not UTF-8.
const ODD_FILE: &str = r"
import os, pathlib, runpy, sys, threading, time, types
odd = os.fsdecode(b'caf\xe9 \xff.py')
pathlib.Path(odd).write_text('import time\ndef in_odd_file():\n    time.sleep(1000)  # marker 7351\nin_odd_file()\n')
threading.Thread(target=runpy.run_path, args=(os.path.abspath(odd),), name='odd file', daemon=True).start()
sys.modules['greenlet'] = types.ModuleType('greenlet')
open('ready', 'w').close()
time.sleep(1000)
";

#[test]
fn a_file_name_that_is_not_utf_8_is_preserved() {
    for build in BUILDS {
        let dir = TestDir::new();
        let target = ScriptTarget::start(&dir, build, ODD_FILE);
        let mut dump = Value::Null;
        eventually("the thread in the file with the unusual name", || {
            dump = dir.ungil(["dump", &target.pid(), "--json"]).run().ok().json();
            let odd = threads(&dump).into_iter().find(|thread| thread["name"] == "odd file");
            odd.is_some_and(|thread| {
                thread["frames"][0]["function"] == "in_odd_file" && thread["state"] == "syscall"
            })
        });
        let frame = &thread(&dump, "odd file")["frames"][0];
        let file = frame["file"].as_str().unwrap();
        assert!(file.ends_with("/caf\u{10dce9} \u{10dcff}.py"), "{build}: {file:?}");
        assert_eq!(frame["source"], "time.sleep(1000)  # marker 7351", "{build}");
        let warnings = dump["warnings"].to_string();
        assert!(warnings.contains("suspended greenlets are not shown"), "{build}: {warnings}");

        let words = dir.ungil(["dump", &target.pid()]).run().ok().stdout;
        assert!(words.contains("/caf\\xe9 \\xff.py:3)"), "{build}: {words}");
        assert!(words.contains("# marker 7351"), "{build}: {words}");
        let short = dir.ungil(["dump", &target.pid(), "--short"]).run().ok().stdout;
        assert!(short.contains("    at in_odd_file (caf\\xe9 \\xff.py:3)\n"), "{build}: {short}");
        assert!(short.contains("    at Thread._bootstrap (threading.py:"), "{build}: {short}");
        assert!(short.contains("# marker 7351"), "{build}: {short}");

        let view = dir.ungil(["top", &target.pid(), "--json"]).run().ok().json();
        assert!(
            view["threads"].to_string().contains("caf\u{10dce9} \u{10dcff}.py"),
            "{build}: {view}"
        );
        let summary = profile(&dir, &[&target.pid(), "--duration", "500ms"]).ok().json();
        let recording = summary["recording"].as_str().unwrap();
        dir.ungil(["profile", "--replay", recording, "-o", "stacks.collapsed"]).run().ok();
        let stacks = dir.read("stacks.collapsed").unwrap();
        assert!(
            stacks.contains("in_odd_file (caf\u{10dce9} \u{10dcff}.py:3)"),
            "{build}: {stacks}"
        );
    }
}

/// One thread holds a queue's lock and another waits for it inside the standard library, one holds
/// an import lock, and one has no name in Python.
const NAMED: &str = "
import _thread, os, queue, sys, threading, time
os.makedirs('slow', exist_ok=True)
open('slow/__init__.py', 'w').write('import time\\ntime.sleep(1000)\\n')
sys.path.insert(0, os.getcwd())
class Server:
    def __init__(self): self.jobs = queue.Queue()
    def hold(self):
        with self.jobs.mutex: time.sleep(1000)
    def put(self): self.jobs.put(1)
server = Server()
def load(): import slow
def start(target, name): threading.Thread(target=target, name=name, daemon=True).start()
start(server.hold, 'holder')
while not server.jobs.mutex.locked(): time.sleep(0.01)
start(server.put, 'putter')
start(load, 'importer')
while 'slow' not in sys.modules: time.sleep(0.01)
start(load, 'ThreadPoolExecutor-0_0')
_thread.start_new_thread(time.sleep, (1000,))
open('ready', 'w').close()
time.sleep(1000)
";

#[test]
fn locks_and_threads_are_named_as_in_the_program() {
    for build in BUILDS {
        let dir = TestDir::new();
        let target = ScriptTarget::start(&dir, build, NAMED);
        let mut dump = Value::Null;
        eventually("two waiting threads of six", || {
            dump = dir.ungil(["dump", &target.pid(), "--json"]).run().ok().json();
            let all = threads(&dump);
            all.len() == 6
                && all.iter().filter(|thread| thread["waits"]["contention"] == true).count() == 2
        });
        let (putter, holder) = (thread(&dump, "putter"), thread(&dump, "holder"));
        assert_eq!(putter["waits"]["name"], "server.jobs.mutex", "{build}: {putter}");
        assert_eq!(holder["holds"][0]["name"], "server.jobs.mutex", "{build}: {holder}");
        let (importer, waiter) =
            (thread(&dump, "importer"), thread(&dump, "ThreadPoolExecutor-0_0"));
        assert_eq!(importer["holds"][0]["kind"], "import lock", "{build}: {importer}");
        assert_eq!(importer["holds"][0]["name"], "slow", "{build}: {importer}");
        assert_eq!(waiter["waits"]["name"], "slow", "{build}: {waiter}");
        let unnamed: Vec<Value> = threads(&dump)
            .iter()
            .map(|t| t["name"].clone())
            .filter(|n| n.to_string().contains('['))
            .collect();
        assert_eq!(unnamed.len(), 1, "the kernel's name stands in brackets: {build}: {dump}");
        let words = dir.ungil(["top", &target.pid(), "--once"]).run().ok().stdout;
        assert!(words.contains("\nThreadPoolExecutor-0_0 "), "{build}: {words}");
    }
}

#[test]
fn counts_of_one_are_singular() {
    let script = "
import asyncio, threading
def wait_for_itself():
    lock = threading.Lock()
    with lock: lock.acquire()
threading.Thread(target=wait_for_itself, daemon=True).start()
async def main():
    open('ready', 'w').close()
    await asyncio.sleep(1000)
asyncio.run(main())
";
    let dir = TestDir::new();
    let target = ScriptTarget::start(&dir, "3.14t", script);
    let mut words = String::new();
    eventually("a deadlock and a task", || {
        words = dir.ungil(["dump", &target.pid()]).run().stdout;
        words.contains("Found one deadlock") && words.contains("asyncio task")
    });
    assert!(words.contains("  1 thread waits for itself:"), "{words}");
    assert!(words.contains("1 asyncio task; "), "{words}");
}

#[test]
fn a_stopped_target_is_reported() {
    let dir = TestDir::new();
    let target = ScriptTarget::start(
        &dir,
        "3.14",
        "import time\nopen('ready', 'w').close()\ntime.sleep(1000)\n",
    );
    let stop = std::process::Command::new("kill").args(["-STOP", &target.pid()]).status().unwrap();
    assert!(stop.success());
    let dump = dir.ungil(["dump", &target.pid()]).run().ok().stdout;
    let top = dir.ungil(["top", &target.pid(), "--once"]).run().ok().stdout;
    for words in [dump, top] {
        assert!(words.contains("the process is stopped by a signal"), "{words}");
    }
    let args =
        ["profile", &target.pid(), "--mode", "alloc", "--duration", "1s", "--patience", "1s"];
    let told = dir.ungil(args).run().expect_error(1);
    assert!(told.why.contains("it is stopped by a signal"), "{told:?}");
}
