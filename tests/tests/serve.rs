//! A service under load.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

use serde_json::Value;
use std::process::Command;
use ungil_tests::{Out, Place, Told, Ungil, alive, hazards, metric};

/// A load generator: makes real requests, one after the other, and prints what wrk would.
const LOAD: &str = "
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
const HTTP: &str = "{python} -m http.server --bind 127.0.0.1 {port}";

fn serve(place: &Place, service: &str, load: &str) -> Ungil {
    place.write("load.py", LOAD);
    place.write("index.html", "hello\n");
    // The load generator runs on whatever Python comes first, not on the arm's.
    place.one_block(["--python", "3.14,3.14t", "--serve", service, "--load", load])
}

fn own_load(count: u32) -> String {
    format!("{} load.py {{url}} {count}", shell_word(&ungil_tests::python("3.14")))
}

fn shell_word(path: &std::path::Path) -> String {
    format!("'{}'", path.display())
}

#[test]
fn a_service_is_measured_under_its_load_alone() {
    let place = Place::new();
    // It spins before it listens: that is start-up, not load.
    place.write(
        "service.py",
        "
import sys, time, http.server
end = time.process_time() + 1
while time.process_time() < end: pass
handler = http.server.SimpleHTTPRequestHandler
open('pids', 'a').write('%d\\n' % __import__('os').getpid())
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), handler).serve_forever()
",
    );
    let args = ["--metric", r"rows served: (?<rows>[\d.]+)"];
    let out = serve(&place, "{python} service.py {port}", &own_load(20)).args(args).run().ok();
    let record = out.record();
    for arm in ["3.14", "3.14t"] {
        let run = record.run(arm);
        assert_eq!(metric(run, "rows"), 20.0);
        let (rate, wall) = (metric(run, "throughput_per_s"), metric(run, "wall_s"));
        // The window holds the load generator's life, so the 20 requests and more.
        assert!(rate > 0.0 && 20.0 / rate <= wall * 1.01, "{rate}/s in {wall} s");
        for pair in [["latency_p50_s", "latency_p90_s"], ["latency_p90_s", "latency_p99_s"]] {
            assert!(metric(run, pair[0]) <= metric(run, pair[1]), "{run}");
        }
        assert!(metric(run, "latency_mean_s") > 0.0);
        assert!(metric(run, "startup_s") >= 1.0, "{run}");
        // 20 requests cost far less than the second before them; the generator's own CPU is not the service's.
        assert!(metric(run, "cpu_s") < 0.8, "{run}");
        assert!(metric(run, "rss_end_bytes") > 5e6 && metric(run, "processes_peak") == 1.0, "{run}");
        assert!(run.get("output").is_none(), "a service's output is no answer");
    }
    assert_eq!(record.comparison()["headline"], "throughput_per_s");
    assert!(out.stdout.contains("throughput"), "{}", out.stdout);
    let pids = place.pids("pids");
    assert!(pids.len() == 2 && !pids.into_iter().any(alive));
}

#[test]
fn wrk_is_understood_as_it_is() {
    let place = Place::new();
    let record = serve(&place, HTTP, "wrk -t1 -c2 -d1s --latency {url}").run().ok().record();
    for run in record.runs() {
        assert!(metric(run, "throughput_per_s") > 1.0, "{run}");
        assert!(
            metric(run, "latency_p50_s") > 0.0
                && metric(run, "latency_p99_s") >= metric(run, "latency_p50_s")
        );
    }
}

#[test]
fn a_service_that_marks_a_phase_is_answered_and_its_figures_are_kept() {
    let place = Place::new();
    place.write(
        "marks.py",
        "
import http.server, sys
from ungil_phase import phase, metric
with phase(): metric('tables', 7)
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
",
    );
    let record = serve(&place, "{python} marks.py {port}", &own_load(3)).run().ok().record();
    for run in record.runs() {
        assert_eq!(metric(run, "tables"), 7.0);
        assert_eq!(hazards(run, "phase").len(), 1, "its marks do not count, and that is said: {run}");
    }
}

#[track_caller]
fn fails(out: &Out, place: &Place, words: &[&str]) -> Told {
    let told = out.told(1);
    let all = format!("{told:?}");
    assert!(words.iter().all(|w| all.contains(w)), "{words:?} in {told:?}");
    let pids = place.pids("pids");
    assert!(!pids.iter().any(|&pid| alive(pid)), "the service is gone");
    told
}

