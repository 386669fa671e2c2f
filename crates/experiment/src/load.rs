//! What load generators print: throughput, latencies and failures out of wrk, oha and hey, and whatever a user's own
//! regular expression finds. The text is another program's and may be anything.

use crate::error::{Error, usage};
use regex::Regex;
use std::collections::BTreeMap;

/// `--metric 'NAME=REGEX'` or a regex with one named group.
#[derive(Debug, Clone)]
pub struct Custom {
    name: String,
    regex: Regex,
}

impl Custom {
    /// Reads a `--metric` argument: a regular expression with exactly one named group, whose name becomes the metric's.
    ///
    /// # Errors
    /// [`Error::Usage`] when it does not compile or names no group.
    pub fn parse(text: &str) -> Result<Custom, Error> {
        let mend = r"write for example --metric 'rows: (?<rows_per_s>[\d.]+)'";
        let regex = Regex::new(text).map_err(|e| {
            let why = e.to_string().lines().last().unwrap_or_default().trim().to_string();
            usage(format!("cannot read --metric '{text}'"), why, mend)
        })?;
        let names: Vec<String> = regex.capture_names().flatten().map(str::to_string).collect();
        match <[String; 1]>::try_from(names) {
            Ok([name]) => Ok(Custom { name, regex }),
            Err(names) => {
                let why = format!("it has {} named groups, and one names the metric", names.len());
                Err(usage(format!("cannot read --metric '{text}'"), why, mend))
            }
        }
    }
}

/// Every figure found in a load generator's output, by metric key.
pub fn figures(text: &str, custom: &[Custom]) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    let mut errors = false;
    for line in text.lines().map(str::trim).take(10_000) {
        errors = (errors && !line.is_empty()) || line.starts_with("Error distribution");
        let failed = || if errors { error(line) } else { trouble(line) };
        if let Some((key, value)) = throughput(line).or_else(|| percentile(line)).or_else(failed) {
            let old = found.entry(key.to_string()).or_insert(0.0);
            // Failures of several kinds add up; of the rest the first wins (wrk repeats itself a thread).
            *old = if key == "failed_requests" {
                *old + value
            } else if *old == 0.0 {
                value
            } else {
                *old
            };
        }
    }
    for custom in custom {
        let captured =
            custom.regex.captures(text).and_then(|c| c.get(1).map(|m| m.as_str().replace(',', "")));
        if let Some(value) = captured.and_then(|v| v.parse::<f64>().ok()).filter(|v| v.is_finite()) {
            found.insert(custom.name.clone(), value);
        }
    }
    found
}

/// `Requests/sec: 123.4` (wrk, oha, hey).
fn throughput(line: &str) -> Option<(&'static str, f64)> {
    let value = line.strip_prefix("Requests/sec:")?.trim();
    Some(("throughput_per_s", value.replace(',', "").parse().ok().filter(|v: &f64| v.is_finite())?))
}

/// `99% 1.2ms` (wrk --latency), `99% in 0.0012 secs` (hey), `99.00% in 1.2 ms` (oha), and wrk's `Latency 1ms ...`.
fn percentile(line: &str) -> Option<(&'static str, f64)> {
    if let Some(rest) = line.strip_prefix("Latency") {
        return Some(("latency_mean_s", duration(rest.split_whitespace().next()?)?));
    }
    if let Some(rest) = line.strip_prefix("Average:") {
        return Some(("latency_mean_s", duration(&rest.replace("secs", "s").replace("sec", "s"))?));
    }
    let (share, rest) = line.split_once('%')?;
    let key = match share.trim().parse::<f64>().ok()? {
        50.0 => "latency_p50_s",
        90.0 => "latency_p90_s",
        99.0 => "latency_p99_s",
        _ => return None,
    };
    let rest = rest.trim().trim_start_matches("in").trim().replace("secs", "s").replace("sec", "s");
    Some((key, duration(&rest)?))
}

/// A number and `us`, `ms`, `s` or `m`, in seconds.
fn duration(text: &str) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let size = match text[end..].trim() {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "ns" => 1e-9,
        _ => return None,
    };
    text[..end].parse::<f64>().ok().map(|v| v * size)
}

