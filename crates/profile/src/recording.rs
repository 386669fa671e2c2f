//! A recording: a profile with its order in time, in one file that is written as a stream while it
//! is sampled, and that can be turned into every other format later. Its layout is in
//! `docs/reference/recording.md` and, by name, in `wire.rs`; `writer.rs` writes it.
//!
//! A recording comes from outside: it may be cut off by a kill or a full disk, damaged, or made to
//! do harm. It is read up to where it stops making sense, and said to end there; its tables have
//! the builder's bounds, and what a small file may define is bounded by its size.

mod read;
mod state;

use crate::model::Sample;
use crate::profile::Profile;
use crate::writer::Writer;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// Why a recording could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("{path} cannot be read")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{path} is no recording of ungil's")]
    Foreign {
        /// The file.
        path: String,
    },
    /// Made by an ungil whose recordings are different.
    #[error("{path} is a recording of version {version}, and this ungil reads versions 1 and 2")]
    Version {
        /// The file.
        path: String,
        /// The version it has.
        version: u8,
    },
    /// It stops making sense before it says what it is of.
    #[error("{path} ends before its first block does: {why}")]
    Empty {
        /// The file.
        path: String,
        /// What does not fit.
        why: String,
    },
}

/// A recording that was read once: its sum, and where to read its order again.
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
    pub fn open(path: &Path) -> Result<Recording, Error> {
        let read = read::read(open(path)?, path, |_| {})?;
        Ok(Recording { path: path.into(), profile: read.profile, cut: read.cut, timed: read.timed })
    }

    /// The sum of all samples.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The sum of all samples.
    pub fn into_profile(self) -> Profile {
        self.profile
    }

    /// Why it ends early, if it does. The profile's totals are then what the samples add up to.
    pub fn cut(&self) -> Option<&str> {
        self.cut.as_deref()
    }

    /// Whether its samples have an order in time; a profile that was saved as a sum has none.
    pub fn timed(&self) -> bool {
        self.timed
    }

    /// Gives every sample in the order in which they were taken. Ids are those of
    /// [`Recording::profile`].
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub fn samples(&self, each: impl FnMut(&Sample)) -> Result<(), Error> {
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
    pub fn load(path: &Path) -> Result<Profile, Error> {
        Recording::open(path).map(Recording::into_profile)
    }

    /// Writes this profile as a recording without an order in time.
    pub(crate) fn record(&self, to: &mut dyn io::Write) -> io::Result<()> {
        let mut writer = Writer::new(to, &self.header);
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

fn open(path: &Path) -> Result<impl Read, Error> {
    let failed = |source| Error::Io { path: path.display().to_string(), source };
    File::open(path).map(|f| BufReader::with_capacity(64 << 10, f)).map_err(failed)
}
