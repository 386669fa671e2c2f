//! Reads the reports of load generators: throughput, latencies and failures from wrk, oha and hey,
//! and further figures with a user's own regular expression. The text is the output of another
//! program and is not trusted.
//!
//! wrk, oha and hey print the rate of all responses; oha and hey also count requests without a
//! response. A server that fails immediately therefore gets the best rate. The rate is corrected
//! with the counts of the same report, so that `throughput_per_s` contains successful requests
//! only.

use crate::error::{Error, usage};
use regex::Regex;
use std::collections::BTreeMap;
use ungil_format::{counted, percent};

/// A `--metric` argument: a regular expression with one named group.
#[derive(Debug, Clone)]
pub struct CustomMetric {
    name: String,
    regex: Regex,
}

impl CustomMetric {
    /// Reads a `--metric` argument: a regular expression with exactly one named group, whose name
    /// becomes the name of the metric.
    ///
    /// # Errors
    /// [`Error::Usage`] if it does not compile or does not have exactly one named group.
    pub fn parse(text: &str) -> Result<CustomMetric, Error> {
        let help = r"write for example --metric 'rows: (?<rows_per_s>[\d.]+)'";
        let regex = Regex::new(text).map_err(|e| {
            let why = e.to_string().lines().last().unwrap_or_default().trim().to_string();
            usage(format!("cannot read --metric '{text}'"), why, help)
        })?;
        let names: Vec<String> = regex.capture_names().flatten().map(str::to_string).collect();
        match <[String; 1]>::try_from(names) {
            Ok([name]) => Ok(CustomMetric { name, regex }),
            Err(names) => {
                let why = format!(
                    "it has {} named groups, but needs exactly one, which names the metric",
                    names.len()
                );
                Err(usage(format!("cannot read --metric '{text}'"), why, help))
            }
        }
    }

    fn read(&self, text: &str) -> Option<f64> {
        let captured = self.regex.captures(text)?.get(1)?.as_str().replace(',', "");
        captured.parse().ok().filter(|v: &f64| v.is_finite())
    }
}

/// A load generator's report.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadReport {
    /// Figures by metric key.
    pub metrics: BTreeMap<String, f64>,
    /// Figures that cannot be computed from the report, and why.
    pub missing: BTreeMap<String, String>,
    /// Kinds of failures, such as `× status 500`, with their counts.
    pub failures: Vec<(String, f64)>,
}

impl LoadReport {
    /// Describes the failed requests; `None` if none failed.
    pub fn failed(&self) -> Option<String> {
        let get = |key: &str| self.metrics.get(key).copied();
        let failed = get("failed_requests").filter(|&n| n > 0.0)?;
        let kinds = self.kinds().map_or_else(String::new, |k| format!(": {k}"));
        Some(match (get("requests"), get("failed_share")) {
            (Some(all), Some(share)) => {
                format!("{} of {} failed{kinds}", percent(share), counted(all as u64, "request"))
            }
            _ => format!("{} failed{kinds}", counted(failed as u64, "request")),
        })
    }

    /// Returns why the run is useless; `None` if at least one request succeeded.
    pub fn useless(&self) -> Option<String> {
        let get = |key: &str| self.metrics.get(key).copied();
        let kinds = self.kinds().map_or_else(String::new, |k| format!(" ({k})"));
        match (get("requests"), get("failed_requests"), get("throughput_per_s")) {
            (Some(0.0), ..) => Some("the load generator got no response to any request".into()),
            (Some(all), Some(failed), _) if failed >= all => {
                Some(format!("none of {} succeeded{kinds}", counted(all as u64, "request")))
            }
            (_, _, Some(0.0)) => Some(format!("no request succeeded{kinds}")),
            _ => None,
        }
    }

    fn kinds(&self) -> Option<String> {
        let mut kinds: Vec<&(String, f64)> = self.failures.iter().collect();
        kinds.sort_by(|a, b| b.1.total_cmp(&a.1));
        let shown: Vec<String> =
            kinds.iter().take(3).map(|(what, n)| format!("{n:.0} {what}")).collect();
        (!shown.is_empty()).then(|| shown.join(", "))
    }
}

/// Counts in a report, if it has them.
#[derive(Debug, Default)]
struct RequestCounts {
    /// `Requests/sec`.
    rate: Option<f64>,
    /// Requests that got a response, of any status.
    answered: Option<f64>,
    /// Of these, the failed ones: a status other than 2xx and 3xx, or a response after the time
    /// limit.
    refused: f64,
    /// Requests without a response.
    unanswered: f64,
    /// Requests aborted at the end of the test. They are not failures, but oha's rate counts them.
    cut_off: f64,
    /// Whether the rate also counts requests without a response (oha, hey).
    rates_all: bool,
    failures: Vec<(String, f64)>,
}

impl RequestCounts {
    fn fail(&mut self, what: impl Into<String>, count: f64) {
        if count > 0.0 {
            self.failures.push((what.into(), count));
        }
    }