/// Requests that failed: wrk's `Non-2xx or 3xx responses: 3` and `Socket errors: connect 0, read 1, ...`, hey's and oha's
/// `[500] 3 responses`.
fn trouble(line: &str) -> Option<(&'static str, f64)> {
    let count = if let Some(n) = line.strip_prefix("Non-2xx or 3xx responses:") {
        n.trim().parse().ok()?
    } else if let Some(kinds) = line.strip_prefix("Socket errors:") {
        kinds.split(',').filter_map(|k| k.split_whitespace().nth(1)?.parse::<f64>().ok()).sum()
    } else {
        let (status, rest) = line.strip_prefix('[')?.split_once(']')?;
        let status: u32 = status.parse().ok()?;
        let responses = rest.trim().strip_suffix("responses")?.trim();
        if (200..400).contains(&status) { 0.0 } else { responses.parse().ok()? }
    };
    Some(("failed_requests", count))
}

/// `[12] connection refused` below hey's and oha's `Error distribution`; what the end of the test cut off is no failure.
fn error(line: &str) -> Option<(&'static str, f64)> {
    let (count, what) = line.strip_prefix('[')?.split_once(']')?;
    let count = count.parse().ok().filter(|_| !what.contains("aborted due to deadline"))?;
    Some(("failed_requests", count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wrk_is_read() {
        let text = "Running 1s test @ http://127.0.0.1:8000/\n  2 threads and 32 connections\n  Thread Stats   Avg      Stdev     Max   +/- Stdev\n    Latency    11.53ms   20.66ms 219.38ms   97.01%\n    Req/Sec     1.13k   192.59     1.39k    80.00%\n  Latency Distribution\n     50%    7.97ms\n     75%    9.62ms\n     90%   12.40ms\n     99%  118.09ms\n  2250 requests in 1.01s, 1.28MB read\n  Socket errors: connect 0, read 2, write 1, timeout 0\n  Non-2xx or 3xx responses: 4\nRequests/sec:   2230.26\nTransfer/sec:      1.27MB\n";
        let f = figures(text, &[]);
        assert_eq!(f["throughput_per_s"], 2230.26);
        assert!((f["latency_mean_s"] - 0.01153).abs() < 1e-9);
        assert!((f["latency_p50_s"] - 0.00797).abs() < 1e-9);
        assert!((f["latency_p99_s"] - 0.11809).abs() < 1e-9);
        assert_eq!(f["failed_requests"], 7.0);
    }

    #[test]
    fn hey_and_oha_are_read() {
        let hey = "Summary:\n  Total:\t1.0021 secs\n  Average:\t0.0049 secs\n  Requests/sec:\t10,163.5\n\nLatency distribution:\n  10% in 0.0031 secs\n  50% in 0.0047 secs\n  90% in 0.0068 secs\n  99% in 0.0104 secs\n\nStatus code distribution:\n  [200]\t1000 responses\n  [503]\t12 responses\n";
        let f = figures(hey, &[]);
        assert_eq!(
            (f["throughput_per_s"], f["latency_p90_s"], f["failed_requests"]),
            (10_163.5, 0.0068, 12.0)
        );
        assert_eq!(f["latency_mean_s"], 0.0049);
        let oha =
            "  Requests/sec:\t4019.8\n  Average:\t12.3 ms\n  50.00% in 11.8 ms\n  99.00% in 0.0301 sec\n";
        let f = figures(oha, &[]);
        assert_eq!((f["throughput_per_s"], f["latency_p99_s"]), (4019.8, 0.0301));
        assert!((f["latency_p50_s"] - 0.0118).abs() < 1e-12);
    }

    #[test]
    fn errors_without_a_response_are_failures() {
        let text = "Status code distribution:\n  [200]\t10 responses\n\nError distribution:\n  [12]\tconnection refused\n  [3] aborted due to deadline\n\n";
        assert_eq!(figures(text, &[])["failed_requests"], 12.0);
    }

    #[test]
    fn a_users_own_metric_is_read() {
        let rows = Custom::parse(r"rows: (?<rows_per_s>[\d.,]+)").expect("a metric");
        assert_eq!(figures("x\nrows: 1,234.5\n", &[rows])["rows_per_s"], 1234.5);
        assert!(Custom::parse("no group").is_err());
        assert!(Custom::parse("(").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "(?s).*") {
            for value in figures(&text, &[]).values() {
                prop_assert!(value.is_finite());
            }
        }
    }
}
