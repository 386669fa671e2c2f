use super::*;
use proptest::prelude::*;

#[test]
fn reads_wrk() {
    let text = "Running 1s test @ http://127.0.0.1:8000/\n  2 threads and 32 connections\n  Thread Stats   Avg      Stdev     Max   +/- Stdev\n    Latency    11.53ms   20.66ms 219.38ms   97.01%\n    Req/Sec     1.13k   192.59     1.39k    80.00%\n  Latency Distribution\n     50%    7.97ms\n     75%    9.62ms\n     90%   12.40ms\n     99%  118.09ms\n  2250 requests in 1.01s, 1.28MB read\n  Socket errors: connect 0, read 2, write 1, timeout 0\n  Non-2xx or 3xx responses: 4\nRequests/sec:   2230.26\nTransfer/sec:      1.27MB\n";
    let f = read(text, &[]).metrics;
    assert!((f["throughput_per_s"] - 2230.26 * 2246.0 / 2250.0).abs() < 1e-9);
    assert_eq!((f["requests"], f["failed_share"]), (2253.0, 7.0 / 2253.0));
    assert!((f["latency_mean_s"] - 0.01153).abs() < 1e-9);
    assert!((f["latency_p50_s"] - 0.00797).abs() < 1e-9);
    assert!((f["latency_p99_s"] - 0.11809).abs() < 1e-9);
    assert_eq!(f["failed_requests"], 7.0);
}

#[test]
fn reads_hey_and_oha() {
    let hey = "Summary:\n  Total:\t1.0021 secs\n  Average:\t0.0049 secs\n  Requests/sec:\t10,163.5\n\nLatency distribution:\n  10% in 0.0031 secs\n  50% in 0.0047 secs\n  90% in 0.0068 secs\n  99% in 0.0104 secs\n\nStatus code distribution:\n  [200]\t1000 responses\n  [503]\t12 responses\n";
    let f = read(hey, &[]).metrics;
    assert_eq!((f["requests"], f["latency_p90_s"], f["failed_requests"]), (1012.0, 0.0068, 12.0));
    assert!((f["throughput_per_s"] - 10_163.5 * 1000.0 / 1012.0).abs() < 1e-9);
    assert_eq!(f["latency_mean_s"], 0.0049);
    let oha = "  Requests/sec:\t4019.8\n  Average:\t12.3 ms\n  50.00% in 11.8 ms\n  99.00% in 0.0301 sec\n";
    let f = read(oha, &[]).metrics;
    assert_eq!((f["throughput_per_s"], f["latency_p99_s"]), (4019.8, 0.0301));
    assert!((f["latency_p50_s"] - 0.0118).abs() < 1e-12);
}

#[test]
fn errors_without_a_response_are_failures() {
    let text = "  Requests/sec: 100.0\nStatus code distribution:\n  [200]\t10 responses\n\nError distribution:\n  [12]\tconnection refused\n  [3] aborted due to deadline\n\n";
    let report = read(text, &[]);
    assert_eq!((report.metrics["failed_requests"], report.metrics["requests"]), (12.0, 22.0));
    // The rate counts all 25 requests; 10 of them succeeded.
    assert!((report.metrics["throughput_per_s"] - 40.0).abs() < 1e-9);
    assert_eq!(
        report.failed().as_deref(),
        Some("54.5 % of 22 requests failed: 12 × connection refused")
    );
    assert_eq!(report.useless(), None);
}

/// The reports of wrk 4.1 and hey 0.1.4 on a server that answers 500, closes without an answer,
/// and never answers.
#[test]
fn run_without_a_successful_request_is_useless() {
    let wrk = |rest: &str| {
        let text = format!(
            "    Latency     0.00us    0.00us   0.00us    -nan%\n     99%    0.00us\n{rest}"
        );
        let report = read(&text, &[]);
        assert!(!report.metrics.contains_key("latency_p99_s"), "{report:?}");
        report.useless().unwrap_or_else(|| panic!("{report:?}"))
    };
    let all = wrk(
        "  92 requests in 1.00s, 11KB read\n  Non-2xx or 3xx responses: 92\nRequests/sec:     91.70\n",
    );
    assert_eq!(all, "none of 92 requests succeeded (92 responses neither 2xx nor 3xx)");
    let dropped = wrk(
        "  0 requests in 1.00s, 0.00B read\n  Socket errors: connect 0, read 817, write 0, timeout 0\nRequests/sec:      0.00\n",
    );
    assert_eq!(dropped, "none of 817 requests succeeded (817 read errors)");
    let silent = wrk("  0 requests in 3.01s, 0.00B read\nRequests/sec:      0.00\n");
    assert_eq!(silent, "the load generator got no response to any request");
    let hey = read(
        "  Average:\t NaN secs\n  Requests/sec:\t3.99\nStatus code distribution:\n\nError distribution:\n  [4]\tGet \"http://x/\": context deadline exceeded\n",
        &[],
    );
    assert_eq!((hey.metrics["throughput_per_s"], hey.metrics["failed_share"]), (0.0, 1.0));
    assert!(hey.useless().is_some_and(|why| why.contains("none of 4 requests")), "{hey:?}");
}

#[test]
fn rate_that_cannot_be_corrected_is_missing() {
    let report = read("Requests/sec: 50.0\nNon-2xx or 3xx responses: 5\n", &[]);
    assert!(!report.metrics.contains_key("throughput_per_s"));
    assert!(
        report.missing.contains_key("throughput_per_s")
            && report.missing.contains_key("failed_share")
    );
    // Another generator's counts can be given with --metric.
    let own = ["sent (?<requests>\\d+)", "lost (?<failed_requests>\\d+)"]
        .map(|m| CustomMetric::parse(m).expect("a metric"));
    let report = read("sent 200\nlost 3\nRequests/sec: 50.0\n", &own);
    assert_eq!((report.metrics["failed_share"], report.metrics["throughput_per_s"]), (0.015, 50.0));
    assert!(!report.missing.contains_key("failed_share"));
    assert!(read("sent 2\nlost 2\n", &own).useless().is_some());
}

#[test]
fn reads_custom_metrics() {
    let rows = CustomMetric::parse(r"rows: (?<rows_per_s>[\d.,]+)").expect("a metric");
    assert_eq!(read("x\nrows: 1,234.5\n", &[rows]).metrics["rows_per_s"], 1234.5);
    assert!(CustomMetric::parse("no group").is_err());
    assert!(CustomMetric::parse("(").is_err());
}

proptest! {
    #[test]
    fn figures_of_any_text_are_finite(text in "(?s).*") {
        for value in read(&text, &[]).metrics.values() {
            prop_assert!(value.is_finite());
        }
    }
}
