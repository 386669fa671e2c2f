//! HTML from charts, tables and facts. Everything that comes from a record passes through `escape`.

use super::chart::{Chart, Table};
use super::escape::escape;

/// Whether a cell reads as a number and so is set flush right.
fn is_number(cell: &str) -> bool {
    cell.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '±') && cell.chars().count() < 26
}

/// Rows from which a table scrolls by itself, so that what comes after it can be reached.
const TALL: usize = 40;

/// Rows of a table and lines of a list that are shown.
pub(super) const MOST: usize = 2000;

/// A word on the rest of `n` rows or lines, if there is a rest.
pub(super) fn more(n: usize) -> Option<String> {
    n.checked_sub(MOST).filter(|rest| *rest > 0).map(|rest| format!("… and {rest} more"))
}

/// A table. Ends of rows and cells are left out, as HTML allows: a page of a hundred records has many.
pub(super) fn table(table: &Table, name: &str) -> String {
    if table.rows.is_empty() {
        return String::new();
    }
    let tall = if table.rows.len() > TALL { " tall" } else { "" };
    let mut html = format!(
        "<div class=\"scroll{tall}\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table><thead><tr>",
        escape(name)
    );
    let number = |column: usize| {
        column > 0 && table.rows.iter().all(|r| r.get(column).is_none_or(|c| c.is_empty() || is_number(c)))
    };
    let numbers: Vec<bool> = (0..table.head.len()).map(number).collect();
    for (head, number) in table.head.iter().zip(&numbers) {
        html.push_str(if *number { "<th scope=\"col\" class=\"n\">" } else { "<th scope=\"col\">" });
        html.push_str(&escape(head));
    }
    html.push_str("<tbody>");
    for row in table.rows.iter().take(MOST) {
        html.push_str("<tr>");
        for (i, (cell, number)) in row.iter().zip(&numbers).enumerate() {
            html.push_str(match (i, number) {
                (0, _) => "<th scope=\"row\">",
                (_, true) => "<td class=\"n\">",
                // Long words may take several lines, figures and short words one.
                _ if cell.chars().count() > 26 => "<td class=\"w\">",
                _ => "<td>",
            });
            html.push_str(&escape(cell));
        }
    }
    if let Some(more) = more(table.rows.len()) {
        html.push_str(&format!("<tr><th scope=\"row\">{more}"));
    }
    html.push_str("</table></div>");
    html
}

/// A chart, its legend, what it says, its numbers.
pub(super) fn chart(chart: &Chart) -> String {
    let mut html = format!("<figure class=\"chart\" data-chart=\"{}\"><figcaption>", chart.kind);
    html.push_str(&format!("<h3>{}</h3><p>{}</p></figcaption>", escape(&chart.title), escape(&chart.says)));
    if let Some(svg) = &chart.svg {
        html.push_str("<div class=\"drawing\">");
        if chart.legend.len() > 1 {
            html.push_str("<ul class=\"legend\">");
            for (series, name) in &chart.legend {
                html.push_str(&format!("<li class=\"s{series}\">{}</li>", escape(name)));
            }
            html.push_str("</ul>");
        }
        html.push_str(svg);
        html.push_str("</div>");
    }
    html.push_str(&table(&chart.table, &chart.title));
    html.push_str("</figure>");
    html
}

/// Sentences as a list.
pub(super) fn list(class: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let items = lines.iter().take(MOST).map(|l| format!("<li>{}", escape(l)));
    let items: String = items.chain(more(lines.len()).map(|m| format!("<li>{m}"))).collect();
    format!("<ul class=\"{class}\">{items}</ul>")
}

/// Names and values.
pub(super) fn facts(facts: &[(String, String)]) -> String {
    let items = facts.iter().take(MOST).map(|(k, v)| format!("<dt>{}<dd>{}", escape(k), escape(v)));
    format!("<dl>{}</dl>", items.collect::<String>())
}
