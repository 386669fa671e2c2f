//! The forest plot: every arm's headline figure against the baseline's, with its interval.

use super::canvas::Class;
use super::chart::{Chart, Series, Table};
use super::plot::{Axis, Down, Item, Plot};
use crate::View;
use crate::table::verdict_word;
use ungil_experiment::metric::{self, show};
use ungil_format as format;

/// A tick of a ratio: no more digits than it needs.
pub(super) fn tick(ratio: f64) -> String {
    let text = format!("{ratio:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Rows of a forest plot that are drawn; a taller chart could not be taken in.
pub(super) const MOST: usize = 200;

/// A row of a forest plot: a ratio with its interval.
#[derive(Debug, Clone)]
pub(super) struct Ratios {
    pub(super) name: String,
    pub(super) series: u8,
    pub(super) ratio: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// A forest plot of its first rows. `None` without any.
pub(super) fn forest(rows: Vec<Ratios>, under: String) -> Option<Plot> {
    let (mut names, mut items, mut reach) = (Vec::new(), Vec::new(), vec![1.0]);
    for row in rows.into_iter().take(MOST) {
        let y = names.len() as f64 + 0.5;
        items.push(Item::Line(Class::Whisker(row.series), [(row.low, y), (row.high, y)]));
        items.push(Item::Mark(Class::Mark(row.series), row.ratio, y));
        reach.extend([row.low, row.high]);
        names.push(row.name);
    }
    let rows = names.len() as f64;
    items.insert(0, Item::Line(Class::Rule, [(1.0, 0.0), (1.0, rows)]));
    (!names.is_empty()).then(|| Plot {
        x: Axis::log(reach, &tick),
        down: Down::Rows { names, each: 12 },
        under,
        items,
    })
}

/// What a chart says where its table has more rows than are drawn.
pub(super) fn drawn_of(all: usize) -> String {
    if all > MOST {
        format!(" The first {MOST} of {all} rows are drawn; the table has all.")
    } else {
        String::new()
    }
}

/// The chart of a record.
pub(super) fn chart(view: View<'_>, series: &Series) -> Chart {
    let comparison = view.comparison;
    let key = comparison.headline.as_str();
    let headline = metric::find(key);
    let title = headline.map_or(key, |m| m.title);
    let mut table = Table::new(["arm", title, "ratio", "95 % interval", "blocks", "verdict"]);
    let mut rows = Vec::new();
    for arm in &comparison.arms {
        let figure = arm.metrics.get(key);
        let mut row = vec![arm.arm.clone()];
        row.push(figure.zip(headline).map_or_else(|| "-".into(), |(f, m)| show(f.median, m.unit)));
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
            _ => "no run counts".into(),
        });
        table.rows.push(row);
        let Some(r) = ratio else { continue };
        rows.push(Ratios {
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
        let says =
            "No arm has been measured together with the baseline, so there is no ratio to draw."
                .into();
        return Chart::numbers("forest", &caption, says, table);
    };
    let good =
        if headline.is_some_and(|m| m.better == metric::Better::More) { "right" } else { "left" };
    let says = format!(
        "Each arm's {title} divided by that of {} in the same block: the median over the blocks, and the 95 % interval. {} of the line at 1 is better.{drawn}",
        comparison.baseline,
        capital(good)
    );
    Chart::drawn("forest", &caption, says, &plot, table)
        .with_legend(series.legend(view.record.header.arms.iter().map(|arm| arm.head())))
}

/// With a capital letter at its beginning.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
