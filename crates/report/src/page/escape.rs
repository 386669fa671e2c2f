//! Escapes untrusted text of records for HTML, SVG, scripts and Markdown.

use std::borrow::Cow;

/// Maximum number of characters shown of one text; a command line may be a million characters long.
const MAX_CHARS: usize = 600;

/// Escapes a text as the content of an element or of a quoted attribute. A long text is cut and
/// ends in `…`; control characters and direction marks become `�`.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    let harmless = |c: char| !matches!(c, '&' | '<' | '>' | '"' | '\'') && !is_control(c);
    if text.len() <= MAX_CHARS && text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len().min(MAX_CHARS) + 32);
    for (i, letter) in text.chars().enumerate() {
        if i == MAX_CHARS {
            safe.push('…');
            break;
        }
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\t' | '\n' | '\r' => safe.push(' '),
            c if is_control(c) => safe.push(char::REPLACEMENT_CHARACTER),
            c => safe.push(c),
        }
    }
    safe.into()
}

/// Returns whether a character is a control or a direction mark.
fn is_control(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes JSON as the content of a script element: without `<`, nothing can end the element.
pub(super) fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// Escapes a text for a Markdown paragraph or table cell.
pub(super) fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 8);
    for letter in text.chars().take(MAX_CHARS) {
        match letter {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' => {
                safe.extend(['\\', letter])
            }
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            // Would notify a user of the name that follows.
            '@' => safe.push_str("&#64;"),
            c if c.is_control() => safe.push(' '),
            c if is_control(c) => safe.push(char::REPLACEMENT_CHARACTER),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped() {
        let hostile = "a\"'><script>alert(1)</script>\u{202e}&\u{0}\nb";
        let safe = escape(hostile);
        assert!(!safe.contains(['<', '>', '"', '\'', '\u{202e}', '\u{0}', '\n']), "{safe}");
        assert_eq!(safe.matches("&amp;").count(), 1);
        assert!(matches!(escape("3.14t/threads/4 Übung"), Cow::Borrowed(_)));
        assert!(escape(&"x".repeat(1_000_000)).chars().count() == MAX_CHARS + 1);
        assert!(!in_script("{\"a\":\"</script>\"}").contains('<'));
        let safe = markdown("a|b\n# <b> `x` [y](z) @all \\");
        assert_eq!(safe, "a\\|b \\# &lt;b&gt; \\`x\\` \\[y\\](z) &#64;all \\\\");
    }
}
