//! Plain-text tables that fit a width: columns are left out by importance, and rows never wrap.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Blanks between two columns.
const GAP: usize = 2;
/// Characters that remain of a shortened cell.
const MIN_CELL: usize = 8;

/// Alignment of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

#[derive(Debug, Clone)]
struct TableColumn {
    heading: String,
    align: Align,
    /// `None` for a column that is never left out.
    importance: Option<u32>,
    cells: Vec<String>,
}

/// A table, built column by column.
#[derive(Debug, Clone, Default)]
pub struct TextTable {
    columns: Vec<TableColumn>,
}

/// A table that fits a width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitted {
    /// The rows, each with its newline and without trailing blanks.
    pub text: String,
    /// Headings of the columns that were left out, from left to right.
    pub left_out: Vec<String>,
}

impl TextTable {
    /// Returns a table without columns.
    #[must_use]
    pub fn new() -> TextTable {
        TextTable::default()
    }

    /// Adds a column that is always shown. Cells must not contain newlines.
    pub fn add(&mut self, heading: impl Into<String>, align: Align, cells: Vec<String>) {
        self.columns.push(TableColumn { heading: heading.into(), align, importance: None, cells });
    }

    /// Adds a column that may be left out: the one with the lowest `importance` first, and of equal
    /// ones the last.
    pub fn add_optional(
        &mut self,
        importance: u32,
        heading: impl Into<String>,
        align: Align,
        cells: Vec<String>,
    ) {
        let importance = Some(importance);
        self.columns.push(TableColumn { heading: heading.into(), align, importance, cells });
    }

    /// Renders the table in at most `width` columns of the terminal; `None` is unlimited.
    ///
    /// Optional columns are left out until the rest fits. If the columns that are always shown are
    /// still too wide, the widest text columns are shortened, and as a last resort rows are cut.
    #[must_use]
    pub fn fit(&self, width: Option<usize>) -> Fitted {
        let limit = width.unwrap_or(usize::MAX);
        let mut shown: Vec<&TableColumn> = self.columns.iter().collect();
        while total(&shown) > limit {
            let optional = shown.iter().enumerate().filter(|(_, c)| c.importance.is_some());
            // `rev`: of equally important columns the last.
            let Some((at, _)) = optional.rev().min_by_key(|(_, c)| c.importance) else { break };
            shown.remove(at);
        }
        let is_shown = |c: &TableColumn| shown.iter().any(|s| std::ptr::eq(*s, c));
        let left_out = self.columns.iter().filter(|c| !is_shown(c));
        let left_out = left_out.map(|c| c.heading.clone()).collect();
        let widths = shortened(&shown, limit);
        let rows = shown.iter().map(|c| c.cells.len()).max().unwrap_or(0);
        let mut text = String::new();
        for row in 0..=rows {
            let cells = shown.iter().zip(&widths).map(|(c, width)| c.padded(row, *width));
            let line = cells.collect::<Vec<_>>().join(&" ".repeat(GAP));
            text.push_str(elided(line.trim_end(), limit).trim_end());
            text.push('\n');
        }
        Fitted { text, left_out }
    }
}

impl Fitted {
    /// Returns a line that names the columns left out, and `how` to see them; empty if there are
    /// none.
    #[must_use]
    pub fn note(&self, how: &str) -> String {
        match self.left_out.as_slice() {
            [] => String::new(),
            names => format!("Left out: {}; see {how}\n", names.join(", ")),
        }
    }
}

impl TableColumn {
    fn width(&self) -> usize {
        let cells = self.cells.iter().chain([&self.heading]);
        cells.map(|text| text.width()).max().unwrap_or(0)
    }

    /// Returns a cell, padded or shortened to a width. Row 0 is the heading.
    fn padded(&self, row: usize, width: usize) -> String {
        let cell = match row.checked_sub(1) {
            None => self.heading.as_str(),
            Some(row) => self.cells.get(row).map_or("", String::as_str),
        };
        let cell = elided(cell, width);
        let padding = " ".repeat(width.saturating_sub(cell.width()));
        match self.align {
            Align::Left => cell + &padding,
            Align::Right => padding + &cell,
        }
    }
}

fn total(columns: &[&TableColumn]) -> usize {
    let gaps = columns.len().saturating_sub(1) * GAP;
    columns.iter().map(|c| c.width()).sum::<usize>() + gaps
}

