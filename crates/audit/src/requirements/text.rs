//! Parses `requirements.txt` like pip: requirements, options and included files.
//!
//! An included file is read only if it is in the folder of the first file, because a hostile file
//! could name any. Each is read once, and at most [`MAX_FILES`] in total. Nothing is downloaded,
//! and environment variables are not expanded.

use super::{Requirement, Requirements, RequirementsError, load};
use crate::marker;
use crate::tags::WheelName;
use crate::target::{Build, Platform};
use pep440_rs::{Operator, VersionSpecifiers};
use std::path::{Path, PathBuf};
use std::str::FromStr;

const MAX_FILES: usize = 100;

/// Options that do not change which projects are required.
const WITHOUT_EFFECT: &[&str] = &[
    "-i",
    "-f",
    "--index-url",
    "--extra-index-url",
    "--no-index",
    "--find-links",
    "--no-binary",
    "--only-binary",
    "--prefer-binary",
    "--pre",
    "--trusted-host",
    "--use-feature",
    "--require-hashes",
    "--pypi-url",
];

struct RequirementsReader {
    folder: PathBuf,
    build: Build,
    platform: Platform,
    seen: Vec<PathBuf>,
    waiting: Vec<PathBuf>,
    requirements: Requirements,
}

pub(super) fn read(
    path: &Path,
    build: Build,
    platform: Platform,
) -> Result<Requirements, RequirementsError> {
    let real =
        path.canonicalize().map_err(|why| RequirementsError::Io { path: path.to_owned(), why })?;
    let folder = real.parent().unwrap_or(&real).to_owned();
    let mut reader = RequirementsReader {
        folder,
        build,
        platform,
        seen: vec![real],
        waiting: Vec::new(),
        requirements: Requirements::default(),
    };
    reader.file(path)?;
    while let Some(next) = reader.waiting.pop() {
        if let Err(error) = reader.file(&next) {
            reader.requirements.notes.push(error.to_string());
        }
    }
    Ok(reader.requirements)
}

