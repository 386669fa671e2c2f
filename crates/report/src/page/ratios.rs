//! The forest plot: each arm's headline metric against the baseline, with its interval.

use super::canvas::Class;
use super::chart::{Chart, Series, Table};
use super::costs::metric_column;
use super::plot::{Axis, Plot, Shape, VerticalAxis};
use crate::View;
use crate::table::verdict_word;
use ungil_experiment::comparison::ArmFigures;
use ungil_experiment::metric;
use ungil_format as format;

/// Formats a tick of a ratio, without trailing zeros.
pub(super) fn tick(ratio: f64) -> String {
    let text = format!("{ratio:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Maximum number of rows of a forest plot that are drawn.
const MAX_ROWS: usize = 200;

/// A row of a forest plot: a ratio with its interval.
#[derive(Debug, Clone)]
pub(super) struct ForestRow {
    pub(super) name: String,
    pub(super) series: u8,
    pub(super) ratio: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// Plots the first [`MAX_ROWS`] rows; returns `None` if there are none.
pub(super) fn forest(rows: Vec<ForestRow>, x_label: String) -> Option<Plot> {
    let (mut names, mut shapes, mut reach) = (Vec::new(), Vec::new(), vec![1.0]);
    for row in rows.into_iter().take(MAX_ROWS) {
        let y = names.len() as f64 + 0.5;
        shapes.push(Shape::Line(Class::Whisker(row.series), [(row.low, y), (row.high, y)]));
        shapes.push(Shape::Mark(Class::Mark(row.series), row.ratio, y));
        reach.extend([row.low, row.high]);
        names.push(row.name);
    }
    let rows = names.len() as f64;
    shapes.insert(0, Shape::Line(Class::Rule, [(1.0, 0.0), (1.0, rows)]));
    (!names.is_empty()).then(|| Plot {
        x: Axis::log(reach, &tick),
        y: VerticalAxis::Rows { names, each: 12 },
        x_label,
        shapes,
    })
}

/// Returns a note if the table has more rows than are drawn.
pub(super) fn drawn_of(all: usize) -> String {
    if all > MAX_ROWS {
        format!(" The first {MAX_ROWS} of {all} rows are drawn; the table has all.")
    } else {
        String::new()
    }
}

/// Returns the forest plot of a record.
pub(super) fn chart(view: View<'_>, series: &Series) -> Chart {
    let comparison = view.comparison;
    let key = comparison.headline.as_str();
    let headline = metric::find(key);
    let title = headline.map_or(key, |m| m.title);
    let arms: Vec<&ArmFigures> = comparison.arms.iter().collect();
    let (heading, medians) =
        metric_column(&arms, key).unwrap_or_else(|| (title.into(), vec!["-".into(); arms.len()]));
    let mut table = Table::new(["arm", &heading, "ratio", "95 % interval", "blocks", "verdict"]);
    let mut rows = Vec::new();
    for (arm, median) in comparison.arms.iter().zip(medians) {
        let figure = arm.metrics.get(key);
        let mut row = vec![arm.arm.clone(), median];
        let versus = figure.and_then(|f| f.baseline.as_ref());
        let ratio = versus.and_then(|v| v.ratio);
        row.extend(match ratio {
            Some(r) => {
                [format::ratio(r.ratio), format::interval(r.low, r.high), r.blocks.to_string()]
            }
            None if arm.arm == comparison.baseline => {
                ["1".into(), String::new(), arm.runs.to_string()]
            }
            None => ["-".into(), String::new(), arm.runs.to_string()],
        });
        row.push(match (&arm.failed, versus, headline) {
            (Some(why), ..) => format!("failed: {why}"),
            (None, Some(v), Some(m)) => verdict_word(v.verdict, m).into(),
            _ if arm.arm == comparison.baseline => "baseline".into(),
            _ => "no runs".into(),
        });
        table.rows.push(row);
        let Some(r) = ratio else { continue };
        rows.push(ForestRow {
            name: arm.arm.clone(),
            series: series.of_id(view, &arm.arm),
            ratio: r.ratio,
            low: r.low,
            high: r.high,
        });
    }
    let caption = format!("{} against the baseline", capital(title));
    let drawn = drawn_of(rows.len());
    let Some(plot) = forest(rows, format!("{title}, × {}", comparison.baseline)) else {
        let description =
            "No arm was measured together with the baseline, so there is no ratio to draw.".into();
        return Chart::without_drawing("forest", &caption, description, table);
    };
    let good =
        if headline.is_some_and(|m| m.better == metric::Better::More) { "right" } else { "left" };
    let description = format!(
        "Each arm's {title} divided by that of {} in the same block: median over the blocks and 95 % interval. {} of the line at 1 is better.{drawn}",
        comparison.baseline,
        capital(good)
    );
    Chart::drawn("forest", &caption, description, &plot, table)
        .with_legend(series.legend(view.record.header.arms.iter().map(|arm| arm.head())))
}

/// Capitalizes a text.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