/// Runs the command of the hint as a user would, and gives all that it prints.
#[track_caller]
fn by_hand(place: &Place, told: &Told) -> String {
    let line = told.mend.strip_prefix("run it by hand: ").unwrap_or_else(|| panic!("{told:?}"));
    assert!(!line.contains('{'), "a placeholder is left: {line}");
    let out = Command::new("sh").args(["-c", line]).current_dir(place.path()).output().expect("sh");
    [out.stdout, out.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
}

#[test]
fn a_service_that_dies_at_once_is_told_with_its_last_words() {
    let place = Place::new();
    place.write("dies.py", "import sys\nsys.exit('no configuration')\n");
    let out = serve(&place, "{python} dies.py {port}", &own_load(1)).run();
    let told = fails(&out, &place, &["ended before it was ready", "no configuration"]);
    assert!(by_hand(&place, &told).contains("no configuration"), "{told:?}");
}

#[test]
fn a_service_that_never_listens_is_ended_at_the_timeout() {
    let place = Place::new();
    place.write(
        "deaf.py",
        "import os, time\nopen('pids', 'a').write('%d\\n' % os.getpid())\nwhile True: time.sleep(1)\n",
    );
    let out = serve(&place, "{python} deaf.py {port}", &own_load(1)).args(["--timeout", "3s"]).run();
    fails(&out, &place, &["--timeout"]);
}

const ACCEPTS: &str = "
import os, signal, socket, sys
open('pids', 'a').write('%d\\n' % os.getpid())
door = socket.create_server(('127.0.0.1', int(sys.argv[1])))
";

#[test]
fn a_service_that_dies_under_load_is_told() {
    let place = Place::new();
    // It answers the runner, which asks whether it is ready, and not the load.
    let script = "
while True:
    guest, _ = door.accept()
    if b'User-Agent: ungil' not in guest.recv(1000): sys.exit('too much for me')
    guest.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\nhi')
    guest.close()
";
    place.write("weak.py", format!("{ACCEPTS}{script}"));
    place.write("patient.py", "import sys, time, urllib.request\ntry: urllib.request.urlopen(sys.argv[1])\nexcept Exception: pass\ntime.sleep(1000)\n");
    let load = format!("{} patient.py {{url}}", shell_word(&ungil_tests::python("3.14")));
    let out = serve(&place, "{python} weak.py {port}", &load).run();
    fails(&out, &place, &["while it was under load", "too much for me"]);
}

#[test]
fn a_service_that_ignores_the_request_to_end_is_ended() {
    let place = Place::new();
    let script = "
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    guest, _ = door.accept()
    if guest.recv(1000): guest.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\nhi')
    guest.close()
";
    place.write("stubborn.py", format!("{ACCEPTS}{script}"));
    let record = serve(&place, "{python} stubborn.py {port}", &own_load(3)).run().ok().record();
    assert_eq!(record.run("3.14")["outcome"]["kind"], "ok");
    let pids = place.pids("pids");
    assert!(pids.len() == 2 && !pids.into_iter().any(alive));
}

#[test]
fn a_load_generator_that_is_missing_fails_or_says_nothing_is_told() {
    let python = shell_word(&ungil_tests::python("3.14"));
    let place = Place::new();
    let out = serve(&place, HTTP, "no-such-program {url}").run();
    fails(&out, &place, &["cannot start the load generator 'no-such-program'"]);
    let out = serve(
        &place,
        HTTP,
        &format!("{python} -c 'import sys; sys.exit(\"no route: \" + sys.argv[1])' {{url}}"),
    )
    .run();
    let told = fails(&out, &place, &["load generator failed", "no route: http://127.0.0.1"]);
    assert!(by_hand(&place, &told).contains("no route: http://127.0.0.1"), "{told:?}");
    let out = serve(&place, HTTP, &format!("{python} -c 'print(1)' {{url}}")).run();
    fails(&out, &place, &["no figure", "--metric"]);
}

#[test]
fn a_load_past_the_timeout_is_ended() {
    let place = Place::new();
    let script = "import os, time\nopen('pids', 'a').write('%d\\n' % os.getpid())\ntime.sleep(1000)\n";
    place.write("forever.py", script);
    let load = format!("{} forever.py {{port}}", shell_word(&ungil_tests::python("3.14")));
    let out = serve(&place, HTTP, &load).args(["--timeout", "5s"]).run();
    fails(&out, &place, &["--timeout"]);
}

/// A load generator that makes real requests, one after the other, survives failures, and reports as wrk does.
const COUNTS: &str = "
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

fn counting(path: &str, count: u32) -> String {
    format!("{} counts.py {{url}}{path} {count}", shell_word(&ungil_tests::python("3.14")))
}

/// A server of the standard library: `answer(path, number of the request to it)` gives a status.
fn answering(place: &Place, answer: &str) -> &'static str {
    place.write("counts.py", COUNTS);
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
    place.write("answers.py", format!("def answer(path, number):\n    return {answer}\n{server}"));
    "{python} answers.py {port}"
}