    /// Reads a line of the report; `errors` is true in the section `Error distribution`.
    fn add_line(&mut self, line: &str, errors: bool) {
        if let Some(rate) = line.strip_prefix("Requests/sec:") {
            self.rate = self.rate.or_else(|| number(rate));
        } else if let Some((count, _)) = line.split_once(" requests in ") {
            self.answered = self.answered.or_else(|| number(count));
        } else if let Some(count) = line.strip_prefix("Non-2xx or 3xx responses:").and_then(number)
        {
            self.refused += count;
            self.fail("responses neither 2xx nor 3xx", count);
        } else if let Some(kinds) = line.strip_prefix("Socket errors:") {
            for (kind, count) in kinds.split(',').filter_map(|k| k.trim().split_once(' ')) {
                let Some(count) = number(count) else { continue };
                // wrk counts a response that came too late as a timeout, and it is among its
                // requests.
                let late = kind == "timeout";
                *(if late { &mut self.refused } else { &mut self.unanswered }) += count;
                self.fail(
                    if late { "responses too late".into() } else { format!("{kind} errors") },
                    count,
                );
            }
        } else if let Some((name, rest)) = line.strip_prefix('[').and_then(|l| l.split_once(']')) {
            self.bracket(name, rest.trim(), errors);
        }
    }

    /// Reads `[500] 3 responses` and, in the section `Error distribution`, `[12] connection
    /// refused` (hey and oha).
    fn bracket(&mut self, name: &str, rest: &str, errors: bool) {
        if errors {
            let Some(count) = number(name) else { return };
            if rest.contains("aborted due to deadline") {
                self.cut_off += count;
                return;
            }
            self.unanswered += count;
            self.fail(format!("× {}", rest.chars().take(80).collect::<String>()), count);
        } else if let Some(count) = rest.strip_suffix("responses").and_then(number) {
            self.answered = Some(self.answered.unwrap_or(0.0) + count);
            if !name.parse().is_ok_and(|status: u32| (200..400).contains(&status)) {
                self.refused += count;
                self.fail(format!("× status {name}"), count);
            }
        }
    }

    /// Adds requests, failures and the rate of successful requests to `report`.
    fn report(self, report: &mut LoadReport) {
        let failed = self.refused + self.unanswered;
        let (metrics, missing) = (&mut report.metrics, &mut report.missing);
        match (self.answered, self.rate) {
            // hey prints no status if there was no response at all.
            (None, rate) if !self.rates_all => {
                if failed > 0.0 {
                    metrics.insert("failed_requests".into(), failed);
                    let why = "the load generator reports failures but not the number of requests";
                    missing.insert("throughput_per_s".into(), why.into());
                } else if let Some(rate) = rate {
                    metrics.insert("throughput_per_s".into(), rate);
                }
            }
            (answered, rate) => {
                let answered = answered.unwrap_or(0.0);
                let rated = if self.rates_all {
                    answered + self.unanswered + self.cut_off
                } else {
                    answered
                };
                let succeeded = (answered - self.refused).max(0.0);
                let requests = answered + self.unanswered;
                metrics.insert("requests".into(), requests);
                metrics.insert("failed_requests".into(), failed.min(requests));
                if let Some(rate) = rate {
                    let rate = if rated > 0.0 { rate * succeeded / rated } else { 0.0 };
                    metrics.insert("throughput_per_s".into(), rate);
                }
            }
        }
        report.failures = self.failures;
    }
}

/// Reads a load generator's output.
pub fn read(text: &str, custom: &[CustomMetric]) -> LoadReport {
    let (mut report, mut counts) = (LoadReport::default(), RequestCounts::default());
    let mut errors = false;
    for line in text.lines().map(str::trim).take(10_000) {
        errors = (errors && !line.is_empty()) || line.starts_with("Error distribution");
        counts.rates_all |= line.starts_with("Status code distribution");
        counts.add_line(line, errors);
        if let Some((key, value)) = percentile(line) {
            // The first is kept: oha prints the percentiles again for subsets of the responses.
            report.metrics.entry(key.into()).or_insert(value);
        }
    }
    counts.report(&mut report);
    for custom in custom {
        if let Some(value) = custom.read(text) {
            report.missing.remove(&custom.name);
            report.metrics.insert(custom.name.clone(), value);
        }
    }
    let get = |key: &str| report.metrics.get(key).copied();
    match (get("requests"), get("failed_requests")) {
        (Some(all), Some(failed)) if all > 0.0 => {
            report.metrics.insert("failed_share".into(), (failed / all).clamp(0.0, 1.0));
        }
        (Some(_), Some(_)) => {}
        _ => {
            let why = "the load generator does not report the numbers of requests and failures";
            report.missing.insert("failed_share".into(), why.into());
        }
    }
    // wrk prints percentiles of 0 if nothing was answered.
    if report.useless().is_some() {
        report.metrics.retain(|key, _| !key.starts_with("latency_"));
    }
    report
}

fn number(text: &str) -> Option<f64> {
    text.trim().replace(',', "").parse().ok().filter(|v: &f64| v.is_finite() && *v >= 0.0)
}

/// Reads `99% 1.2ms` (wrk --latency), `99% in 0.0012 secs` (hey), `99.00% in 1.2 ms` (oha), and
/// wrk's `Latency 1ms ...`.
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

/// Reads a number with the unit `ns`, `us`, `ms`, `s` or `m` and returns seconds.
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
    text[..end].parse::<f64>().ok().map(|v| v * size).filter(|v| v.is_finite())
}

#[cfg(test)]
mod tests;
