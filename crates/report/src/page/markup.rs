//! Renders charts, tables and facts as HTML. All text of records passes through `escape`.

use super::chart::{Chart, Table};
use super::escape::escape;

/// Returns whether a cell is a number, which is aligned right.
fn is_number(cell: &str) -> bool {
    cell.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '±')
        && cell.chars().count() < 26
}

/// Number of rows from which a table scrolls within its own box.
const SCROLL_ROWS: usize = 40;

/// Maximum number of rows of a table and lines of a list.
pub(super) const MAX_ROWS: usize = 2000;

/// Returns a note on the rows or lines beyond [`MAX_ROWS`].
pub(super) fn more(n: usize) -> Option<String> {
    n.checked_sub(MAX_ROWS).filter(|rest| *rest > 0).map(|rest| format!("… and {rest} more"))
}

/// Number of characters of a cell up to which it stays on one line.
const MAX_UNBROKEN: usize = 26;

/// Renders a cell. Figures and short texts stay on one line. In a narrow column, a pair of figures
/// breaks at its arrow and a figure before its interval; long texts wrap.
fn cell(text: &str, first: bool, number: bool) -> String {
    let letters = text.chars().count();
    let parts = match () {
        () if first || letters > 2 * MAX_UNBROKEN => vec![text],
        () => parts(text),
    };
    let class = match (number, parts.len() > 1) {
        _ if first && letters > 2 * MAX_UNBROKEN => " class=\"w\"",
        _ if first => "",
        (true, false) => " class=\"n\"",
        (true, true) => " class=\"n m\"",
        (false, true) => " class=\"m\"",
        (false, false) if letters > MAX_UNBROKEN => " class=\"w\"",
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

/// Splits a cell where a line may break: `2.1 ms`, `→ 4.3 ms`, `(1.2–3.4)`.
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

/// Renders the key figures of a record, one per row of the table.
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

/// Number of hazards shown initially; the others can be opened.
const MAX_OPEN_HAZARDS: usize = 8;

/// Renders the section of hazards, also if there are none.
pub(super) fn hazards(lines: &[String]) -> String {
    let mut html = "<section class=\"hazards\"><h3>Hazards</h3>".to_string();
    match lines.split_at_checked(MAX_OPEN_HAZARDS) {
        _ if lines.is_empty() => html.push_str("<p>No hazards.</p>"),
        Some((first, rest)) if !rest.is_empty() => {
            html.push_str(&list("", first));
            let shown = rest.get(..MAX_ROWS - MAX_OPEN_HAZARDS).unwrap_or(rest);
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

/// Renders a table. Optional end tags are left out: a page of a hundred records has many.
pub(super) fn table(table: &Table, name: &str) -> String {
    if table.rows.is_empty() {
        return String::new();
    }
    let tall = if table.rows.len() > SCROLL_ROWS { " tall" } else { "" };
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
    for row in table.rows.iter().take(MAX_ROWS) {
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

/// Renders a chart with its legend, description and table.
pub(super) fn chart(chart: &Chart) -> String {
    let mut html = format!("<figure class=\"chart\" data-chart=\"{}\"><figcaption>", chart.kind);
    html.push_str(&format!(
        "<h3>{}</h3><p>{}</p></figcaption>",
        escape(&chart.title),
        escape(&chart.description)
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

/// Renders sentences as a list.
pub(super) fn list(class: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let items = lines.iter().take(MAX_ROWS).map(|l| format!("<li>{}", with_code(&escape(l))));
    let items: String = items.chain(more(lines.len()).map(|m| format!("<li>{m}"))).collect();
    format!("<ul class=\"{class}\">{items}</ul>")
}

/// Marks what pairs of backticks enclose as code.
fn with_code(escaped: &str) -> String {
    let mut parts: Vec<&str> = escaped.split('`').collect();
    // A backtick without a partner is text.
    let rest = if parts.len().is_multiple_of(2) { parts.pop() } else { None };
    let mark = |(index, part): (usize, &&str)| match index % 2 {
        0 => part.to_string(),
        _ => format!("<code>{part}</code>"),
    };
    let marked: String = parts.iter().enumerate().map(mark).collect();
    marked + &rest.map_or(String::new(), |rest| format!("`{rest}"))
}

/// Renders names and values.
pub(super) fn facts(facts: &[(String, String)]) -> String {
    let items =
        facts.iter().take(MAX_ROWS).map(|(k, v)| format!("<dt>{}<dd>{}", escape(k), escape(v)));
    format!("<dl>{}</dl>", items.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pairs_of_backticks_are_code() {
        assert_eq!(with_code("run `a b` or `c`"), "run <code>a b</code> or <code>c</code>");
        for text in ["", "a b", "a ` b", "`"] {
            assert_eq!(with_code(text), text);
        }
        assert_eq!(with_code("`a` ` b"), "<code>a</code> ` b");
    }

    #[test]
    fn cells_break_only_between_figures() {
        assert_eq!(parts("27.9 MiB → 1.02 GiB"), ["27.9 MiB", "→ 1.02 GiB"]);
        assert_eq!(parts("1.58 (0.16–8.05)"), ["1.58", "(0.16–8.05)"]);
        assert_eq!(parts("1 s → 2 s (× 2.0)"), ["1 s", "→ 2 s", "(× 2.0)"]);
        for whole in ["", "x", "(", " (", "inconclusive", "→", "é(", "(a) b"] {
            assert_eq!(parts(whole), [whole]);
        }
    }
}
