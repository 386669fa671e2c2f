//! The output files of a profile. Samples are always streamed to a recording, so that a kill loses
//! nothing and the formats with a timeline have one. The requested file is written from it at the
//! end.

use crate::args::Profile as Args;
use crate::error::CliError;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use ungil_profile::{Builder, Finished, Format, Header, Profile, Recording, write};

/// The files of one profile.
#[derive(Debug)]
pub(super) struct Output {
    recording: PathBuf,
    /// The requested format and file, if that is not the recording.
    other: Option<(Format, PathBuf)>,
}

/// The files that were written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) path: PathBuf,
    pub(super) format: Format,
    /// The recording.
    pub(super) recording: PathBuf,
}

impl Output {
    pub(super) fn new(args: &Args, header: &Header) -> Result<Output, CliError> {
        let name = file_name(header);
        let default = |ending: &str| PathBuf::from(".ungil").join(format!("{name}{ending}"));
        let format = chosen_format(args)?.unwrap_or(Format::Recording);
        if format == Format::Recording {
            let recording = args.output.clone().unwrap_or_else(|| default(".ungil"));
            return Ok(Output { recording, other: None });
        }
        let ending = format.extensions().first().copied().unwrap_or_default();
        let path = args.output.clone().unwrap_or_else(|| default(ending));
        Ok(Output { recording: default(".ungil"), other: Some((format, path)) })
    }

    /// Creates a builder that also writes the recording.
    pub(super) fn builder(&mut self, header: Header) -> Result<Builder, CliError> {
        let cannot = |error: std::io::Error| cannot_write(&self.recording, error);
        if let Some(folder) =
            self.recording.parent().filter(|folder| !folder.as_os_str().is_empty())
        {
            fs::create_dir_all(folder).map_err(cannot)?;
        }
        let file = File::create(&self.recording).map_err(cannot)?;
        Ok(Builder::new(header).record(file))
    }

    /// Writes a complete profile to the recording and to the requested file.
    pub(super) fn save(self, profile: &Profile) -> Result<Written, CliError> {
        write_profile(Format::Recording, profile, None, &self.recording)?;
        let (format, path) = self.other.unwrap_or((Format::Recording, self.recording.clone()));
        if format != Format::Recording {
            write_profile(format, profile, None, &path)?;
        }
        Ok(Written { path, format, recording: self.recording })
    }

    /// Writes the requested file.
    pub(super) fn finish(self, finished: &Finished) -> Result<Written, CliError> {
        let Some((format, path)) = self.other else {
            let (path, recording) = (self.recording.clone(), self.recording);
            return Ok(Written { path, format: Format::Recording, recording });
        };
        if let Err(error) = &finished.recording {
            eprintln!("note: the recording {} is incomplete: {error}", self.recording.display());
        }
        let recording = Recording::open(&self.recording).ok();
        write_profile(format, &finished.profile, recording.as_ref(), &path).map_err(|error| {
            error.with_help(format!(
                "the samples are in {0}: write them elsewhere with ungil profile --replay {0} -o FILE",
                self.recording.display()
            ))
        })?;
        Ok(Written { path, format, recording: self.recording })
    }
}

impl Written {
    /// Formats where the files are, and how to open them.
    pub(super) fn render(&self) -> String {
        let path = self.path.display();
        if self.format == Format::Recording {
            return format!(
                "\nRecording: {path}\n  to view it: ungil profile --replay {path} -o profile.html\n"
            );
        }
        let (with, recording) = (self.format.opens_with(), self.recording.display());
        format!("\nWritten: {path} (open with {with})\nRecording: {recording}\n")
    }
}

/// Writes a profile in a format, and creates its folder.
pub(super) fn write_profile(
    format: Format,
    profile: &Profile,
    recording: Option<&Recording>,
    path: &Path,
) -> Result<(), CliError> {
    let cannot = |error: std::io::Error| cannot_write(path, error);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(cannot)?;
    }
    write(format, profile, recording, path).map_err(cannot)
}

/// Checks whether the requested output can be written, as far as possible beforehand.
pub(super) fn check(args: &Args) -> Result<(), CliError> {
    chosen_format(args)?;
    match &args.output {
        Some(path) if path.is_dir() => Err(CliError::usage(
            format!("cannot write {}", path.display()),
            "it is a folder",
            "give a file name",
        )),
        _ => Ok(()),
    }
}

/// The error for a recording that lost samples.
pub(super) fn incomplete(recording: &Path, error: &std::io::Error) -> CliError {
    let what = format!("the recording {} is incomplete", recording.display());
    CliError::failed(what, error, "free some disk space, or use another folder")
}

/// Returns the requested format, by name or by file extension.
pub(super) fn chosen_format(args: &Args) -> Result<Option<Format>, CliError> {
    match (args.format, &args.output) {
        (Some(format), _) => Ok(Some(format)),
        (None, None) => Ok(None),
        (None, Some(path)) => Format::of_path(path).map(Some).ok_or_else(|| {
            let endings: Vec<&str> =
                Format::ALL.iter().filter_map(|f| f.extensions().first().copied()).collect();
            CliError::usage(
                format!("the format of {} is unknown", path.display()),
                "the format is chosen by the file extension",
                format!("use one of {}, or choose a format with --format", endings.join(", ")),
            )
        }),
    }
}

pub(super) fn cannot_write(path: &Path, error: std::io::Error) -> CliError {
    CliError::failed(format!("cannot write {}", path.display()), error, "use a writable folder")
}

/// Builds a file name from the time and the program.
fn file_name(header: &Header) -> String {
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
