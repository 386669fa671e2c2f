//! Where a profile goes. Samples are always written to a recording as they come, so that a kill
//! loses nothing and the formats with a time line have one; the file asked for is made from it at
//! the end.

use crate::args::Profile as Args;
use crate::failure::Edge;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use ungil_profile::{Builder, Finished, Format, Header, Profile, Recording, write};

/// The files of one profile.
#[derive(Debug)]
pub(super) struct Output {
    recording: PathBuf,
    /// The format and file asked for, where that is not the recording.
    other: Option<(Format, PathBuf)>,
}

/// What was written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) path: PathBuf,
    pub(super) format: Format,
    /// The recording beside it.
    pub(super) recording: PathBuf,
}

impl Output {
    pub(super) fn new(args: &Args, header: &Header) -> Result<Output, Edge> {
        let name = name(header);
        let default = |ending: &str| PathBuf::from(".ungil").join(format!("{name}{ending}"));
        let format = chosen(args)?.unwrap_or(Format::Recording);
        if format == Format::Recording {
            let recording = args.output.clone().unwrap_or_else(|| default(".ungil"));
            return Ok(Output { recording, other: None });
        }
        let ending = format.extensions().first().copied().unwrap_or_default();
        let path = args.output.clone().unwrap_or_else(|| default(ending));
        Ok(Output { recording: default(".ungil"), other: Some((format, path)) })
    }

    /// A builder that records.
    pub(super) fn builder(&mut self, header: Header) -> Result<Builder, Edge> {
        let cannot = |error: std::io::Error| cannot_write(&self.recording, error);
        if let Some(folder) =
            self.recording.parent().filter(|folder| !folder.as_os_str().is_empty())
        {
            fs::create_dir_all(folder).map_err(cannot)?;
        }
        let file = File::create(&self.recording).map_err(cannot)?;
        Ok(Builder::new(header).record(file))
    }

    /// Writes a profile that is there as a whole, in the recording and in the file asked for.
    pub(super) fn save(self, profile: &Profile) -> Result<Written, Edge> {
        make(Format::Recording, profile, None, &self.recording)?;
        let (format, path) = self.other.unwrap_or((Format::Recording, self.recording.clone()));
        if format != Format::Recording {
            make(format, profile, None, &path)?;
        }
        Ok(Written { path, format, recording: self.recording })
    }

    /// Makes the file asked for.
    pub(super) fn finish(self, finished: &Finished) -> Result<Written, Edge> {
        let Some((format, path)) = self.other else {
            let (path, recording) = (self.recording.clone(), self.recording);
            return Ok(Written { path, format: Format::Recording, recording });
        };
        if let Err(error) = &finished.recording {
            eprintln!("note: the recording {} is not complete: {error}", self.recording.display());
        }
        let recording = Recording::open(&self.recording).ok();
        make(format, &finished.profile, recording.as_ref(), &path).map_err(|error| {
            error.with_help(format!(
                "what was seen is in {0}: ungil profile --replay {0} -o FILE writes it elsewhere",
                self.recording.display()
            ))
        })?;
        Ok(Written { path, format, recording: self.recording })
    }
}

impl Written {
    /// Where it is, and what to do with it.
    pub(super) fn render(&self) -> String {
        let path = self.path.display();
        if self.format == Format::Recording {
            return format!(
                "\nRecording: {path}\n  to see it: ungil profile --replay {path} -o profile.html\n"
            );
        }
        let (with, recording) = (self.format.opens_with(), self.recording.display());
        format!("\nWritten: {path} (for {with})\nRecording: {recording}\n")
    }
}

/// Writes a profile in a format, making the folder it goes to.
pub(super) fn make(
    format: Format,
    profile: &Profile,
    recording: Option<&Recording>,
    path: &Path,
) -> Result<(), Edge> {
    let cannot = |error: std::io::Error| cannot_write(path, error);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(cannot)?;
    }
    write(format, profile, recording, path).map_err(cannot)
}

/// Whether the output asked for can be had, as far as that can be told beforehand.
pub(super) fn check(args: &Args) -> Result<(), Edge> {
    chosen(args)?;
    match &args.output {
        Some(path) if path.is_dir() => Err(Edge::usage(
            format!("cannot write {}", path.display()),
            "it is a folder",
            "give the name of a file",
        )),
        _ => Ok(()),
    }
}

/// What is said where samples were lost on their way into the recording.
pub(super) fn incomplete(recording: &Path, error: &std::io::Error) -> Edge {
    let what = format!("the recording {} is not complete", recording.display());
    Edge::failed(what, error, "give a file in a folder where there is room")
}

/// The format asked for by name or by the ending of the file.
pub(super) fn chosen(args: &Args) -> Result<Option<Format>, Edge> {
    match (args.format, &args.output) {
        (Some(format), _) => Ok(Some(format)),
        (None, None) => Ok(None),
        (None, Some(path)) => Format::of_path(path).map(Some).ok_or_else(|| {
            let endings: Vec<&str> =
                Format::ALL.iter().filter_map(|f| f.extensions().first().copied()).collect();
            Edge::usage(
                format!("{} does not say which format it is to have", path.display()),
                "a format is chosen by the ending of the file's name",
                format!("end it with {}, or name one with --format", endings.join(", ")),
            )
        }),
    }
}

pub(super) fn cannot_write(path: &Path, error: std::io::Error) -> Edge {
    Edge::failed(
        format!("cannot write {}", path.display()),
        error,
        "give a file in a folder you may write to",
    )
}

/// A file's name that says when and what.
fn name(header: &Header) -> String {
    let words: Vec<&str> = header.command.split_whitespace().collect();
    let script = words.iter().skip(1).find(|word| !word.starts_with('-')).or(words.first());
    let script = script.map_or("python", |word| word.rsplit('/').next().unwrap_or(word));
    let plain: String = script
        .chars()
        .map(|c| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' })
        .take(40)
        .collect();
    format!("{}-{plain}-{}", header.started.replace(':', ""), std::process::id())
}
