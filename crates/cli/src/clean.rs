//! Words of another process on their way to a terminal: nothing in them may act on it.
//!
//! A thread's name, a file name or a source line can hold escape sequences, and letters that turn
//! the direction of what follows. Each becomes a visible mark. In JSON they become escapes, which
//! mean the same to every reader.

use std::borrow::Cow;
use ungil_remote::unicode::undecoded;

/// Controls, C1 among them (one of which begins a sequence by itself), marks of direction,
/// invisible separators.
fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}')
}

/// Letters of one name or line that are shown. A name can be a million letters long, and is said
/// once for each who waits.
const MOST: usize = 1000;

/// The text with every letter that would act on a terminal replaced by `�`; a tab becomes a blank,
/// and a byte that is not UTF-8 `\\xe9`. What is very long ends in `…`.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", harmless(text.get(..end).unwrap_or(text))).into(),
        None => harmless(text),
    }
}

/// The same, however long it is.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|letter| acts(letter) || undecoded(letter).is_some()) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match (letter, undecoded(letter)) {
            (_, Some(byte)) => shown.push_str(&format!("\\x{byte:02x}")),
            ('\t', _) => shown.push(' '),
            _ if acts(letter) => shown.push(char::REPLACEMENT_CHARACTER),
            _ => shown.push(letter),
        }
    }
    shown.into()
}

/// JSON with the same letters escaped, line ends between values kept.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    let harmful = |letter: char| acts(letter) && letter != '\n';
    if !text.chars().any(harmful) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        // Inside JSON such a letter can only be part of a string, and all of them are in the basic
        // plane.
        if harmful(letter) {
            clean.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            clean.push(letter);
        }
    }
    clean.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_is_left_and_json_means_the_same() {
        let hostile = "a\u{1b}[2J\u{9b}31m\u{202e}b\u{7}\r\nc\td";
        let shown = clean(hostile);
        assert!(!shown.chars().any(acts), "{shown:?}");
        assert_eq!(shown.chars().count(), hostile.chars().count());
        let text = serde_json::to_string(hostile).expect("JSON");
        let shown = json(&text);
        assert!(!shown.chars().any(acts), "{shown:?}");
        assert_eq!(serde_json::from_str::<String>(&shown).expect("JSON"), hostile);
        assert!(matches!(clean("Übung → plain"), Cow::Borrowed(_)));
        assert_eq!(clean("caf\u{10dce9}.py"), "caf\\xe9.py", "a byte that is not UTF-8");
        assert_eq!(clean(&"ü".repeat(MOST)), "ü".repeat(MOST));
        assert_eq!(clean(&"ü".repeat(100_000)), "ü".repeat(MOST) + "…");
    }
}
