//! HTML from charts, tables and facts. Everything that comes from a record passes through `escape`.

use super::chart::{Chart, Table};
use super::escape::escape;

/// Whether a cell reads as a number and so is set flush right.
fn is_number(cell: &str) -> bool {
    cell.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '±')
        && cell.chars().count() < 26
}

/// Rows from which a table scrolls by itself, so that what comes after it can be reached.
const TALL: usize = 40;

/// Rows of a table and lines of a list that are shown.
pub(super) const MOST: usize = 2000;

/// A word on the rest of `n` rows or lines, if there is a rest.
pub(super) fn more(n: usize) -> Option<String> {
    n.checked_sub(MOST).filter(|rest| *rest > 0).map(|rest| format!("… and {rest} more"))
}

/// Letters of a cell that stay on one line.
const ONE_LINE: usize = 26;

/// A cell. Figures and short words stay on one line; where there is no room a pair of figures
/// breaks at its arrow and a figure before its interval, and long words take several lines.
fn cell(text: &str, first: bool, number: bool) -> String {
    let letters = text.chars().count();
    let parts = match () {
        () if first || letters > 2 * ONE_LINE => vec![text],
        () => parts(text),
    };
    let class = match (number, parts.len() > 1) {
        _ if first && letters > 2 * ONE_LINE => " class=\"w\"",
        _ if first => "",
        (true, false) => " class=\"n\"",
        (true, true) => " class=\"n m\"",
        (false, true) => " class=\"m\"",
        (false, false) if letters > ONE_LINE => " class=\"w\"",
        (false, false) => "",
    };
    let open = if first { format!("<th scope=\"row\"{class}>") } else { format!("<td{class}>") };
    match parts.as_slice() {
        [one] => format!("{open}{}", escape(one)),
        many => {
            let parts: Vec<String> =
                many.iter().map(|part| format!("<span>{}</span>", escape(part))).collect();
            format!("{open}{}", parts.join(" "))
        }
    }
}

/// The parts of a cell between which a line may end: `2.1 ms`, `→ 4.3 ms`, `(1.2–3.4)`.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    let gap = |text: &str| {
        [" → ", " ("].iter().filter_map(|gap| text.find(gap)).filter(|at| *at > 0).min()
    };
    while let Some((part, next)) = gap(rest).and_then(|at| rest.split_at_checked(at)) {
        parts.push(part);
        rest = next.trim_start();
    }
    parts.push(rest);
    parts
}

/// The three figures at the head of a record, from a table with a row for each.
pub(super) fn figures(table: &Table) -> String {
    let mut html = "<dl class=\"figures\">".to_string();
    let names = table.head.get(1..).unwrap_or_default();
    for row in &table.rows {
        let [title, value, others @ ..] = row.as_slice() else { continue };
        let of = names.first().map_or("", String::as_str);
        html.push_str(&format!(
            "<div><dt>{}, {}<dd><strong>{}</strong>",
            escape(title),
            escape(of),
            escape(value)
        ));
        for (name, other) in names.iter().skip(1).zip(others) {
            html.push_str(&format!("<dd>{} {}", escape(name), escape(other)));
        }
        html.push_str("</div>");
    }
    html.push_str("</dl>");
    html
}

/// Hazards that are shown at once; the others open on demand.
const AT_ONCE: usize = 8;

/// Hazards with their heading; that there are none is said too.
pub(super) fn hazards(lines: &[String]) -> String {
    let mut html = "<section class=\"hazards\"><h3>Hazards</h3>".to_string();
    match lines.split_at_checked(AT_ONCE) {
        _ if lines.is_empty() => html.push_str("<p>No hazard was seen.</p>"),
        Some((first, rest)) if !rest.is_empty() => {
            html.push_str(&list("", first));
            let shown = rest.get(..MOST - AT_ONCE).unwrap_or(rest);
            html.push_str(&format!(
                "<details><summary>{} more</summary>{}",
                rest.len(),
                list("", shown)
            ));
            if let Some(more) = more(lines.len()) {
                html.push_str(&format!("<p>{more}</p>"));
            }
            html.push_str("</details>");
        }
        _ => html.push_str(&list("", lines)),
    }
    html.push_str("</section>");
    html
}

/// A table. Ends of rows and cells are left out, as HTML allows: a page of a hundred records has
/// many.
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
        column > 0
            && table.rows.iter().all(|r| r.get(column).is_none_or(|c| c.is_empty() || is_number(c)))
    };
    let numbers: Vec<bool> = (0..table.head.len()).map(number).collect();
    for (head, number) in table.head.iter().zip(&numbers) {
        html.push_str(if *number {
            "<th scope=\"col\" class=\"n\">"
        } else {
            "<th scope=\"col\">"
        });
        html.push_str(&escape(head));
    }
    html.push_str("<tbody>");
    for row in table.rows.iter().take(MOST) {
        html.push_str("<tr>");
        for (i, (text, number)) in row.iter().zip(&numbers).enumerate() {
            html.push_str(&cell(text, i == 0, *number));
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
    html.push_str(&format!(
        "<h3>{}</h3><p>{}</p></figcaption>",
        escape(&chart.title),
        escape(&chart.says)
    ));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_end_between_figures_and_nowhere_else() {
        assert_eq!(parts("27.9 MiB → 1.02 GiB"), ["27.9 MiB", "→ 1.02 GiB"]);
        assert_eq!(parts("1.58 (0.16–8.05)"), ["1.58", "(0.16–8.05)"]);
        assert_eq!(parts("1 s → 2 s (× 2.0)"), ["1 s", "→ 2 s", "(× 2.0)"]);
        for whole in ["", "x", "(", " (", "inconclusive", "→", "é(", "(a) b"] {
            assert_eq!(parts(whole), [whole]);
        }
    }
}
