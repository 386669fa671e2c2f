//! Replaces characters of untrusted text that would control a terminal.
//!
//! Thread names, file names and source lines can contain escape sequences, and characters that
//! change the direction of text. Each is replaced by a visible mark; in JSON by an escape, which
//! does not change the value.

use std::borrow::Cow;
use ungil_remote::unicode::undecoded;

/// Returns whether a character is a control (including C1, which can begin an escape sequence), a
/// direction mark or an invisible separator.
fn is_control(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}')
}

/// Maximum number of characters shown of one name or line. A name can be a million characters long
/// and is repeated for every waiting thread.
const MAX_CHARS: usize = 1000;

/// Replaces every control character by `�`, a tab by a blank, and a byte that is not UTF-8 by an
/// escape such as `\\xe9`. A long text is cut and ends in `…`.
pub(crate) fn sanitize(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", sanitize_all(text.get(..end).unwrap_or(text))).into(),
        None => sanitize_all(text),
    }
}

/// Sanitizes a text like [`sanitize`] without limiting its length.
pub(crate) fn sanitize_all(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|letter| is_control(letter) || undecoded(letter).is_some()) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match (letter, undecoded(letter)) {
            (_, Some(byte)) => shown.push_str(&format!("\\x{byte:02x}")),
            ('\t', _) => shown.push(' '),
            _ if is_control(letter) => shown.push(char::REPLACEMENT_CHARACTER),
            _ => shown.push(letter),
        }
    }
    shown.into()
}

/// Escapes control characters in JSON text. Newlines between values are kept.
pub(crate) fn sanitize_json(text: &str) -> Cow<'_, str> {
    let is_harmful = |letter: char| is_control(letter) && letter != '\n';
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        // In JSON such a character can only be in a string, and all of them are in the BMP.
        if is_harmful(letter) {
            escaped.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            escaped.push(letter);
        }
    }
    escaped.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_replaced_and_json_keeps_its_value() {
        let hostile = "a\u{1b}[2J\u{9b}31m\u{202e}b\u{7}\r\nc\td";
        let shown = sanitize(hostile);
        assert!(!shown.chars().any(is_control), "{shown:?}");
        assert_eq!(shown.chars().count(), hostile.chars().count());
        let text = serde_json::to_string(hostile).expect("JSON");
        let shown = sanitize_json(&text);
        assert!(!shown.chars().any(is_control), "{shown:?}");
        assert_eq!(serde_json::from_str::<String>(&shown).expect("JSON"), hostile);
        assert!(matches!(sanitize("Übung → plain"), Cow::Borrowed(_)));
        assert_eq!(sanitize("caf\u{10dce9}.py"), "caf\\xe9.py", "a byte that is not UTF-8");
        assert_eq!(sanitize(&"ü".repeat(MAX_CHARS)), "ü".repeat(MAX_CHARS));
        assert_eq!(sanitize(&"ü".repeat(100_000)), "ü".repeat(MAX_CHARS) + "…");
    }
}
