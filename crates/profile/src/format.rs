//! The formats of a profile, by name and by file extension, and writing them to files. A file is
//! written under a temporary name in the same folder and then renamed, so that no reader sees half
//! a profile.

use crate::profile::Profile;
use crate::recording::Recording;
use crate::{collapsed, firefox, flame, pprof, speedscope};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// An output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A flame graph: one HTML page.
    Flame,
    /// speedscope's JSON.
    Speedscope,
    /// The Firefox Profiler's processed JSON.
    Firefox,
    /// pprof's protocol buffer, gzipped.
    Pprof,
    /// Collapsed stacks, as read by flamegraph.pl.
    Collapsed,
    /// ungil's own recording, which can be converted to every other format.
    Recording,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 6] = [
        Format::Flame,
        Format::Speedscope,
        Format::Firefox,
        Format::Pprof,
        Format::Collapsed,
        Format::Recording,
    ];

    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Flame => "flame",
            Format::Speedscope => "speedscope",
            Format::Firefox => "firefox",
            Format::Pprof => "pprof",
            Format::Collapsed => "collapsed",
            Format::Recording => "recording",
        }
    }

    /// Returns the file extensions, longest first. The first is the default.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Format::Flame => &[".html", ".htm"],
            Format::Speedscope => &[".speedscope.json", ".speedscope"],
            Format::Firefox => &[".firefox.json.gz", ".firefox.json"],
            Format::Pprof => &[".pb.gz", ".pprof"],
            Format::Collapsed => &[".collapsed", ".folded", ".txt"],
            Format::Recording => &[".ungil"],
        }
    }

    /// Returns the names of the programs that open it.
    pub fn opens_with(self) -> &'static str {
        match self {
            Format::Flame => "any browser",
            Format::Speedscope => "speedscope.app, or the npm package speedscope",
            Format::Firefox => "profiler.firefox.com, or samply load",
            Format::Pprof => "go tool pprof",
            Format::Collapsed => "flamegraph.pl, inferno",
            Format::Recording => "ungil",
        }
    }

    /// Returns the format with that name.
    pub fn of_name(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|f| f.name() == name)
    }

    /// Returns the format for the extension of a file name.
    pub fn of_path(path: &Path) -> Option<Format> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        Format::ALL.into_iter().find(|f| f.extensions().iter().any(|e| name.ends_with(e)))
    }
}

/// Writes a profile in a format. With a `recording`, the formats with a timeline (speedscope,
/// Firefox, recording) have the samples in order; without one they have the sums, one after the
/// other.
///
/// # Errors
/// Writing to `to` or reading the recording failed.
pub fn write_to(
    format: Format,
    profile: &Profile,
    recording: Option<&Recording>,
    to: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Flame => flame::write(profile, None, to),
        Format::Speedscope => speedscope::write(profile, recording, to),
        Format::Firefox => firefox::write(profile, recording, to),
        Format::Pprof => pprof::write(profile, to),
        Format::Collapsed => collapsed::write(profile, to),
        Format::Recording => match recording {
            Some(recording) => recording.copy(to),
            None => profile.record(to),
        },
    }
}

/// Writes a profile to a file, which is either complete or not replaced at all. A Firefox profile
/// is compressed if the name ends in `.gz`.
///
/// # Errors
/// Writing the file or reading the recording failed.
pub fn write(
    format: Format,
    profile: &Profile,
    recording: Option<&Recording>,
    path: &Path,
) -> io::Result<()> {
    let gzip = format == Format::Firefox && path.extension().is_some_and(|e| e == "gz");
    atomically(path, |to| {
        if !gzip {
            return write_to(format, profile, recording, to);
        }
        let mut to = flate2::write::GzEncoder::new(to, flate2::Compression::default());
        write_to(format, profile, recording, &mut to)?;
        to.finish().map(drop)
    })
}

/// Writes a flame graph of the difference between two profiles to a file, which is either complete
/// or not replaced at all.
///
/// # Errors
/// Writing the file failed.
pub fn write_difference(before: &Profile, after: &Profile, path: &Path) -> io::Result<()> {
    atomically(path, |to| flame::write(after, Some(before), to))
}

impl Profile {
    /// Writes this profile as a recording without an order in time.
    ///
    /// # Errors
    /// Writing the file failed.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        write(Format::Recording, self, None, path)
    }
}

fn atomically(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    // A device or a FIFO is written to, not replaced.
    if path.metadata().is_ok_and(|m| !m.is_file()) {
        let mut to = BufWriter::new(File::options().write(true).open(path)?);
        fill(&mut to)?;
        return to.flush();
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut to = BufWriter::with_capacity(64 << 10, builder.prefix(".ungil-").tempfile_in(folder)?);
    fill(&mut to)?;
    to.into_inner().map_err(io::IntoInnerError::into_error)?.persist(path)?;
    Ok(())
}
