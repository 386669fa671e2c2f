//! Metadata of a distribution: METADATA (core metadata, PEP 566 and later), WHEEL (PEP 427) and
//! RECORD (PEP 376).
//!
//! Core metadata has the syntax of mail headers, in UTF-8 and without mail encodings. Many
//! distributions have malformed lines, so invalid lines are ignored, as installers do.

use crate::tags::TagSet;
use serde::Serialize;

/// Maximum size of a metadata file. The largest on PyPI have a few hundred KiB of description.
pub const MAX_METADATA_BYTES: usize = 8 << 20;

/// Level of the classifier `Programming Language :: Python :: Free Threading`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// The classifier without a level.
    Unspecified,
    /// `1 - Unstable`: it may crash.
    Unstable,
    /// `2 - Beta`: it works, with limits.
    Beta,
    /// `3 - Stable`: it is tested and supported.
    Stable,
    /// `4 - Resilient`: in addition, threads may share its objects.
    Resilient,
}

impl Claim {
    /// Parses a classifier; `None` if it is about something else.
    #[must_use]
    pub fn parse(classifier: &str) -> Option<Claim> {
        let mut parts = classifier.split("::").map(str::trim);
        let about = ["Programming Language", "Python", "Free Threading"];
        if !about.iter().all(|part| parts.next() == Some(part)) {
            return None;
        }
        match parts.next().and_then(|level| level.chars().next()) {
            Some('1') => Some(Claim::Unstable),
            Some('2') => Some(Claim::Beta),
            Some('3') => Some(Claim::Stable),
            Some('4') => Some(Claim::Resilient),
            _ => Some(Claim::Unspecified),
        }
    }

    /// Returns the classifier without its common prefix.
    #[must_use]
    pub fn classifier(self) -> &'static str {
        match self {
            Claim::Unspecified => "Free Threading",
            Claim::Unstable => "Free Threading :: 1 - Unstable",
            Claim::Beta => "Free Threading :: 2 - Beta",
            Claim::Stable => "Free Threading :: 3 - Stable",
            Claim::Resilient => "Free Threading :: 4 - Resilient",
        }
    }
}

/// Fields of METADATA or PKG-INFO that are used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    pub name: Option<String>,
    pub version: Option<String>,
    pub requires_python: Option<String>,
    pub requires: Vec<String>,
    /// The highest level of its free-threading classifiers.
    pub claim: Option<Claim>,
}

impl Metadata {
    /// Parses METADATA or PKG-INFO. Invalid UTF-8 becomes replacement characters.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Metadata {
        let mut metadata = Metadata::default();
        for (key, value) in headers(&text(bytes)) {
            match key.as_str() {
                "name" => metadata.name = metadata.name.or(Some(value)),
                "version" => metadata.version = metadata.version.or(Some(value)),
                "requires-python" => {
                    metadata.requires_python = metadata.requires_python.or(Some(value))
                }
                "requires-dist" => metadata.requires.push(value),
                "classifier" => metadata.claim = metadata.claim.max(Claim::parse(&value)),
                _ => {}
            }
        }
        metadata
    }
}

/// Returns the tags in a WHEEL file, which has one line per combination.
#[must_use]
pub fn wheel_tags(bytes: &[u8]) -> Vec<TagSet> {
    let text = text(bytes);
    let tags =
        headers(&text).filter(|(key, _)| key == "tag").filter_map(|(_, tag)| TagSet::parse(&tag));
    tags.take(1_000).collect()
}

/// Returns the paths in a RECORD: relative to the folder it is installed in, or absolute.
#[must_use]
pub fn record(bytes: &[u8]) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut paths = Vec::new();
    let mut row = csv::ByteRecord::new();
    // The only errors are those of the underlying reader, and a slice has none.
    while reader.read_byte_record(&mut row).unwrap_or(false) {
        if let Some(path) = row.get(0).filter(|path| !path.is_empty()) {
            paths.push(String::from_utf8_lossy(path).into_owned());
        }
    }
    paths
}

/// Returns the names in a `top_level.txt`.
#[must_use]
pub fn top_level(bytes: &[u8]) -> Vec<String> {
    let text = text(bytes);
    text.lines()
        .map(str::trim)
        .filter(|name| crate::names::is_identifier(name))
        .map(str::to_owned)
        .collect()
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes.get(..MAX_METADATA_BYTES).unwrap_or(bytes))
}

/// Returns lower-case keys, and values joined with their continuation lines, up to the empty line
/// before the description.
fn headers(text: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let mut lines =
        text.trim_start_matches('\u{feff}').lines().take_while(|line| !line.is_empty()).peekable();
    std::iter::from_fn(move || {
        loop {
            let Some((key, value)) = lines.next()?.split_once(':') else { continue };
            let mut value = value.trim().to_owned();
            while let Some(more) = lines.next_if(|line| line.starts_with([' ', '\t'])) {
                value.push(' ');
                value.push_str(more.trim());
            }
            return Some((key.trim().to_ascii_lowercase(), value));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parses_metadata_up_to_the_description() {
        let text = "Metadata-Version: 2.4\r\nNAME: a_b\r\nVersion: 1.0\r\nRequires-Python: \
                    >=3.9,\r\n  <4\r\n\
            Classifier: Programming Language :: Python :: Free Threading :: 2 - Beta\r\nnonsense\r\n\
            Requires-Dist: c>=1; extra == 'x'\r\nRequires-Dist: d\r\n\r\nName: another\r\n\
            Classifier: Programming Language :: Python :: Free Threading :: 4 - Resilient\r\n";
        let metadata = Metadata::parse(text.as_bytes());
        assert_eq!(metadata.name.as_deref(), Some("a_b"));
        assert_eq!(metadata.requires_python.as_deref(), Some(">=3.9, <4"));
        assert_eq!(metadata.requires, ["c>=1; extra == 'x'", "d"]);
        assert_eq!(metadata.claim, Some(Claim::Beta));
    }

    #[test]
    fn parses_the_level_of_claims() {
        let about = "Programming Language :: Python :: Free Threading";
        for claim in
            [Claim::Unspecified, Claim::Unstable, Claim::Beta, Claim::Stable, Claim::Resilient]
        {
            assert_eq!(
                Claim::parse(&format!("Programming Language :: Python :: {}", claim.classifier())),
                Some(claim)
            );
        }
        assert_eq!(Claim::parse(about), Some(Claim::Unspecified));
        assert_eq!(Claim::parse("Programming Language :: Python :: 3"), None);
        assert!(Claim::Resilient > Claim::Stable);
    }

    #[test]
    fn parses_quoted_paths_in_record() {
        let record = record(b"a/b.so,sha256=x,3\n\"a,b/c\"\"d.so\",,\n\n../../bin/a,,\n");
        assert_eq!(record, ["a/b.so", "a,b/c\"d.so", "../../bin/a"]);
    }

    #[test]
    fn parses_tags_of_a_wheel_file() {
        let tags = wheel_tags(
            b"Wheel-Version: 1.0\nTag: cp314-cp314t-linux_x86_64\nTag: bad\nTag: py3-none-any\n",
        );
        assert_eq!(
            tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["cp314-cp314t-linux_x86_64", "py3-none-any"]
        );
    }

    proptest! {
        #[test]
        fn accepts_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = (Metadata::parse(&bytes), wheel_tags(&bytes), record(&bytes), top_level(&bytes));
        }
    }
}
