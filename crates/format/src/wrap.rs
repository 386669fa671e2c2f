//! Wrapping of sentences to the width of a terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Minimum width of text beside a prefix; narrower text starts on a line of its own.
const MIN_BESIDE: usize = 24;
/// Indentation of text that starts on a line of its own.
const OWN_LINE_INDENT: usize = 4;
/// Units that are not separated from their number.
const UNITS: [&str; 13] =
    ["%", "s", "ms", "µs", "ns", "B", "KiB", "MiB", "GiB", "TiB", "Hz", "kHz", "MHz"];

/// Wraps the lines of a text that are wider than `width` at their blanks. `None` is unlimited.
///
/// Continuation lines are indented by `hang` more than their first line. A word that is wider than
/// a line stays whole, and so does a number with its unit. ANSI escape sequences have no width.
#[must_use]
pub fn wrap(text: &str, width: Option<usize>, hang: usize) -> String {
    let Some(width) = width else { return text.into() };
    let mut wrapped = String::new();
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        if visible_width(line) <= width {
            wrapped += line;
        } else {
            let indent = line.len() - line.trim_start_matches(' ').len();
            wrapped += &broken(line, width, indent + hang);
        }
        wrapped += end;
    }
    wrapped
}

/// Joins a prefix and a text that is wrapped beside it. If less than 24 columns remain, the text
/// starts on the next line.
#[must_use]
pub fn wrap_beside(prefix: &str, text: &str, width: Option<usize>) -> String {
    let (whole, indent) = (format!("{prefix}{text}"), visible_width(prefix));
    match width {
        Some(width) if visible_width(&whole) > width => {
            if width >= indent + MIN_BESIDE {
                broken(&whole, width, indent)
            } else {
                let own_line = format!("{}{text}", " ".repeat(OWN_LINE_INDENT));
                format!("{}\n{}", prefix.trim_end(), wrap(&own_line, Some(width), 2))
            }
        }
        _ => whole,
    }
}

/// Cuts a text after `width` columns and marks the cut with `…`.
#[must_use]
pub fn truncate(text: &str, width: Option<usize>) -> String {
    let Some(width) = width.filter(|width| text.width() > *width) else { return text.into() };
    let mut used = 1;
    let fits = |letter: &char| {
        used += letter.width().unwrap_or(0);
        used <= width
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// Breaks one line. Blanks within the first `indent` columns are kept.
fn broken(line: &str, width: usize, indent: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    for (blanks, word) in words(line) {
        let end = column + blanks.len() + visible_width(word);
        if end > width && column > indent {
            out.push('\n');
            out += &" ".repeat(indent);
            column = indent + visible_width(word);
        } else {
            out += blanks;
            column = end;
        }
        out += word;
    }
    out
}

/// Splits a line into words, each with the blanks before it. A number and its unit are one word,
/// and so is what backticks enclose: a command that is copied must not contain a line break.
fn words(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = line;
    let end_of_word =
        |text: &str, from: usize| text[from..].find(' ').map_or(text.len(), |length| from + length);
    std::iter::from_fn(move || {
        let blanks = rest.len() - rest.trim_start_matches(' ').len();
        let mut end = end_of_word(rest, blanks);
        if rest[..end].ends_with(|c: char| c.is_ascii_digit()) && end < rest.len() {
            let unit_end = end_of_word(rest, end + 1);
            let unit = rest[end + 1..unit_end].trim_end_matches([',', ';', ':', '.', ')']);
            end = if UNITS.contains(&unit) { unit_end } else { end };
        }
        if rest[..end].matches('`').count() % 2 == 1
            && let Some(length) = rest[end..].find('`')
        {
            end = end_of_word(rest, end + length);
        }
        let found = (&rest[..blanks], &rest[blanks..end]);
        rest = &rest[end..];
        (!found.1.is_empty()).then_some(found)
    })
}

/// Returns the width of a text without its ANSI escape sequences.
fn visible_width(text: &str) -> usize {
    let mut parts = text.split("\x1b[");
    let first = parts.next().map_or(0, UnicodeWidthStr::width);
    let after = |part: &str| match part.find(|c: char| c.is_ascii_alphabetic()) {
        Some(end) => part[end + 1..].width(),
        None => 0,
    };
    first + parts.map(after).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_blanks_and_indented() {
        let text = "  waits for a lock that another thread holds\nshort\n";
        let expected = "  waits for a lock\n    that another\n    thread holds\nshort\n";
        assert_eq!(wrap(text, Some(18), 2), expected);
        assert_eq!(wrap(text, None, 2), text);
        assert_eq!(wrap("a b\n", Some(3), 2), "a b\n");
    }

    #[test]
    fn long_words_and_numbers_with_units_stay_whole() {
        assert_eq!(wrap("see /a/very/long/path here", Some(10), 0), "see\n/a/very/long/path\nhere");
        assert_eq!(wrap("it has waited 3.25 s, now", Some(18), 0), "it has waited\n3.25 s, now");
    }

    #[test]
    fn commands_stay_whole() {
        let text = "- Next: `ungil top 1 --json`, which shows it";
        let expected = "- Next:\n  `ungil top 1 --json`,\n  which shows it";
        assert_eq!(wrap(text, Some(16), 2), expected);
        assert_eq!(wrap("one ` two three", Some(9), 0), "one ` two\nthree");
    }

    #[test]
    fn escape_sequences_have_no_width() {
        let text = "\x1b[1;31mFound one\x1b[0m deadlock";
        assert_eq!(wrap(text, Some(18), 0), text);
        assert_eq!(wrap(text, Some(17), 0), "\x1b[1;31mFound one\x1b[0m\ndeadlock");
    }

    #[test]
    fn text_beside_a_prefix_keeps_its_column() {
        assert_eq!(wrap_beside("ab  ", "c d", Some(20)), "ab  c d");
        let text = "waits for the lock of a dict";
        let beside = wrap_beside("worker  ", text, Some(32));
        assert_eq!(beside, "worker  waits for the lock of a\n        dict");
        let below = wrap_beside("worker  ", text, Some(30));
        assert_eq!(below, "worker\n    waits for the lock of a\n      dict");
    }

    #[test]
    fn truncation_is_marked() {
        assert_eq!(truncate("with lock:", Some(10)), "with lock:");
        assert_eq!(truncate("with lock:", Some(6)), "with …");
        assert_eq!(truncate("日本語", Some(4)), "日…");
    }
}
