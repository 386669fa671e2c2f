//! The page: one HTML file that needs nothing but itself. Words, charts with their numbers, the
//! machine, every run, the records.
//!
//! Charts are SVG in the page, so that it is whole on paper and without a script; the script sorts
//! and filters the runs and gives the records out. Everything a record says is untrusted: it is
//! escaped, bounded, and may run nothing (a policy in the page allows its own script and style by
//! their hashes and no request at all).

mod canvas;
mod carry;
mod changes;
mod chart;
mod cores;
mod costs;
mod escape;
mod facts;
mod key;
mod markdown;
mod markup;
mod overview;
mod pair;
mod pictures;
mod plot;
mod ratios;
mod scaling;
mod service;
mod study;

use crate::{Source, View, hazards, sentences};
use chart::{Chart, Series};
use escape::{escape, in_script};
pub(crate) use facts::name;
pub use markdown::markdown;
use pair::Two;
pub use pictures::{Picture, pictures};
use serde_json::json;
use sha2::{Digest, Sha256};
pub use study::{Beside, Chapter, Study};
use ungil_experiment::comparison::ArmFigures;
use ungil_experiment::metric::{METRICS, Unit};
use ungil_format::counted;

/// Colours and marks, which a chart in a file of its own has too, and the rest of the page.
const STYLE: &str = concat!(include_str!("page/chart.css"), include_str!("page/style.css"));
const SCRIPT: &str = include_str!("page/page.js");

/// Records from which their details are packed: they are drawn when they are opened or printed.
const MANY: usize = 13;

/// What a page is made of.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// The records; at least one.
    pub sources: &'a [Source],
    /// What could not be read, in words.
    pub refused: &'a [String],
    /// Where the second of two things to be set side by side begins among the records; `None` where
    /// nothing is compared.
    pub second: Option<usize>,
    /// What the records say together, if they are those of one study.
    pub study: Option<&'a Study>,
}

/// Every chart of a record that its runs allow.
fn charts(view: View<'_>, series: &Series) -> Vec<Chart> {
    let mut charts = vec![ratios::chart(view, series)];
    charts.extend(service::charts(view, series));
    charts.extend(scaling::charts(view, series));
    charts.extend([
        costs::memory(view, series),
        costs::energy(view, series),
        costs::waits(view, series),
    ]);
    charts.extend(cores::charts(view, series));
    charts.push(Chart::numbers("figures", "Every figure", key::of_every(view), key::every(view)));
    charts
}

/// Returns what puts the figures of a record in doubt: arms that failed, and hazards.
pub(crate) fn doubts(view: View<'_>) -> Vec<String> {
    let failed = |a: &ArmFigures| Some(format!("{} failed: {}", a.arm, a.failed.as_ref()?));
    view.comparison.arms.iter().filter_map(failed).chain(hazards::lines(view)).collect()
}

/// The hazards of all records, each with what the record is called.
fn doubts_of_all(sources: &[Source]) -> Vec<String> {
    let of = |s: &Source| -> Vec<String> {
        doubts(s.view()).iter().map(|line| format!("{}: {line}", s.title)).collect()
    };
    sources.iter().flat_map(of).collect()
}

/// Letters of a page's title.
const TITLE: usize = 160;

/// Returns the beginning of a text: up to a bracket, a semicolon or the end of the sentence.
fn brief(sentence: &str) -> &str {
    let end = [" (", ";", ". "]
        .iter()
        .filter_map(|stop| sentence.find(stop))
        .min()
        .unwrap_or(sentence.len());
    sentence.get(..end).unwrap_or(sentence).trim_end_matches('.')
}

/// What ran, and the verdict.
fn title(page: Page<'_>, changes: &[String]) -> String {
    let first = |said: &[String]| said.first().map_or_else(String::new, |s| brief(s).to_string());
    let mut names: Vec<String> =
        page.sources.iter().map(|s| name(&s.record.header.workload)).collect();
    names.dedup();
    let names = names.join(", ");
    let several = format!("{} records", page.sources.len());
    let (what, verdict) = match (page.study, page.sources) {
        (Some(study), _) => (study.name(), first(&study.findings)),
        (None, [one]) => (names, first(&sentences(one.view()))),
        (None, all) => {
            let what = if names.chars().count() <= TITLE / 2 { names } else { several };
            (what, if changes.is_empty() { overview::verdict(all) } else { first(changes) })
        }
    };
    facts::elide(&format!("{what}: {verdict}"), TITLE)
}

