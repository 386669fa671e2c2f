//! The same in Markdown, for a pull request or a page of documentation: words and tables, no
//! drawing.

use super::chart::{Series, Table};
use super::escape::markdown as safe;
use super::markup::{MOST, more};
use super::{Page, charts, doubts, doubts_of_all, facts, key, overview, pair, study, title};
use crate::{Source, sentences};

/// Everything in Markdown (GitHub's, for the tables).
pub fn markdown(page: Page<'_>) -> String {
    let several = page.sources.len() > 1;
    let series = Series::of(page.sources.iter().map(Source::view));
    let (pairs, alone) = page.pairs();
    let changes = if pairs.is_empty() { Vec::new() } else { pair::words(&pairs) };
    let mut text = format!("# {}\n\n", safe(&title(page, &changes)));
    list(&mut text, page.refused);
    list(&mut text, &alone);
    if let Some(first) = pairs.first() {
        text.push_str("## Side by side\n\n");
        let [old, new] = [first.old, first.new].map(|s| safe(&s.path.display().to_string()));
        text.push_str(&format!("First: {old}, second: {new}.\n\n"));
        if pairs.len() == 1 {
            rows(&mut text, &pair::three(*first));
            hazards(&mut text, &pair::doubts(*first));
        }
        list(&mut text, &changes);
        for chart in pair::charts(&pairs, &series) {
            titled(&mut text, 3, &chart.title, &chart.says, &chart.table);
        }
        if pairs.len() == 1 {
            titled(&mut text, 3, "Further figures", "", &pair::figures(*first));
        }
        titled(&mut text, 3, "What else differs", "", &pair::differences(*first));
    }
    if let Some(study) = page.study {
        rows(&mut text, &study.three());
        hazards(&mut text, &study.cautions);
        list(&mut text, &study.findings);
        for chapter in &study.chapters {
            let chart = study::chart(study, chapter, &series);
            titled(&mut text, 2, &chart.title, &chart.says, &chart.table);
            list(&mut text, &chapter.words);
        }
    } else if several && pairs.is_empty() {
        rows(&mut text, &overview::figures(page.sources));
        hazards(&mut text, &doubts_of_all(page.sources));
        list(&mut text, &overview::words(page.sources));
        let chart = overview::chart(page.sources, &series);
        titled(&mut text, 2, &chart.title, &chart.says, &chart.table);
    }
    for source in page.sources {
        if several {
            text.push_str(&format!("## {}\n\n", safe(&source.title)));
        }
        record(&mut text, source, &series);
    }
    text.trim_end().to_string() + "\n"
}

fn record(text: &mut String, source: &Source, series: &Series) {
    let view = source.view();
    list(text, &facts::cautions(source));
    rows(text, &key::figures(view));
    hazards(text, &doubts(view));
    list(text, &sentences(view));
    for chart in charts(view, series) {
        titled(text, 3, &chart.title, &chart.says, &chart.table);
    }
    titled(text, 3, "Pythons", "", &facts::pythons(view));
    let mut machine = Table::new(["machine", ""]);
    machine.rows = facts::machine(view).into_iter().map(|(k, v)| vec![k, v]).collect();
    titled(text, 3, "Machine", "", &machine);
}

/// What puts the figures in doubt; that there is nothing is said too.
fn hazards(text: &mut String, lines: &[String]) {
    text.push_str("### Hazards\n\n");
    if lines.is_empty() {
        text.push_str("No hazard was seen.\n\n");
    }
    list(text, lines);
}

fn list(text: &mut String, lines: &[String]) {
    lines.iter().take(MOST).for_each(|line| text.push_str(&format!("- {}\n", safe(line))));
    if let Some(more) = more(lines.len()) {
        text.push_str(&format!("- {more}\n"));
    }
    if !lines.is_empty() {
        text.push('\n');
    }
}

fn titled(text: &mut String, level: usize, title: &str, says: &str, table: &Table) {
    text.push_str(&format!("{} {}\n\n", "#".repeat(level), safe(title)));
    if !says.is_empty() {
        text.push_str(&format!("{}\n\n", safe(says)));
    }
    rows(text, table);
}

fn rows(text: &mut String, table: &Table) {
    if table.rows.is_empty() {
        return;
    }
    let row = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|c| safe(c)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    text.push_str(&row(&table.head));
    text.push_str(&format!("|{}\n", " --- |".repeat(table.head.len())));
    table.rows.iter().take(MOST).for_each(|cells| text.push_str(&row(cells)));
    if let Some(more) = more(table.rows.len()) {
        text.push_str(&format!("\n{more}\n"));
    }
    text.push('\n');
}
