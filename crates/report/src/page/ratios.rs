//! The forest plot: every arm's headline figure against the baseline's, with its interval.

use super::canvas::Class;
use super::chart::{Chart, Series, Table, height};
use super::plot::{Axis, Item, Plot};
use crate::View;
use crate::table::verdict_word;
use ungil_experiment::metric::{self, digits, show};

/// A ratio, three digits after the point where it is near 1.
pub(super) fn times(ratio: f64) -> String {
    if (0.1..9.995).contains(&ratio) { format!("{ratio:.3}") } else { digits(ratio) }
}

/// Both ends of an interval.
pub(super) fn span(low: f64, high: f64) -> String {
    format!("{}–{}", times(low), times(high))
}

/// A tick of a ratio: no more digits than it needs.
pub(super) fn tick(ratio: f64) -> String {
    let text = format!("{ratio:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// The chart of a record.
pub(super) fn chart(view: View<'_>, series: &Series) -> Chart {
    let comparison = view.comparison;
    let key = comparison.headline.as_str();
    let headline = metric::find(key);
    let title = headline.map_or(key, |m| m.title);
    let mut table = Table::new(["arm", title, "ratio", "95 % interval", "blocks", "verdict"]);
    let (mut names, mut items, mut reach) = (Vec::new(), Vec::new(), vec![1.0]);
    for arm in &comparison.arms {
        let figure = arm.metrics.get(key);
        let mut row = vec![arm.arm.clone()];
        row.push(figure.zip(headline).map_or_else(|| "-".into(), |(f, m)| show(f.median, m.unit)));
        let versus = figure.and_then(|f| f.baseline.as_ref());
        let ratio = versus.and_then(|v| v.ratio);
        row.extend(match ratio {
            Some(r) => [times(r.ratio), span(r.low, r.high), r.blocks.to_string()],
            None if arm.arm == comparison.baseline => ["1".into(), String::new(), arm.runs.to_string()],
            None => ["-".into(), String::new(), arm.runs.to_string()],
        });
        row.push(match (&arm.failed, versus, headline) {
            (Some(why), ..) => format!("failed: {why}"),
            (None, Some(v), Some(m)) => verdict_word(v.verdict, m).into(),
            _ if arm.arm == comparison.baseline => "baseline".into(),
            _ => "no run counts".into(),
        });
        table.rows.push(row);
        let Some(r) = ratio else { continue };
        let (y, s) = (names.len() as f64 + 0.5, series.of_id(view, &arm.arm));
        items.push(Item::Line(Class::Whisker(s), [(r.low, y), (r.high, y)]));
        items.push(Item::Mark(Class::Mark(s), r.ratio, y));
        reach.extend([r.low, r.high]);
        names.push(arm.arm.as_str());
    }
    let caption = format!("{} against the baseline", capital(title));
    if names.is_empty() {
        let says =
            "No arm has been measured together with the baseline, so there is no ratio to draw.".into();
        return Chart::numbers("forest", &caption, says, table);
    }
    let rows = names.len() as f64;
    items.insert(0, Item::Line(Class::Rule, [(1.0, 0.0), (1.0, rows)]));
    let good = if headline.is_some_and(|m| m.better == metric::Better::More) { "right" } else { "left" };
    let says = format!(
        "Each arm's {title} divided by that of {} in the same block: the median over the blocks, and the 95 % interval. {} of the line at 1 is better.",
        comparison.baseline,
        capital(good)
    );
    let plot = Plot {
        height: height(names.len(), 24),
        x: Axis::log(reach, &tick),
        y: Axis::names(&names),
        under: format!("{title}, × {}", comparison.baseline),
        items,
    };
    Chart::drawn("forest", &caption, says, &plot, table)
}

/// With a capital letter at its beginning.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
