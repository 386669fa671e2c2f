//! Words of a record on their way into HTML and SVG: whatever they hold, they stay words.

use std::borrow::Cow;

/// Letters of one text that are shown; a command line or a name may be a million long.
const MOST: usize = 600;

/// `text` as the content of an element or of a quoted attribute. What is very long ends in `…`;
/// what controls a terminal, and what turns the direction of the letters after it, becomes `�`.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    let harmless = |c: char| !matches!(c, '&' | '<' | '>' | '"' | '\'') && !acts(c);
    if text.len() <= MOST && text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len().min(MOST) + 32);
    for (i, letter) in text.chars().enumerate() {
        if i == MOST {
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
            c if acts(c) => safe.push(char::REPLACEMENT_CHARACTER),
            c => safe.push(c),
        }
    }
    safe.into()
}

fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// JSON as the content of a script element: no `<`, so that nothing in it can end the element.
pub(super) fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// The same text for a Markdown table or paragraph: nothing in it starts markup or ends the cell.
pub(super) fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 8);
    for letter in text.chars().take(MOST) {
        match letter {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' => {
                safe.extend(['\\', letter])
            }
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            // A name after it would be told.
            '@' => safe.push_str("&#64;"),
            c if c.is_control() => safe.push(' '),
            c if acts(c) => safe.push(char::REPLACEMENT_CHARACTER),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_record_says_is_markup() {
        let hostile = "a\"'><script>alert(1)</script>\u{202e}&\u{0}\nb";
        let safe = escape(hostile);
        assert!(!safe.contains(['<', '>', '"', '\'', '\u{202e}', '\u{0}', '\n']), "{safe}");
        assert_eq!(safe.matches("&amp;").count(), 1);
        assert!(matches!(escape("3.14t/threads/4 Übung"), Cow::Borrowed(_)));
        assert!(escape(&"x".repeat(1_000_000)).chars().count() == MOST + 1);
        assert!(!in_script("{\"a\":\"</script>\"}").contains('<'));
        let safe = markdown("a|b\n# <b> `x` [y](z) @all \\");
        assert_eq!(safe, "a\\|b \\# &lt;b&gt; \\`x\\` \\[y\\](z) &#64;all \\\\");
    }
}
