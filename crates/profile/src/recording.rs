//! Recordings: a profile with its order in time, in one file. It is streamed while the profile is
//! taken, and can be converted to every other format later. `docs/recording.md` describes the
//! layout, `wire.rs` has its constants, and `writer.rs` writes it.
//!
//! A recording is untrusted input: it may be cut off by a kill or a full disk, damaged, or
//! malicious. It is read up to the first inconsistency, and reported to end there. Its tables have
//! the builder's bounds, and the size of the file bounds what it may define.

mod read;
mod state;

use crate::model::Sample;
use crate::profile::Profile;
use crate::writer::RecordingWriter;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// An error that prevents reading a recording at all.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file could not be read.
    #[error("{path} cannot be read")]
    Io {
        /// The file.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// The file is not a recording.
    #[error("{path} is not a recording of ungil profile")]
    Foreign {
        /// The file.
        path: String,
    },
    /// The recording has an unsupported version.
    #[error("{path} has recording version {version}; this ungil reads versions 1 and 2")]
    Version {
        /// The file.
        path: String,
        /// Its version.
        version: u8,
    },
    /// The file is damaged before the end of the header.
    #[error("{path} is damaged at its beginning: {why}")]
    Empty {
        /// The file.
        path: String,
        /// The inconsistency.
        why: String,
    },
}

/// A recording that was read once: its sums, and where to read the samples in order again.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    profile: Profile,
    cut: Option<String>,
    timed: bool,
}

impl Recording {
    /// Reads a recording. One that ends early is read up to there: see [`Recording::cut`].
    ///
    /// # Errors
    /// The file cannot be read, or is not a recording.
    pub fn open(path: &Path) -> Result<Recording, RecordingError> {
        let read = read::read(open(path)?, path, |_| {})?;
        Ok(Recording { path: path.into(), profile: read.profile, cut: read.cut, timed: read.timed })
    }

    /// Returns the sum of all samples.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Returns the sum of all samples.
    pub fn into_profile(self) -> Profile {
        self.profile
    }

    /// Returns why the recording ends early, if it does. The totals are then derived from the
    /// samples.
    pub fn cut(&self) -> Option<&str> {
        self.cut.as_deref()
    }

    /// Returns whether the samples have an order in time. A profile that was saved as sums has
    /// none.
    pub fn timed(&self) -> bool {
        self.timed
    }

    /// Calls `each` with every sample in the order in which they were taken. Ids are those of
    /// [`Recording::profile`].
    ///
    /// # Errors
    /// The file can no longer be read.
    pub fn samples(&self, each: impl FnMut(&Sample)) -> Result<(), RecordingError> {
        read::read(open(&self.path)?, &self.path, each).map(drop)
    }
}

impl Recording {
    /// Copies the file.
    pub(crate) fn copy(&self, to: &mut dyn io::Write) -> io::Result<()> {
        io::copy(&mut File::open(&self.path)?, to).map(drop)
    }
}

impl Profile {
    /// Reads the profile of a recording.
    ///
    /// # Errors
    /// The file cannot be read, or is not a recording.
    pub fn load(path: &Path) -> Result<Profile, RecordingError> {
        Recording::open(path).map(Recording::into_profile)
    }

    /// Writes this profile as a recording without an order in time.
    pub(crate) fn record(&self, to: &mut dyn io::Write) -> io::Result<()> {
        let mut writer = RecordingWriter::new(to, &self.header);
        self.strings.iter().skip(1).for_each(|s| writer.string(s));
        self.functions.iter().for_each(|f| writer.function(*f));
        self.frames.iter().for_each(|f| writer.frame(*f));
        self.stacks.iter().skip(1).for_each(|s| writer.stack(*s));
        self.threads.iter().for_each(|t| writer.thread(*t));
        self.locks.iter().for_each(|l| writer.lock(*l));
        self.pauses.iter().for_each(|p| writer.pause(*p));
        self.rows.iter().for_each(|(key, weight)| writer.row(key, weight));
        writer.finish(&self.totals)
    }
}

fn open(path: &Path) -> Result<impl Read, RecordingError> {
    let failed = |source| RecordingError::Io { path: path.display().to_string(), source };
    File::open(path).map(|f| BufReader::with_capacity(64 << 10, f)).map_err(failed)
}
