//! Tests which figures are reported of a service whose requests fail.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

mod services;

use serde_json::Value;
use services::{BOTH, FIVE_BLOCKS, answering, by_hand, counting, fails};
use ungil_tests::{TestDir, hazards, metric};

#[test]
fn a_failing_service_is_not_recommended() {
    let dir = TestDir::new();
    // Without the GIL half of the requests fail at once; with the GIL each takes a while.
    let service = answering(
        &dir,
        "200 if path == '/ready' else 200 + 300 * (number % 2) if FREE else time.sleep(0.02) or 200",
    );
    let load = counting("work", 20);
    let args = ["--serve", service, "--load", &load, "--ready", "http://{host}:{port}/ready"];
    let bound = ["--fail-if", "failed(3.14t) > 0.1%", "--fail-if", "throughput(3.14t) < 0.95"];
    let out =
        dir.ungil(["compare", "--quiet"]).args(FIVE_BLOCKS).args(BOTH).args(args).args(bound).run();
    assert_eq!(out.code, 3, "{}{}", out.stdout, out.stderr);
    let (text, err) = (&out.stdout, &out.stderr);
    for never in ["fastest", "Use 3.14", "Stay with", "× faster", "× slower", "longer --time-limit"]
    {
        assert!(!text.contains(never), "'{never}' in {text}");
    }
    let hazard = "up to 50.0 % of 20 requests failed: 10 responses neither 2xx nor 3xx";
    let advice = "No arm is recommended: 50.0 % of the requests to 3.14t failed.";
    for sentence in ["! 5 of 5 runs of 3.14t: ", hazard, advice, "more blocks decide nothing"] {
        assert!(text.contains(sentence), "no '{sentence}' in {text}");
    }
    assert!(err.contains("crossed: failed(3.14t) > 0.1%: it is 50.0 %"), "{err}");
    assert!(
        err.contains(
            "inconclusive: throughput(3.14t) < 0.95: 50.0 % of the requests to 3.14t failed"
        ),
        "{err}"
    );
    let record = out.record();
    for run in record.of_arm("3.14t") {
        assert_eq!(hazards(run, "failed-requests").len(), 1, "{run}");
        assert_eq!(
            ["requests", "failed_requests", "failed_share"].map(|k| metric(run, k)),
            [20.0, 10.0, 0.5]
        );
        // 10 successful requests, in less than the lifetime of the load generator.
        assert!(metric(run, "throughput_per_s") * metric(run, "wall_s") >= 10.0, "{run}");
    }
    let figures = |arm: usize| &record.comparison()["arms"][arm];
    assert_eq!(figures(1)["requests"], serde_json::json!({"made": 100.0, "failed": 50.0}));
    for key in ["throughput_per_s", "cpu_s", "rss_peak_bytes"] {
        let versus = &figures(1)["metrics"][key]["baseline"];
        assert_eq!(
            (versus["verdict"].as_str(), &versus["ratio"]),
            (Some("inconclusive"), &Value::Null),
            "{key}"
        );
        assert!(versus["why"].as_str().is_some_and(|w| w.starts_with("50.0 %")), "{versus}");
    }
    assert_eq!(figures(1)["metrics"]["failed_requests"]["median"], 10.0);
    let file = record.path.to_str().unwrap();
    let md = dir.ungil(["report", file, "--format", "md"]).run().ok().stdout;
    let page = dir.ungil(["report", file, "-o", "page.html"]).run().ok();
    let page = dir.read("page.html").unwrap_or(page.stdout);
    for text in [&md, &page] {
        assert!(
            text.contains("No arm is recommended")
                && text.contains("10 responses neither 2xx nor 3xx"),
            "{text}"
        );
    }
}

#[test]
fn a_run_without_successful_requests_fails() {
    let dir = TestDir::new();
    let load = counting("work", 20);
    let service = answering(&dir, "404");
    let out = dir.one_block(BOTH).args(["--serve", service, "--load", &load]).run();
    let told =
        fails(&out, &dir, &["none of 20 requests succeeded", "answered 404 before the load"]);
    assert!(by_hand(&dir, &told).contains("Non-2xx or 3xx responses: 20"), "{told:?}");
    // The service closes the connection without a response.
    let service = answering(&dir, "200 if path == '/ready' else 0");
    let ready = ["--ready", "http://127.0.0.1:{port}/ready"];
    let out = dir.one_block(BOTH).args(["--serve", service, "--load", &load]).args(ready).run();
    fails(&out, &dir, &["none of 20 requests succeeded", "20 read errors"]);
}