/// The page as HTML.
pub fn html(page: Page<'_>) -> String {
    let several = page.sources.len() > 1;
    let series = Series::of(page.sources.iter().map(Source::view));
    let (pairs, alone) = page.pairs();
    let changes = if pairs.is_empty() { Vec::new() } else { pair::words(&pairs) };
    let title = title(page, &changes);
    let title = escape(&title);
    let mut body = format!(
        "<header><h1>{title}</h1><p class=\"dim\">{}</p></header><main>",
        escape(&about(page))
    );
    body.push_str(&markup::list("caution", page.refused));
    body.push_str(&markup::list("caution", &alone));
    body.push_str(&differences(&pairs, &changes, &series));
    // A study has its own words on all of its records; two records that are compared need no
    // overview.
    if let Some(study) = page.study {
        body.push_str(&of_study(study, &series));
    } else if several && page.sources.len() > pairs.len() * 2 || pairs.len() > 1 {
        body.push_str("<section id=\"overview\">");
        body.push_str(&markup::table(&overview::figures(page.sources), "Three figures"));
        body.push_str(&markup::hazards(&doubts_of_all(page.sources)));
        body.push_str(&markup::list("words", &overview::words(page.sources)));
        body.push_str(&markup::chart(&overview::chart(page.sources, &series)));
        body.push_str("</section>");
    }
    let packed = page.sources.len() >= MANY;
    let mut details = Vec::new();
    for (i, source) in page.sources.iter().enumerate() {
        let inner = section(source, &series);
        if !several {
            body.push_str(&inner);
            continue;
        }
        let said = sentences(source.view());
        let first = said.first().map_or("", String::as_str);
        body.push_str(&format!(
            "<details class=\"record\" id=\"record-{i}\"{}><summary><h2>{}</h2> <span>{}</span></summary><div class=\"inner\">",
            if packed { "" } else { " open" },
            escape(&source.title),
            escape(first)
        ));
        if packed {
            details.push(inner);
            body.push_str("<noscript>This part needs the page's script.</noscript>");
        } else {
            body.push_str(&inner);
        }
        body.push_str("</div></details>");
    }
    let carried = carry::pack(page.sources);
    body.push_str(&runs(several));
    body.push_str("<section id=\"records\"><h2>The records</h2><p>");
    body.push_str(match &carried.note {
        Some(_) => "What this page is made of. ",
        None => "What this page is made of, byte for byte. ",
    });
    body.push_str(&escape(carried.note.as_deref().unwrap_or_default()));
    body.push_str("</p><ul id=\"files\"></ul></section></main>");
    body.push_str(&format!(
        "<footer class=\"dim\">Made by ungil {} from {}. Ratios are medians over blocks with 95 % bootstrap intervals; a difference is claimed only from five blocks on and where the intervals lie beyond the metric's margin.</footer>",
        env!("CARGO_PKG_VERSION"),
        counted(page.sources.len(), "record")
    ));
    let packed_details = serde_json::to_string(&details).unwrap_or_default();
    let details = if details.is_empty() {
        String::new()
    } else {
        carry::base64(&carry::gzip(&[packed_details]))
    };
    let data = json!({ "records": carried.manifest, "columns": columns() });
    let hash = |text: &str| carry::base64(&Sha256::digest(text.as_bytes()));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; base-uri 'none'; form-action 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n\
         <script type=\"application/json\" id=\"data\">{}</script>\n<script type=\"text/plain\" id=\"packed\">{}</script>\n\
         <script type=\"text/plain\" id=\"details\">{details}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        hash(SCRIPT),
        hash(STYLE),
        in_script(&data.to_string()),
        carried.blob
    )
}

impl<'a> Page<'a> {
    /// The records that are compared with each other, and a word on those that have no partner.
    fn pairs(&self) -> (Vec<Two<'a>>, Vec<String>) {
        let parts = self.second.and_then(|at| self.sources.split_at_checked(at));
        parts.map_or_else(Default::default, |(old, new)| pair::pairs(old, new))
    }
}