/// Returns the widths of the columns; text columns are narrowed, the widest first, until the table
/// fits.
fn shortened(columns: &[&TableColumn], limit: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = columns.iter().map(|c| c.width()).collect();
    let mut excess = total(columns).saturating_sub(limit);
    while excess > 0 {
        let text = widths.iter_mut().zip(columns).filter(|(_, c)| c.align == Align::Left);
        let widest = text.map(|(width, _)| width).max().filter(|width| **width > MIN_CELL);
        let Some(widest) = widest else { break };
        *widest -= 1;
        excess -= 1;
    }
    widths
}

/// Returns a text of at most `width` columns: the beginning and the end of a longer one, with `…`
/// between.
fn elided(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.into();
    }
    let taken = |letters: &mut dyn Iterator<Item = char>, room: usize| {
        let mut used = 0;
        let fits = |letter: &char| {
            used += UnicodeWidthChar::width(*letter).unwrap_or(0);
            used <= room
        };
        letters.take_while(fits).collect::<String>()
    };
    let kept = width.saturating_sub(1);
    let head = taken(&mut text.chars(), kept.div_ceil(2));
    let tail = taken(&mut text.chars().rev(), kept / 2);
    format!("{head}…{}", tail.chars().rev().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(cells: &[&str]) -> Vec<String> {
        cells.iter().map(ToString::to_string).collect()
    }

    /// A table like that of `compare`, with names of any length.
    fn table(names: [&str; 2]) -> TextTable {
        let mut table = TextTable::new();
        table.add("arm", Align::Left, texts(&names));
        table.add("time ms", Align::Right, texts(&["45.6", "312"]));
        table.add("ratio", Align::Right, texts(&["1", "6.84"]));
        table.add_optional(9, "95 % CI", Align::Left, texts(&["", "6.10–7.20"]));
        table.add_optional(10, "verdict", Align::Left, texts(&["baseline", "inconclusive"]));
        table.add_optional(5, "CPU ms", Align::Right, texts(&["44.0", "300"]));
        for title in ["cores", "RSS MiB", "PSS MiB", "energy J", "GC ms", "start-up ms"] {
            table.add_optional(1, title, Align::Right, texts(&["1.00", "12345"]));
        }
        table
    }

    #[test]
    fn no_row_is_wider_than_the_terminal() {
        let long = "a program with a very long name, longer than most terminals are wide by far";
        for names in
            [["3.14/1", "3.14t/2"], ["3.14t/interpreters/12", "x"], [long, "日本語/日本語/16"]]
        {
            let table = table(names);
            for width in 40..=200 {
                let fitted = table.fit(Some(width));
                let lines: Vec<&str> = fitted.text.lines().collect();
                assert_eq!(lines.len(), 3, "{}", fitted.text);
                for line in &lines {
                    assert!(line.width() <= width, "{width}: {line}");
                }
                let heads = lines[0].matches("  ").count();
                assert!(heads > 0 && lines[2].contains("312"), "{width}: {}", fitted.text);
                assert!(fitted.text.lines().all(|l| l.trim_end() == l));
            }
            assert!(table.fit(None).left_out.is_empty());
        }
    }

    #[test]
    fn more_width_never_shows_less() {
        let table = table(["3.14t/interpreters/12", "3.14/1"]);
        let left_out = |width| table.fit(Some(width)).left_out.len();
        assert!((40..200).all(|width| left_out(width) >= left_out(width + 1)));
        assert_eq!((left_out(200), left_out(40) > 6), (0, true));
    }

    #[test]
    fn the_least_important_column_is_left_out_first() {
        let table = table(["3.14/1", "3.14t/2"]);
        let all = table.fit(None);
        let widest = all.text.lines().map(|l| l.width()).max().unwrap_or(0);
        let fitted = table.fit(Some(widest - 1));
        assert_eq!(fitted.left_out, ["start-up ms"], "of equally important ones the last");
        let fitted = table.fit(Some(40));
        assert!(fitted.text.contains("verdict") && !fitted.text.contains("95 %"));
        assert_eq!(fitted.left_out.first().map(String::as_str), Some("95 % CI"));
        assert!(fitted.note("--wide").ends_with("start-up ms; see --wide\n"));
        assert_eq!(all.note("--wide"), "");
    }

    #[test]
    fn long_text_keeps_its_beginning_and_its_end() {
        assert_eq!(elided("3.14t/interpreters/12", 11), "3.14t…rs/12");
        assert_eq!(elided("日本語日本語", 7).width(), 6);
        assert_eq!(elided("short", 5), "short");
    }
}
