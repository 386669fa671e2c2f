//! The width that tables and sentences are fitted to.

use std::io::IsTerminal;
use terminal_size::terminal_size_of;

/// Width of tables in output that is not a terminal, such as a log.
const WIDTH_WITHOUT_TERMINAL: usize = 120;

/// Returns the width for tables on standard output; `None` is unlimited (`--wide`). A `COLUMNS` in
/// the environment takes precedence over the terminal's own size.
pub(crate) fn table_width(wide: bool) -> Option<usize> {
    if wide {
        return None;
    }
    let columns = std::env::var("COLUMNS").ok();
    let size = || terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    Some(choose(columns.as_deref(), size))
}

/// Returns the width for sentences on standard output; `None` if it is neither a terminal nor
/// `COLUMNS` is set, so that other programs can read line by line.
pub(crate) fn text_width() -> Option<usize> {
    let is_limited = std::env::var_os("COLUMNS").is_some() || std::io::stdout().is_terminal();
    table_width(!is_limited)
}

fn choose(columns: Option<&str>, terminal: impl Fn() -> Option<usize>) -> usize {
    let positive = |width: &usize| *width > 0;
    let columns = columns.and_then(|text| text.trim().parse().ok()).filter(positive);
    columns.or_else(|| terminal().filter(positive)).unwrap_or(WIDTH_WITHOUT_TERMINAL)
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn columns_take_precedence_over_the_terminal() {
        assert_eq!(choose(Some("80"), || Some(200)), 80);
        assert_eq!(choose(None, || Some(200)), 200);
        assert_eq!(choose(None, || None), 120);
        for invalid in ["", "0", "-1", "wide"] {
            assert_eq!(choose(Some(invalid), || Some(100)), 100, "{invalid}");
        }
        assert_eq!(choose(None, || Some(0)), 120, "a terminal of unknown size");
    }
}
