//! The formats a profile can be written in, by name and by a file's ending, and the writing itself:
//! to a file of the same folder that takes the place of the old one when it is whole, so that
//! nobody ever reads half a profile.

use crate::profile::Profile;
use crate::recording::Recording;
use crate::{collapsed, firefox, flame, pprof, speedscope};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One page of HTML.
    Flame,
    /// speedscope's JSON.
    Speedscope,
    /// The Firefox Profiler's processed JSON.
    Firefox,
    /// pprof's protocol buffer, gzipped.
    Pprof,
    /// A line a stack, as flamegraph.pl and its kin read it.
    Collapsed,
    /// ungil's own: can be turned into every other.
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

    /// The name on the command line.
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

    /// Endings of file names that mean it, longest first; the first is the one to give a file that
    /// has none.
    pub fn endings(self) -> &'static [&'static str] {
        match self {
            Format::Flame => &[".html", ".htm"],
            Format::Speedscope => &[".speedscope.json", ".speedscope"],
            Format::Firefox => &[".firefox.json.gz", ".firefox.json"],
            Format::Pprof => &[".pb.gz", ".pprof"],
            Format::Collapsed => &[".collapsed", ".folded", ".txt"],
            Format::Recording => &[".ungil"],
        }
    }

    /// What opens it, in words.
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

    /// The format of that name.
    pub fn of_name(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|f| f.name() == name)
    }

    /// The format a file's name ends like.
    pub fn of_path(path: &Path) -> Option<Format> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        Format::ALL.into_iter().find(|f| f.endings().iter().any(|e| name.ends_with(e)))
    }
}

/// A profile in a format, as bytes. `recording` gives the formats with a time line (speedscope,
/// Firefox, a recording) the order of the samples; without one they have the sums, one after the
/// other.
///
/// # Errors
/// `to` takes no more, or the recording cannot be read any more.
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

/// A profile in a format, as a file that is there whole or not at all. A Firefox profile whose name
/// ends with `.gz` is gzipped.
///
/// # Errors
/// The file cannot be written, or the recording cannot be read any more.
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

/// Two profiles as one flame graph that shows what changed, as a file that is there whole or not at
/// all.
///
/// # Errors
/// The file cannot be written.
pub fn write_difference(before: &Profile, after: &Profile, path: &Path) -> io::Result<()> {
    atomically(path, |to| flame::write(after, Some(before), to))
}

impl Profile {
    /// Writes this profile as a recording, without an order in time.
    ///
    /// # Errors
    /// The file cannot be written.
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
