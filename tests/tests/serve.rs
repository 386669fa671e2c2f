//! Tests a service under load, from its start to its end.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

mod services;

use services::{HTTP, by_hand, fails, own_load, serve, shell_word};
use ungil_tests::{TestDir, alive, hazards, metric};

#[test]
fn a_service_is_measured_only_under_load() {
    let dir = TestDir::new();
    // The service spins before it listens; that is start-up, not load.
    dir.write(
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
    let out = serve(&dir, "{python} service.py {port}", &own_load(20)).args(args).run().ok();
    let record = out.record();
    for arm in ["3.14", "3.14t"] {
        let run = record.run(arm);
        assert_eq!(metric(run, "rows"), 20.0);
        let (rate, wall) = (metric(run, "throughput_per_s"), metric(run, "wall_s"));
        // The measured window is the lifetime of the load generator, more than its 20 requests.
        assert!(rate > 0.0 && 20.0 / rate <= wall * 1.01, "{rate}/s in {wall} s");
        for pair in [["latency_p50_s", "latency_p90_s"], ["latency_p90_s", "latency_p99_s"]] {
            assert!(metric(run, pair[0]) <= metric(run, pair[1]), "{run}");
        }
        assert!(metric(run, "latency_mean_s") > 0.0);
        assert!(metric(run, "startup_s") >= 1.0, "{run}");
        // 20 requests cost far less than the second of start-up. The CPU time of the load generator
        // does not count as the service's.
        assert!(metric(run, "cpu_s") < 0.8, "{run}");
        assert!(
            metric(run, "rss_end_bytes") > 5e6 && metric(run, "processes_peak") == 1.0,
            "{run}"
        );
        assert!(run.get("output").is_none(), "the output of a service is not compared");
    }
    assert_eq!(record.comparison()["headline"], "throughput_per_s");
    assert!(out.stdout.contains("throughput"), "{}", out.stdout);
    let pids = dir.pids("pids");
    assert!(pids.len() == 2 && !pids.into_iter().any(alive));
}

#[test]
fn output_of_wrk_is_parsed() {
    let dir = TestDir::new();
    let record = serve(&dir, HTTP, "wrk -t1 -c2 -d1s --latency {url}").run().ok().record();
    for run in record.runs() {
        assert!(metric(run, "throughput_per_s") > 1.0, "{run}");
        assert!(
            metric(run, "latency_p50_s") > 0.0
                && metric(run, "latency_p99_s") >= metric(run, "latency_p50_s")
        );
    }
}

#[test]
fn a_phase_in_a_service_is_acknowledged_and_its_metrics_are_kept() {
    let dir = TestDir::new();
    dir.write(
        "marks.py",
        "
import http.server, sys
from ungil_phase import phase, metric
with phase(): metric('tables', 7)
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
",
    );
    let record = serve(&dir, "{python} marks.py {port}", &own_load(3)).run().ok().record();
    for run in record.runs() {
        assert_eq!(metric(run, "tables"), 7.0);
        assert_eq!(hazards(run, "phase").len(), 1, "ignored phases are not reported: {run}");
    }
}

#[test]
fn a_service_that_exits_at_once_is_reported_with_its_output() {
    let dir = TestDir::new();
    dir.write("dies.py", "import sys\nsys.exit('no configuration')\n");
    let out = serve(&dir, "{python} dies.py {port}", &own_load(1)).run();
    let told = fails(&out, &dir, &["exited before it was ready", "no configuration"]);
    assert!(by_hand(&dir, &told).contains("no configuration"), "{told:?}");
}

#[test]
fn a_service_that_never_listens_times_out() {
    let dir = TestDir::new();
    dir.write(
        "deaf.py",
        "import os, time\nopen('pids', 'a').write('%d\\n' % os.getpid())\nwhile True: time.sleep(1)\n",
    );
    let out = serve(&dir, "{python} deaf.py {port}", &own_load(1)).args(["--timeout", "3s"]).run();
    fails(&out, &dir, &["--timeout"]);
}

const ACCEPTS: &str = "
import os, signal, socket, sys
open('pids', 'a').write('%d\\n' % os.getpid())
door = socket.create_server(('127.0.0.1', int(sys.argv[1])))
";

#[test]
fn a_service_that_dies_under_load_is_reported() {
    let dir = TestDir::new();
    // Answers the readiness check, but dies under load.
    let script = "
while True:
    guest, _ = door.accept()
    if b'User-Agent: ungil' not in guest.recv(1000): sys.exit('too much for me')
    guest.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\nhi')
    guest.close()
";
    dir.write("weak.py", format!("{ACCEPTS}{script}"));
    dir.write("patient.py", "import sys, time, urllib.request\ntry: urllib.request.urlopen(sys.argv[1])\nexcept Exception: pass\ntime.sleep(1000)\n");
    let load = format!("{} patient.py {{url}}", shell_word(&ungil_tests::python("3.14")));
    let out = serve(&dir, "{python} weak.py {port}", &load).run();
    fails(&out, &dir, &["the service exited under load", "too much for me"]);
}

#[test]
fn a_service_that_ignores_sigterm_is_killed() {
    let dir = TestDir::new();
    let script = "
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    guest, _ = door.accept()
    if guest.recv(1000): guest.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\nhi')
    guest.close()
";
    dir.write("stubborn.py", format!("{ACCEPTS}{script}"));
    let record = serve(&dir, "{python} stubborn.py {port}", &own_load(3)).run().ok().record();
    assert_eq!(record.run("3.14")["outcome"]["kind"], "ok");
    let pids = dir.pids("pids");
    assert!(pids.len() == 2 && !pids.into_iter().any(alive));
}

#[test]
fn a_missing_failing_or_silent_load_generator_is_reported() {
    let python = shell_word(&ungil_tests::python("3.14"));
    let dir = TestDir::new();
    let out = serve(&dir, HTTP, "no-such-program {url}").run();
    fails(&out, &dir, &["cannot start the load generator 'no-such-program'"]);
    let out = serve(
        &dir,
        HTTP,
        &format!("{python} -c 'import sys; sys.exit(\"no route: \" + sys.argv[1])' {{url}}"),
    )
    .run();
    let told = fails(&out, &dir, &["load generator failed", "no route: http://127.0.0.1"]);
    assert!(by_hand(&dir, &told).contains("no route: http://127.0.0.1"), "{told:?}");
    let out = serve(&dir, HTTP, &format!("{python} -c 'print(1)' {{url}}")).run();
    fails(&out, &dir, &["no known figure", "--metric"]);
}

#[test]
fn a_load_generator_times_out() {
    let dir = TestDir::new();
    let script =
        "import os, time\nopen('pids', 'a').write('%d\\n' % os.getpid())\ntime.sleep(1000)\n";
    dir.write("forever.py", script);
    let load = format!("{} forever.py {{port}}", shell_word(&ungil_tests::python("3.14")));
    let out = serve(&dir, HTTP, &load).args(["--timeout", "5s"]).run();
    fails(&out, &dir, &["--timeout"]);
}
