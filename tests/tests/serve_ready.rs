//! Tests when a service counts as ready for load: prefork servers, simulated with the standard
//! library and real ones.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

mod services;

use services::{BOTH, COUNTS, HTTP, answering, by_hand, counting, fails};
use ungil_tests::{TestDir, Ungil, alive, hazards, metric};

#[test]
fn a_server_that_always_fails_is_never_ready() {
    let dir = TestDir::new();
    let (service, load) = (answering(&dir, "500 if FREE else 200"), counting("", 20));
    let args = ["--serve", service, "--load", &load, "--ready-timeout", "3s"];
    let out = dir.one_block(["--python", "3.14t"]).args(args).run();
    let told = fails(&out, &dir, &["not ready within 3 s", "answered 500"]);
    assert!(by_hand(&dir, &told).contains("Non-2xx or 3xx responses: 20"), "{told:?}");
}

/// A prefork server: the master listens, then forks workers that take a while to start. `BOOT` is
/// the worker's code.
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
fn load_waits_for_every_worker_of_a_prefork_server() {
    let dir = TestDir::new();
    dir.write("counts.py", COUNTS);
    // One worker answers at once; the other answers when a load begins, or after five seconds.
    let boot = "
    while len(open('born').readlines()) < 3: time.sleep(0.01)
    end = time.monotonic() + 5 * (number == 2)
    while time.monotonic() < end and not os.path.exists('began'): time.sleep(0.01)";
    dir.write("prefork.py", PREFORK.replace("BOOT", boot));
    let args = ["--serve", "{python} prefork.py {port}", "--load", &counting("", 3)];
    let record = dir.one_block(["--python", "3.14"]).args(args).run().ok().record();
    let times = |name: &str| -> Vec<f64> {
        dir.read(name).unwrap_or_default().lines().map(|l| l.parse().unwrap()).collect()
    };
    let (up, began) = (times("up"), times("began"));
    assert_eq!((up.len(), began.len()), (3, 1));
    assert!(
        up.iter().all(|&at| at < began[0]),
        "the load began at {began:?}, the workers at {up:?}"
    );
    let run = record.run("3.14");
    assert_eq!(
        (metric(run, "failed_requests"), hazards(run, "readiness").len()),
        (0.0, 0),
        "{run}"
    );
}

#[test]
fn workers_that_die_at_boot_are_reported_with_their_output() {
    let dir = TestDir::new();
    dir.write("counts.py", COUNTS);
    dir.write(
        "prefork.py",
        PREFORK.replace("BOOT", "    time.sleep(0.5)\n    import no_such_module"),
    );
    // The load has a time limit, because no worker answers when it is run by hand.
    let load = counting("", 1) + " 1";
    let args = ["--serve", "{python} prefork.py {port}", "--load", &load];
    let out = dir.one_block(["--python", "3.14"]).args(args).run();
    let words = ["worker processes exited before one answered", "No module named 'no_such_module'"];
    let told = fails(&out, &dir, &words);
    assert!(!dir.pids("born").into_iter().any(alive));
    assert!(by_hand(&dir, &told).contains("No module named 'no_such_module'"), "{told:?}");
}

#[test]
fn the_user_can_define_readiness() {
    let dir = TestDir::new();
    dir.write("counts.py", COUNTS);
    let boot = "    time.sleep(1)\n    open('ready-%s-%d' % (sys.argv[1], number), 'w').close()\n    print('now serving', flush=True)";
    dir.write("prefork.py", PREFORK.replace("BOOT", boot).replace("range(3)", "range(1)"));
    let (service, load) = ("{python} prefork.py {port}", counting("", 3));
    for ready in ["regex:now s[e]rving", "test -e ready-{port}-0", "http://localhost:{port}/health"]
    {
        for file in ["up", "began"] {
            dir.write(file, "");
        }
        let args = ["--serve", service, "--load", &load, "--ready", ready, "--settle", "300ms"];
        dir.one_block(["--python", "3.14"]).args(args).run().ok();
        let at = |name: &str| dir.read(name).unwrap().trim().parse::<f64>().unwrap();
        assert!(at("began") > at("up"), "{ready}");
    }
    let args = ["--serve", service, "--load", &load, "--ready", "false", "--ready-timeout", "2s"];
    let out = dir.one_block(["--python", "3.14"]).args(args).run();
    fails(&out, &dir, &["not ready within 2 s", "the command of --ready failed (exit status: 1)"]);
    let out =
        dir.one_block(BOTH).args(["--serve", service, "--load", &load, "--ready", "regex:("]).run();
    assert!(out.expect_error(2).what.contains("--ready"));
}

#[test]
fn a_service_without_a_url_is_ready_when_its_port_is_open() {
    let dir = TestDir::new();
    let load = counting("", 3).replace("{url}", "http:{}//127.0.0.1:{port}/");
    dir.write("counts.py", COUNTS.replace("sys.argv[1]", "sys.argv[1].replace('{}', '')"));
    let record =
        dir.one_block(["--python", "3.14", "--serve", HTTP, "--load", &load]).run().ok().record();
    let found = hazards(record.run("3.14"), "readiness");
    assert!(found.len() == 1 && found[0].contains("--ready"), "{found:?}");
}

/// Runs gunicorn or uvicorn with an application that imports slowly and reports when a worker is
/// ready.
fn with_servers(dir: &TestDir, service: &str, boot: &str) -> Ungil {
    let packages = std::env::var("UNGIL_PACKAGES")
        .expect("UNGIL_PACKAGES: run the tests with `cargo xtask test`");
    dir.write("counts.py", COUNTS);
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
    dir.write("app.py", app.replace("BOOT", boot));
    let args = ["--serve", service, "--load", &counting("", 20), "--ready-timeout", "3m"];
    dir.one_block(["--python", "3.14t"])
        .args(args)
        .env("PYTHONPATH", &format!("{packages}/servers"))
}

#[test]
fn gunicorn_and_uvicorn_are_measured_when_their_workers_are_ready() {
    let gunicorn = "{python} -m gunicorn -w 2 -b 127.0.0.1:{port} app:wsgi";
    let uvicorn =
        "{python} -m uvicorn --timeout-worker-healthcheck 120 --workers 2 --port {port} app:asgi";
    for service in [gunicorn, uvicorn] {
        let dir = TestDir::new();
        let record = with_servers(&dir, service, "time.sleep(1)").run().ok().record();
        let run = record.run("3.14t");
        assert_eq!((metric(run, "requests"), metric(run, "failed_requests")), (20.0, 0.0), "{run}");
        assert_eq!(hazards(run, "readiness").len(), 0, "{run}");
        let times = |name: &str| -> Vec<f64> {
            dir.read(name).unwrap_or_default().lines().map(|l| l.parse().unwrap()).collect()
        };
        let (up, began) = (times("up"), times("began"));
        assert!(up.len() == 2 && up.iter().all(|&at| at < began[0]), "{began:?} after {up:?}");
    }
}

#[test]
fn an_import_error_in_gunicorn_is_reported() {
    let dir = TestDir::new();
    let service = "{python} -m gunicorn -w 2 -b 127.0.0.1:{port} app:wsgi";
    let out = with_servers(&dir, service, "import no_such_module").run();
    fails(&out, &dir, &["the service exited", "No module named 'no_such_module'"]);
}