/// What two records, or the records of two folders, say of each other.
fn differences(pairs: &[Two<'_>], changes: &[String], series: &Series) -> String {
    let Some(first) = pairs.first() else { return String::new() };
    let mut html = format!(
        "<section id=\"differences\"><h2>Side by side</h2><p>First: {}, second: {}.</p>",
        escape(&first.old.path.display().to_string()),
        escape(&first.new.path.display().to_string())
    );
    if let [two] = pairs {
        html.push_str(&markup::table(&pair::three(*two), "Three figures"));
        html.push_str(&markup::hazards(&pair::doubts(*two)));
    }
    html.push_str(&markup::list("words", changes));
    for chart in pair::charts(pairs, series) {
        html.push_str(&markup::chart(&chart));
    }
    if let [two] = pairs {
        html.push_str("<h3>Further figures</h3>");
        html.push_str(&markup::table(&pair::figures(*two), "Further figures"));
    }
    html.push_str("<h3>What else differs</h3>");
    html.push_str(&markup::table(&pair::differences(*first), "What else differs"));
    html.push_str("</section>");
    html
}

/// A study: its figures, what puts them in doubt, its findings, its chapters.
fn of_study(study: &Study, series: &Series) -> String {
    let mut html = "<section id=\"study\">".to_string();
    html.push_str(&markup::table(&study.three(), "Three figures"));
    html.push_str(&markup::hazards(&study.cautions));
    html.push_str(&markup::list("words", &study.findings));
    for chapter in &study.chapters {
        html.push_str(&markup::chart(&study::chart(study, chapter, series)));
        html.push_str(&markup::list("words", &chapter.words));
    }
    html.push_str("</section>");
    html
}

/// One line under the heading.
fn about(page: Page<'_>) -> String {
    let Some(first) = page.sources.first() else { return "no record".into() };
    let header = &first.record.header;
    let cpu = if header.machine.cpu.is_empty() {
        "a processor that does not name itself"
    } else {
        &header.machine.cpu
    };
    let what = match page.sources.len() {
        1 => facts::command(&header.workload),
        n => counted(n, "record"),
    };
    format!("{what} · {cpu}, {} · {}", counted(header.machine.cpus, "core"), header.started)
}

/// All about one record: its three figures, its hazards, its words; then the charts, and what it
/// was measured on.
fn section(source: &Source, series: &Series) -> String {
    let view = source.view();
    let mut html = markup::list("caution", &facts::cautions(source));
    html.push_str(&markup::figures(&key::figures(view)));
    html.push_str(&markup::hazards(&doubts(view)));
    html.push_str(&markup::list("words", &sentences(view)));
    for chart in charts(view, series) {
        html.push_str(&markup::chart(&chart));
    }
    html.push_str("<section class=\"about\"><h3>Pythons</h3>");
    html.push_str(&markup::table(&facts::pythons(view), "Pythons"));
    html.push_str("<h3>Machine</h3>");
    html.push_str(&markup::facts(&facts::machine(view)));
    html.push_str("</section>");
    html
}

/// The frame of the table of runs; the script fills it.
fn runs(several: bool) -> String {
    let example = if several { "a record, an arm, failed" } else { "an arm, failed, block 3" };
    format!(
        "<section id=\"runs\"><h2>Every run</h2><noscript><p>This table needs the page's script; the runs are in the record.</p></noscript>\
         <form class=\"controls\" role=\"search\"><label>Show only <input id=\"filter\" type=\"search\" placeholder=\"{example}\" autocomplete=\"off\"></label> <span id=\"count\" role=\"status\"></span></form>\
         <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Every run\"><table id=\"run-table\"><thead></thead><tbody></tbody></table></div>\
         <p><button type=\"button\" id=\"more\" hidden></button></p></section>"
    )
}

/// How the script shows metrics: key, title, unit.
fn columns() -> Vec<serde_json::Value> {
    let unit = |u: Unit| match u {
        Unit::Seconds => "s",
        Unit::Bytes => "B",
        Unit::Joules => "J",
        Unit::PerSecond => "/s",
        Unit::Share => "%",
        Unit::Number => "",
    };
    METRICS.iter().map(|m| json!([m.key, m.title, unit(m.unit)])).collect()
}
