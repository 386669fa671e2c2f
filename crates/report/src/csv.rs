//! CSV in long format, at full precision: one row per arm and metric.

use crate::View;
use ungil_experiment::metric;

/// Quotes a field if necessary (RFC 4180).
pub(crate) fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into()
    }
}

/// Renders the comparison as CSV with a header.
pub fn csv(view: View<'_>) -> String {
    let mut text = String::from(
        "arm,metric,runs,median,q1,q3,baseline,ratio,low,high,gmean,gmean_low,gmean_high,blocks,verdict\n",
    );
    for arm in &view.comparison.arms {
        let mut keys: Vec<&String> = arm.metrics.keys().collect();
        keys.sort_by_key(|k| (metric::rank(k), k.as_str()));
        for key in keys {
            let figure = &arm.metrics[key];
            let mut row =
                vec![field(&arm.arm), field(key), arm.runs.to_string(), figure.median.to_string()];
            row.extend([figure.quartiles.0.to_string(), figure.quartiles.1.to_string()]);
            match figure.baseline.as_ref().map(|v| (v, v.ratio)) {
                Some((versus, Some(r))) => {
                    row.push(field(&versus.arm));
                    row.extend([r.ratio, r.low, r.high, r.gmean].map(|v| v.to_string()));
                    row.extend(
                        [r.gmean_low, r.gmean_high]
                            .map(|v| v.map_or_else(String::new, |v| v.to_string())),
                    );
                    row.push(r.blocks.to_string());
                    row.push(verdict(versus.verdict));
                }
                Some((versus, None)) => {
                    row.push(field(&versus.arm));
                    row.extend(std::iter::repeat_n(String::new(), 7));
                    row.push(verdict(versus.verdict));
                }
                None => row.extend(std::iter::repeat_n(String::new(), 9)),
            }
            text.push_str(&row.join(","));
            text.push('\n');
        }
    }
    text
}

fn verdict(verdict: ungil_experiment::stats::Verdict) -> String {
    use ungil_experiment::stats::Verdict::{Inconclusive, Less, More, Same};
    match verdict {
        Less => "less",
        More => "more",
        Same => "same",
        Inconclusive => "inconclusive",
    }
    .into()
}