const FIVE_BLOCKS: [&str; 8] = ["--blocks", "5", "--max-blocks", "5", "--warmup", "0", "--energy", "off"];
const BOTH: [&str; 2] = ["--python", "3.14,3.14t"];

#[test]
fn a_server_that_fails_is_not_recommended() {
    let place = Place::new();
    // Half of the requests fail without the GIL, and at once; with the GIL each takes a while.
    let service = answering(
        &place,
        "200 if path == '/ready' else 200 + 300 * (number % 2) if FREE else time.sleep(0.02) or 200",
    );
    let load = counting("work", 20);
    let args = ["--serve", service, "--load", &load, "--ready", "http://{host}:{port}/ready"];
    let bound = ["--fail-if", "failed(3.14t) > 0.1%", "--fail-if", "throughput(3.14t) < 0.95"];
    let out = place.ungil(["compare", "--quiet"]).args(FIVE_BLOCKS).args(BOTH).args(args).args(bound).run();
    assert_eq!(out.code, 3, "{}{}", out.stdout, out.stderr);
    let (text, err) = (&out.stdout, &out.stderr);
    for never in ["fastest", "Use 3.14", "Stay with", "× faster", "× slower", "longer --time-limit"] {
        assert!(!text.contains(never), "'{never}' in {text}");
    }
    let hazard = "3.14t: 50.0 % of 20 requests failed: 10 answers neither 2xx nor 3xx at worst (5 runs of 5)";
    let advice = "No arm is advised: 50.0 % of the requests to 3.14t failed.";
    for said in [hazard, advice, "more blocks decide nothing"] {
        assert!(text.contains(said), "no '{said}' in {text}");
    }
    assert!(err.contains("crossed: failed(3.14t) > 0.1%: it is 50.0 %"), "{err}");
    assert!(
        err.contains("cannot tell: throughput(3.14t) < 0.95: 50.0 % of the requests to 3.14t failed"),
        "{err}"
    );
    let record = out.record();
    for run in record.of_arm("3.14t") {
        assert_eq!(hazards(run, "failed-requests").len(), 1, "{run}");
        assert_eq!(
            ["requests", "failed_requests", "failed_share"].map(|k| metric(run, k)),
            [20.0, 10.0, 0.5]
        );
        // 10 successes, in less than the time of the load generator's life.
        assert!(metric(run, "throughput_per_s") * metric(run, "wall_s") >= 10.0, "{run}");
    }
    let figures = |arm: usize| &record.comparison()["arms"][arm];
    assert_eq!(figures(1)["requests"], serde_json::json!({"made": 100.0, "failed": 50.0}));
    for key in ["throughput_per_s", "cpu_s", "rss_peak_bytes"] {
        let versus = &figures(1)["metrics"][key]["baseline"];
        assert_eq!(
            (versus["verdict"].as_str(), &versus["ratio"]),
            (Some("cannot-tell"), &Value::Null),
            "{key}"
        );
        assert!(versus["why"].as_str().is_some_and(|w| w.starts_with("50.0 %")), "{versus}");
    }
    assert_eq!(figures(1)["metrics"]["failed_requests"]["median"], 10.0);
    let file = record.path.to_str().unwrap();
    let md = place.ungil(["report", file, "--format", "md"]).run().ok().stdout;
    let page = place.ungil(["report", file, "-o", "page.html"]).run().ok();
    let page = place.read("page.html").unwrap_or(page.stdout);
    for text in [&md, &page] {
        assert!(
            text.contains("No arm is advised") && text.contains("10 answers neither 2xx nor 3xx"),
            "{text}"
        );
    }
}

