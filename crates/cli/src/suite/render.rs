//! Renders a suite before it runs: its workloads and its points.

use ungil_experiment::arm::Arm;
use ungil_format::{bytes, counted, duration, percent};
use ungil_suite::plan::{Point, Skipped};
use ungil_suite::summary::what;
use ungil_suite::workloads::{Category, WORKLOADS};

/// Renders the workloads for `--list`.
pub(crate) fn list() -> String {
    let mut text = String::new();
    for category in Category::ALL {
        text.push_str(&format!("{} ({category})\n", category.title()));
        for workload in WORKLOADS.iter().filter(|w| w.category == category) {
            let sizes: Vec<String> = workload.sizes.iter().map(u64::to_string).collect();
            let forms: Vec<&str> = workload.forms.iter().map(|f| f.name()).collect();
            text.push_str(&format!("  {:21}{}\n", workload.name, workload.does()));
            text.push_str(&format!("  {:21}size {}", "", sizes.join(", ")));
            if forms.len() > 1 {
                text.push_str(&format!("; {}", forms.join(", ")));
            }
            if workload.models.len() > 1 {
                text.push_str("; threads, processes, interpreters");
            }
            text.push('\n');
        }
    }
    text
}

/// Renders the points that will run, and those that are skipped.
pub(crate) fn plan(points: &[(Point, Vec<Arm>)], skipped: &[Skipped], blocks: u32) -> String {
    let one = |(point, arms): &(Point, Vec<Arm>)| {
        let share = match point.category {
            Category::Shared => String::new(),
            _ => format!("{} of the paper's work, ", percent(point.share)),
        };
        format!(
            "{}: {share}about {} and {} a run, {}",
            what(point),
            duration(point.expected_s),
            bytes(point.expected_bytes),
            counted(arms.len(), "arm")
        )
    };
    let mut lines: Vec<String> = points.iter().map(one).collect();
    lines.extend(skipped.iter().map(|s| format!("left out: {}: {}", s.what, s.why)));
    let arms: usize = points.iter().map(|(_, arms)| arms.len()).sum();
    lines.push(format!(
        "{}, {}, {} of each",
        counted(points.len(), "point"),
        counted(arms, "arm"),
        counted(blocks, "block")
    ));
    lines.join("\n") + "\n"
}