impl RequirementsReader {
    fn file(&mut self, path: &Path) -> Result<(), RequirementsError> {
        let bytes = load(path)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
        while let Some((index, line)) = lines.next() {
            let mut whole = line.to_owned();
            // A backslash in a comment does not continue the line.
            while whole.ends_with('\\') && !whole.trim_start().starts_with('#') {
                whole.pop();
                match lines.next() {
                    Some((_, more)) => whole.push_str(more),
                    None => break,
                }
            }
            let line = uncommented(&whole).trim();
            if !line.is_empty() {
                self.line(line, path, index + 1);
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &str, path: &Path, number: usize) {
        let position = || format!("{}:{number}", path.display());
        if !line.starts_with('-') {
            match self.requirement(line) {
                Some(wanted) => {
                    self.requirements.wanted.push(Requirement {
                        file: path.to_owned(),
                        line: Some(number),
                        ..wanted
                    });
                }
                None => self.requirements.notes.push(format!(
                    "{}: not a requirement: {}",
                    position(),
                    short(line)
                )),
            }
            return;
        }
        let (option, value) = match line.split_once(|c: char| c == '=' || c.is_whitespace()) {
            Some((option, value)) => (option, value.trim()),
            // `-rother.txt`
            None if !line.starts_with("--") => {
                line.split_at(line.char_indices().nth(2).map_or(line.len(), |(at, _)| at))
            }
            None => (line, ""),
        };
        match option {
            "-r" | "--requirement" => self.include(value, path, &position()),
            "-c" | "--constraint" => {
                self.requirements.notes.push(format!(
                    "{}: a constraint file requires nothing itself and was not read: {}",
                    position(),
                    short(value)
                ));
            }
            "-e" | "--editable" => match self.requirement(value) {
                Some(wanted) => {
                    self.requirements.wanted.push(Requirement {
                        file: path.to_owned(),
                        line: Some(number),
                        ..wanted
                    });
                }
                None => self.requirements.notes.push(format!(
                    "{}: not a requirement: {}",
                    position(),
                    short(value)
                )),
            },
            _ if WITHOUT_EFFECT.contains(&option) => {}
            _ => self.requirements.notes.push(format!(
                "{}: unknown option: {}",
                position(),
                short(option)
            )),
        }
    }

    fn include(&mut self, value: &str, from: &Path, position: &str) {
        let notes = &mut self.requirements.notes;
        let value = value.trim_matches(['\'', '"']);
        if value.contains("://") {
            notes.push(format!("{position}: not downloaded: {}", short(value)));
            return;
        }
        let path = from.parent().unwrap_or(Path::new("")).join(value);
        match path.canonicalize() {
            Err(error) => {
                notes.push(format!("{position}: cannot read '{}': {error}", short(value)))
            }
            Ok(real) if !real.starts_with(&self.folder) => {
                notes.push(format!(
                    "{position}: not read, because it is outside the folder of the first file: {}",
                    short(value)
                ));
            }
            Ok(real) if self.seen.contains(&real) => {}
            Ok(_) if self.seen.len() >= MAX_FILES => {
                notes.push(format!(
                    "{position}: not read, because of the limit of {MAX_FILES} files: {}",
                    short(value)
                ));
            }
            Ok(real) => {
                self.seen.push(real);
                self.waiting.push(path);
            }
        }
    }

    fn requirement(&self, line: &str) -> Option<Requirement> {
        let (line, hashes) = without_options(line);
        let (what, marker) = match line.split_once(';') {
            // A URL may contain a semicolon; a marker after a URL has a space before it (PEP 508).
            Some((what, _)) if what.contains("://") => match line.split_once(" ;") {
                Some((what, marker)) => (what, Some(marker)),
                None => (line, None),
            },
            Some((what, marker)) => (what, Some(marker)),
            None => (line, None),
        };
        let marker = marker.map(|marker| marker.trim().to_owned());
        let holds = |marker: &String| marker::holds(marker, self.build, self.platform);
        let wanted = Requirement {
            applies: marker.as_ref().map_or(Some(true), holds),
            marker,
            hashes,
            ..named(what.trim())?
        };
        Some(wanted)
    }
}

/// Parses `NAME[EXTRAS] SPECIFIER`, `NAME @ URL`, a URL or a path.
fn named(what: &str) -> Option<Requirement> {
    let end = what
        .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'))
        .unwrap_or(what.len());
    let (name, rest) = what.split_at(end);
    let ends_well = name.ends_with(|c: char| c.is_ascii_alphanumeric());
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && ends_well;
    if !is_name || rest.starts_with(['/', '\\', ':', '+']) || WheelName::parse(what).is_some() {
        return from_source(what);
    }
    let mut rest = rest.trim_start();
    if let Some(extras) = rest.strip_prefix('[') {
        rest = extras.split_once(']')?.1.trim_start();
    }
    let name = name.to_owned();
    if let Some(url) = rest.strip_prefix('@') {
        return Some(Requirement { name, ..from_source(url.trim())? });
    }
    let inner =
        rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(rest).trim();
    if inner.is_empty() {
        return Some(Requirement { name, ..Requirement::default() });
    }
    if inner.len() > 2_000 {
        return None;
    }
    let specifiers = VersionSpecifiers::from_str(inner).ok()?;
    let exact = |operator: &Operator| matches!(operator, Operator::Equal | Operator::ExactEqual);
    let version =
        specifiers.iter().find(|one| exact(one.operator())).map(|one| one.version().to_string());
    Some(Requirement { name, specifier: Some(inner.to_owned()), version, ..Requirement::default() })
}

/// Parses a URL or path. A wheel's file name contains the name of the project; otherwise it is
/// unknown until it is built.
fn from_source(source: &str) -> Option<Requirement> {
    let (plain, fragment) = source.split_once('#').unwrap_or((source, ""));
    let file =
        plain.split('?').next()?.rsplit(['/', '\\']).next().unwrap_or_default().replace("%2B", "+");
    let is_source =
        source.contains("://") || source.starts_with(['.', '/', '\\']) || source.contains('/');
    let wheel = WheelName::parse(&file);
    if !is_source && wheel.is_none() {
        return None;
    }
    let egg = fragment.split('&').find_map(|part| part.strip_prefix("egg="));
    let name = wheel.as_ref().map(|wheel| wheel.name.clone()).or_else(|| egg.map(str::to_owned));
    Some(Requirement {
        name: name.unwrap_or_default(),
        version: wheel.as_ref().map(|wheel| wheel.version.clone()),
        from: Some(source.to_owned()),
        wheels: wheel.into_iter().collect(),
        ..Requirement::default()
    })
}

/// Returns a requirement without its options, and the number of hashes among them.
fn without_options(line: &str) -> (&str, usize) {
    let (what, options) = line.find(" --").map_or((line, ""), |at| line.split_at(at));
    (what, options.matches("--hash").count())
}

/// Returns a line up to its comment: a `#` at the start or after a space.
fn uncommented(line: &str) -> &str {
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if c == '#' && before.is_whitespace() {
            return line.get(..at).unwrap_or(line);
        }
        before = c;
    }
    line
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}