#[test]
fn a_run_without_a_successful_request_has_failed() {
    let place = Place::new();
    let load = counting("work", 20);
    let service = answering(&place, "404");
    let out = place.one_block(BOTH).args(["--serve", service, "--load", &load]).run();
    let told = fails(&out, &place, &["none of 20 requests succeeded", "answered 404 before the load"]);
    assert!(by_hand(&place, &told).contains("Non-2xx or 3xx responses: 20"), "{told:?}");
    // It closes the connection without a word.
    let service = answering(&place, "200 if path == '/ready' else 0");
    let ready = ["--ready", "http://127.0.0.1:{port}/ready"];
    let out = place.one_block(BOTH).args(["--serve", service, "--load", &load]).args(ready).run();
    fails(&out, &place, &["none of 20 requests succeeded", "20 read errors"]);
}

#[test]
fn a_server_that_only_fails_is_never_ready() {
    let place = Place::new();
    let (service, load) = (answering(&place, "500 if FREE else 200"), counting("", 20));
    let args = ["--serve", service, "--load", &load, "--ready-timeout", "3s"];
    let out = place.one_block(["--python", "3.14t"]).args(args).run();
    let told = fails(&out, &place, &["not ready within 3 s", "answered 500"]);
    assert!(by_hand(&place, &told).contains("Non-2xx or 3xx responses: 20"), "{told:?}");
}

/// A prefork server: the master listens, then forks workers, which take a while to get ready. `BOOT` is the worker's code.
const PREFORK: &str = "
import os, select, signal, socket, sys, time
door = socket.create_server(('127.0.0.1', int(sys.argv[1])))
door.setblocking(False)
def worker(number):
    open('born', 'a').write('%d\\n' % os.getpid())
BOOT
    open('up', 'a').write('%f\\n' % time.monotonic())
    while True:
        select.select([door], [], [])
        try: guest, _ = door.accept()
        except BlockingIOError: continue
        guest.setblocking(True)
        guest.recv(1000)
        guest.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\nhi')
        guest.close()
def start(number):
    if os.fork(): return
    try: worker(number)
    finally:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
open('pids', 'a').write('%d\\n' % os.getpid())
for number in range(3): start(number)
while True:
    os.wait()
    start(0)
";

#[test]
fn a_load_waits_for_every_worker_of_a_prefork_server() {
    let place = Place::new();
    place.write("counts.py", COUNTS);
    // One worker answers at once, one as soon as a load has begun, or else after five seconds.
    let boot = "
    while len(open('born').readlines()) < 3: time.sleep(0.01)
    end = time.monotonic() + 5 * (number == 2)
    while time.monotonic() < end and not os.path.exists('began'): time.sleep(0.01)";
    place.write("prefork.py", PREFORK.replace("BOOT", boot));
    let args = ["--serve", "{python} prefork.py {port}", "--load", &counting("", 3)];
    let record = place.one_block(["--python", "3.14"]).args(args).run().ok().record();
    let times = |name: &str| -> Vec<f64> {
        place.read(name).unwrap_or_default().lines().map(|l| l.parse().unwrap()).collect()
    };
    let (up, began) = (times("up"), times("began"));
    assert_eq!((up.len(), began.len()), (3, 1));
    assert!(up.iter().all(|&at| at < began[0]), "the load began at {began:?}, the workers at {up:?}");
    let run = record.run("3.14");
    assert_eq!((metric(run, "failed_requests"), hazards(run, "readiness").len()), (0.0, 0), "{run}");
}

#[test]
fn workers_that_die_at_boot_are_told_with_their_words() {
    let place = Place::new();
    place.write("counts.py", COUNTS);
    place.write("prefork.py", PREFORK.replace("BOOT", "    time.sleep(0.5)\n    import no_such_module"));
    // By hand it is not answered.
    let load = counting("", 1) + " 1";
    let args = ["--serve", "{python} prefork.py {port}", "--load", &load];
    let out = place.one_block(["--python", "3.14"]).args(args).run();
    let words = ["worker processes ended before one answered", "No module named 'no_such_module'"];
    let told = fails(&out, &place, &words);
    assert!(!place.pids("born").into_iter().any(alive));
    assert!(by_hand(&place, &told).contains("No module named 'no_such_module'"), "{told:?}");
}

