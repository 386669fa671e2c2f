//! Services, load generators and checks of failed runs, for the tests of `compare --serve`.
// Each test file uses only a part.
#![allow(clippy::unwrap_used, dead_code)]

use std::process::Command;
use ungil_tests::{ErrorMessage, Out, TestDir, Ungil, alive};

/// A load generator: makes real requests one after the other, and prints statistics in wrk's
/// format.
pub(crate) const LOAD: &str = "
import sys, time, urllib.request
url, count = sys.argv[1], int(sys.argv[2])
took = []
began = time.perf_counter()
for _ in range(count):
    at = time.perf_counter()
    with urllib.request.urlopen(url) as answer: assert answer.status == 200 and answer.read()
    took.append(time.perf_counter() - at)
whole = time.perf_counter() - began
took.sort()
print('    Latency    %.2fms    1.00ms   2.00ms   90.00%%' % (sum(took) / count * 1e3))
for share in 50, 90, 99: print('     %d%%   %.2fms' % (share, took[min(count - 1, count * share // 100)] * 1e3))
print('  rows served: %d' % count)
print('Requests/sec: %.2f' % (count / whole))
";
pub(crate) const HTTP: &str = "{python} -m http.server --bind 127.0.0.1 {port}";

pub(crate) fn serve(dir: &TestDir, service: &str, load: &str) -> Ungil {
    dir.write("load.py", LOAD);
    dir.write("index.html", "hello\n");
    // The load generator runs on the first Python on the path, not on the arm's.
    dir.one_block(["--python", "3.14,3.14t", "--serve", service, "--load", load])
}

pub(crate) fn own_load(count: u32) -> String {
    format!("{} load.py {{url}} {count}", shell_word(&ungil_tests::python("3.14")))
}

pub(crate) fn shell_word(path: &std::path::Path) -> String {
    format!("'{}'", path.display())
}

#[track_caller]
pub(crate) fn fails(out: &Out, dir: &TestDir, words: &[&str]) -> ErrorMessage {
    let told = out.expect_error(1);
    let all = format!("{told:?}");
    assert!(words.iter().all(|w| all.contains(w)), "{words:?} in {told:?}");
    let pids = dir.pids("pids");
    assert!(!pids.iter().any(|&pid| alive(pid)), "the service is still running");
    told
}

/// Runs the command of the hint as a user would, and returns its output.
#[track_caller]
pub(crate) fn by_hand(dir: &TestDir, told: &ErrorMessage) -> String {
    let line = told.help.strip_prefix("run it by hand: ").unwrap_or_else(|| panic!("{told:?}"));
    assert!(!line.contains('{'), "a placeholder is left: {line}");
    let out = Command::new("sh").args(["-c", line]).current_dir(dir.path()).output().expect("sh");
    [out.stdout, out.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
}

/// A load generator that makes real requests one after the other, tolerates failures, and reports
/// in wrk's format.
pub(crate) const COUNTS: &str = "
import sys, time, urllib.error, urllib.request
url, count = sys.argv[1], int(sys.argv[2])
limit = float(sys.argv[3]) if len(sys.argv) > 3 else None
open('began', 'a').write('%f\\n' % time.monotonic())
answers = refused = errors = 0
began = time.perf_counter()
for _ in range(count):
    try:
        urllib.request.urlopen(url, timeout=limit).read()
        answers += 1
    except urllib.error.HTTPError:
        answers += 1
        refused += 1
    except OSError: errors += 1
whole = time.perf_counter() - began
print('  %d requests in %.2fs, 1KB read' % (answers, whole))
if errors: print('  Socket errors: connect 0, read %d, write 0, timeout 0' % errors)
if refused: print('  Non-2xx or 3xx responses: %d' % refused)
print('Requests/sec: %.2f' % (answers / whole))
";

pub(crate) fn counting(path: &str, count: u32) -> String {
    format!("{} counts.py {{url}}{path} {count}", shell_word(&ungil_tests::python("3.14")))
}

/// A server of the standard library: the expression `answer` of `path` and `number` (of requests to
/// that path) gives a status.
pub(crate) fn answering(dir: &TestDir, answer: &str) -> &'static str {
    dir.write("counts.py", COUNTS);
    let server = "
import http.server, sys, sysconfig, time
FREE = bool(sysconfig.get_config_var('Py_GIL_DISABLED'))
asked = {}
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        number = asked[self.path] = asked.get(self.path, 0) + 1
        status = answer(self.path, number)
        if not status: return
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b'hi')
    def log_message(self, *args): pass
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
";
    dir.write("answers.py", format!("def answer(path, number):\n    return {answer}\n{server}"));
    "{python} answers.py {port}"
}

pub(crate) const FIVE_BLOCKS: [&str; 8] =
    ["--blocks", "5", "--max-blocks", "5", "--warmup", "0", "--energy", "off"];
pub(crate) const BOTH: [&str; 2] = ["--python", "3.14,3.14t"];
