//! Decodes source files (PEP 263: a byte-order mark, a declaration in one of the first two lines,
//! or UTF-8), and maps offsets to lines and columns.

use super::SourceError;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use ruff_text_size::TextSize;
use std::borrow::Cow;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Decodes a source file.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, SourceError> {
    let body = bytes.strip_prefix(BOM).unwrap_or(bytes);
    let declared = declaration(body);
    let is_utf8 = body.len() < bytes.len() || declared.as_deref().is_none_or(is_utf8);
    if is_utf8 {
        return std::str::from_utf8(body)
            .map(Cow::Borrowed)
            .map_err(|_| SourceError::NotText("UTF-8".into()));
    }
    let name = declared.unwrap_or_default();
    let encoding = named(&name).ok_or_else(|| SourceError::Encoding(name.clone()))?;
    encoding
        .decode_without_bom_handling_and_without_replacement(body)
        .ok_or(SourceError::NotText(name))
}

/// Returns the declared encoding: `coding`, `:` or `=`, blanks, the name; in a comment on a line of
/// its own.
fn declaration(bytes: &[u8]) -> Option<String> {
    for line in
        bytes.split(|&byte| byte == b'\n' || byte == b'\r').filter(|line| !line.is_empty()).take(2)
    {
        let line = line.trim_ascii_start();
        match line.first() {
            Some(b'#') => {}
            None => continue,
            Some(_) => return None,
        }
        let found = line.windows(7).position(|w| w == b"coding:" || w == b"coding=");
        let Some(rest) = found.and_then(|at| line.get(at + 7..)) else { continue };
        let is_name =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let name: Vec<u8> =
            rest.trim_ascii_start().iter().copied().take_while(is_name).take(40).collect();
        if !name.is_empty() {
            return Some(String::from_utf8_lossy(&name).to_lowercase().replace('_', "-"));
        }
    }
    None
}

fn is_utf8(name: &str) -> bool {
    matches!(name, "utf8" | "utf-8" | "ascii" | "us-ascii") || name.starts_with("utf-8-")
}

/// Maps Python's encoding names to those of the WHATWG standard.
fn named(name: &str) -> Option<&'static Encoding> {
    let label = match name {
        "latin-1" | "iso-latin-1" | "iso-8859-1" => "latin1",
        "cp932" | "ms932" | "shift-jis-2004" => "shift_jis",
        "cp949" => "windows-949",
        "cp936" => "gbk",
        "cp950" => "big5",
        "mac-roman" => "macintosh",
        other => other,
    };
    let encoding = Encoding::for_label_no_replacement(label.as_bytes())
        .or_else(|| {
            Encoding::for_label_no_replacement(label.replace("cp125", "windows-125").as_bytes())
        })
        .or_else(|| Encoding::for_label_no_replacement(label.replace('-', "_").as_bytes()))?;
    // Python does not accept sources in UTF-16.
    let is_wide = encoding == UTF_16LE || encoding == UTF_16BE || encoding == UTF_8;
    (!is_wide).then_some(encoding)
}

/// Offsets of line starts.
pub(super) struct LineIndex<'a> {
    text: &'a str,
    starts: Vec<u32>,
}

impl<'a> LineIndex<'a> {
    /// Indexes a text of less than 4 GiB.
    pub(super) fn new(text: &'a str) -> LineIndex<'a> {
        let bytes = text.as_bytes();
        let mut starts = vec![0];
        for (at, &byte) in bytes.iter().enumerate() {
            let is_end = byte == b'\n' || (byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
            if is_end && let Ok(next) = u32::try_from(at + 1) {
                starts.push(next);
            }
        }
        LineIndex { text, starts }
    }

    /// Returns the line of an offset, from 1.
    pub(super) fn line(&self, offset: TextSize) -> usize {
        self.starts.partition_point(|&start| start <= offset.to_u32()).max(1)
    }

    /// Returns line and column of an offset, from 1; columns count Unicode characters.
    pub(super) fn position(&self, offset: TextSize) -> (usize, usize) {
        let line = self.line(offset);
        let start = self.starts.get(line - 1).map_or(0, |&start| start as usize);
        let before = self.text.get(start..offset.to_usize()).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_is_found_where_python_looks() {
        let name = |text: &str| declaration(text.as_bytes());
        assert_eq!(name("# -*- coding: latin-1 -*-\n").as_deref(), Some("latin-1"));
        assert_eq!(
            name("#!/usr/bin/python\n# vim: set fileencoding=EUC_JP :\n").as_deref(),
            Some("euc-jp")
        );
        assert_eq!(name("x = 1\n# coding: latin-1\n"), None);
        assert_eq!(name("#\n#\n# coding: latin-1\n"), None);
        assert_eq!(name("#coding:"), None);
    }

    #[test]
    fn text_is_decoded_as_declared() {
        assert_eq!(
            decode(b"# coding: latin-1\nx = '\xe9'\n").as_deref(),
            Ok("# coding: latin-1\nx = '\u{e9}'\n")
        );
        assert_eq!(decode(b"\xef\xbb\xbfx = 1\n").as_deref(), Ok("x = 1\n"));
        assert_eq!(decode(b"x = '\xe9'\n"), Err(SourceError::NotText("UTF-8".into())));
        assert_eq!(decode(b"# coding: utf-16\n"), Err(SourceError::Encoding("utf-16".into())));
        assert_eq!(decode(b"# coding: nonsense\n"), Err(SourceError::Encoding("nonsense".into())));
    }

    #[test]
    fn columns_are_characters() {
        let lines = LineIndex::new("a\r\n\u{e9}\u{e9} = b\rc");
        assert_eq!(lines.position(TextSize::new(0)), (1, 1));
        assert_eq!(lines.position(TextSize::new(3)), (2, 1));
        assert_eq!(lines.position(TextSize::new(8)), (2, 4));
        assert_eq!(lines.position(TextSize::new(13)), (3, 2));
        assert_eq!(lines.position(TextSize::new(900)), (3, 1));
    }
}