#[test]
fn ready_is_what_the_user_says() {
    let place = Place::new();
    place.write("counts.py", COUNTS);
    let boot = "    time.sleep(1)\n    open('ready-%s-%d' % (sys.argv[1], number), 'w').close()\n    print('now serving', flush=True)";
    place.write("prefork.py", PREFORK.replace("BOOT", boot).replace("range(3)", "range(1)"));
    let (service, load) = ("{python} prefork.py {port}", counting("", 3));
    for ready in ["regex:now s[e]rving", "test -e ready-{port}-0", "http://localhost:{port}/health"] {
        for file in ["up", "began"] {
            place.write(file, "");
        }
        let args = ["--serve", service, "--load", &load, "--ready", ready, "--settle", "300ms"];
        place.one_block(["--python", "3.14"]).args(args).run().ok();
        let at = |name: &str| place.read(name).unwrap().trim().parse::<f64>().unwrap();
        assert!(at("began") > at("up"), "{ready}");
    }
    let args = ["--serve", service, "--load", &load, "--ready", "false", "--ready-timeout", "2s"];
    let out = place.one_block(["--python", "3.14"]).args(args).run();
    fails(&out, &place, &["not ready within 2 s", "the command of --ready failed (exit status: 1)"]);
    let out = place.one_block(BOTH).args(["--serve", service, "--load", &load, "--ready", "regex:("]).run();
    assert!(out.told(2).what.contains("--ready"));
}

#[test]
fn a_service_of_which_no_url_is_known_is_told_to_be_ready_by_its_port() {
    let place = Place::new();
    let load = counting("", 3).replace("{url}", "http:{}//127.0.0.1:{port}/");
    place.write("counts.py", COUNTS.replace("sys.argv[1]", "sys.argv[1].replace('{}', '')"));
    let record = place.one_block(["--python", "3.14", "--serve", HTTP, "--load", &load]).run().ok().record();
    let found = hazards(record.run("3.14"), "readiness");
    assert!(found.len() == 1 && found[0].contains("--ready"), "{found:?}");
}

/// gunicorn and uvicorn import an application that takes a while and says when a worker has it.
fn with_servers(place: &Place, service: &str, boot: &str) -> Ungil {
    let packages =
        std::env::var("UNGIL_PACKAGES").expect("UNGIL_PACKAGES: run the tests with `cargo xtask test`");
    place.write("counts.py", COUNTS);
    let app = "
import time
BOOT
def wsgi(environ, start_response):
    start_response('200 OK', [('Content-Length', '2')])
    return [b'hi']
async def asgi(scope, receive, send):
    if scope['type'] != 'http': return
    await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-length', b'2')]})
    await send({'type': 'http.response.body', 'body': b'hi'})
open('up', 'a').write('%f\\n' % time.monotonic())
";
    place.write("app.py", app.replace("BOOT", boot));
    let args = ["--serve", service, "--load", &counting("", 20), "--ready-timeout", "3m"];
    place.one_block(["--python", "3.14t"]).args(args).env("PYTHONPATH", &format!("{packages}/servers"))
}

#[test]
fn gunicorn_and_uvicorn_are_measured_once_their_workers_are_ready() {
    let gunicorn = "{python} -m gunicorn -w 2 -b 127.0.0.1:{port} app:wsgi";
    let uvicorn = "{python} -m uvicorn --timeout-worker-healthcheck 120 --workers 2 --port {port} app:asgi";
    for service in [gunicorn, uvicorn] {
        let place = Place::new();
        let record = with_servers(&place, service, "time.sleep(1)").run().ok().record();
        let run = record.run("3.14t");
        assert_eq!((metric(run, "requests"), metric(run, "failed_requests")), (20.0, 0.0), "{run}");
        assert_eq!(hazards(run, "readiness").len(), 0, "{run}");
        let times = |name: &str| -> Vec<f64> {
            place.read(name).unwrap_or_default().lines().map(|l| l.parse().unwrap()).collect()
        };
        let (up, began) = (times("up"), times("began"));
        assert!(up.len() == 2 && up.iter().all(|&at| at < began[0]), "{began:?} after {up:?}");
    }
}

#[test]
fn an_application_that_gunicorn_cannot_import_is_told_with_its_error() {
    let place = Place::new();
    let service = "{python} -m gunicorn -w 2 -b 127.0.0.1:{port} app:wsgi";
    let out = with_servers(&place, service, "import no_such_module").run();
    fails(&out, &place, &["the service ended", "No module named 'no_such_module'"]);
}
