//! Quoting of words for shell commands shown to the user.

/// Quotes a word for a POSIX shell. Control characters, line ends included, and invisible
/// characters are escaped, so that the command can be shown in a terminal and copied in one piece.
pub fn word(text: &str) -> String {
    let hidden = |c: char| c.is_control() || (!c.is_ascii() && !c.is_alphanumeric());
    if !text.chars().any(hidden) {
        return shell_words::quote(text).into_owned();
    }
    let escaped = text.chars().fold(String::new(), |mut all, c| {
        if hidden(c) || "\\'".contains(c) {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                all.push_str(&format!("\\0{byte:03o}"));
            }
        } else {
            all.push(c);
        }
        all
    });
    format!("\"$(printf %b '{escaped}')\"")
}

#[cfg(test)]
mod tests {
    use super::word;
    use std::process::Command;

    #[test]
    fn shell_reads_quoted_words_unchanged() {
        let words = [
            "plain",
            "",
            "a b",
            "a  b",
            "it's",
            "$HOME `x` \\",
            "two\nlines\ttab",
            "größe",
            "\u{202e}\u{1b}[2J%d\\n'",
        ];
        for text in words {
            let line = format!("printf %s {}", word(text));
            assert!(!line.contains(['\n', '\t', '\u{1b}', '\u{202e}']), "{line:?}");
            let out = Command::new("sh").args(["-c", &line]).output().expect("sh runs");
            assert_eq!(String::from_utf8_lossy(&out.stdout), text, "{line}");
        }
    }
}
