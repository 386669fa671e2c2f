//! Writing a record so that what is on disk is always whole lines.

use super::Line;
use crate::error::{Error, Failure};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// An open record. Holds a lock, so that two experiments cannot write into one file.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    whole: u64,
}

impl Writer {
    /// Creates a new record and, for the default folder, the folder (ignored by git).
    ///
    /// # Errors
    /// [`Error::Record`] when the file exists or cannot be made.
    pub fn create(path: &Path) -> Result<Writer, Error> {
        let make = || -> io::Result<File> {
            if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty() && !p.exists())
            {
                fs::create_dir_all(parent)?;
                if parent.ends_with(".ungil") {
                    fs::write(parent.join(".gitignore"), "*\n")?;
                }
            }
            OpenOptions::new().write(true).create_new(true).open(path)
        };
        let file = make().map_err(|e| cannot(path, "create", &e))?;
        Writer { path: path.into(), file, whole: 0 }.locked()
    }

    /// Opens an existing record to add to it, cutting off what follows its `whole` bytes of
    /// complete lines.
    ///
    /// # Errors
    /// [`Error::Record`] when it cannot be opened or another experiment is writing it.
    pub fn append(path: &Path, whole: u64) -> Result<Writer, Error> {
        let file =
            OpenOptions::new().write(true).open(path).map_err(|e| cannot(path, "open", &e))?;
        let mut writer = Writer { path: path.into(), file, whole }.locked()?;
        writer.cut().map_err(|e| cannot(path, "write", &e))?;
        Ok(writer)
    }

    fn locked(self) -> Result<Writer, Error> {
        flock(&self.file, FlockOperation::NonBlockingLockExclusive).map_err(|_| Error::Record {
            path: self.path.clone(),
            failure: Failure::new(
                format!("the record {} is in use", self.path.display()),
                "another ungil is writing it",
                "wait until that one has ended, or write to another file with --out",
            ),
        })?;
        Ok(self)
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.whole)?;
        self.file.seek(SeekFrom::Start(self.whole)).map(|_| ())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a line and hands it to the system.
    ///
    /// # Errors
    /// [`Error::Record`] when the disk is full or gone; the part of the line that was written is
    /// taken back.
    pub fn line(&mut self, line: &Line) -> Result<(), Error> {
        let mut bytes = serde_json::to_vec(line)
            .map_err(|e| cannot(&self.path, "write", &io::Error::other(e)))?;
        bytes.push(b'\n');
        if let Err(e) = self.file.write_all(&bytes) {
            let _ = self.cut();
            return Err(cannot(&self.path, "write", &e));
        }
        self.whole += bytes.len() as u64;
        Ok(())
    }
}

fn cannot(path: &Path, verb: &str, error: &io::Error) -> Error {
    let help = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space and go on with --resume, or write to another disk with --out"
        }
        io::ErrorKind::AlreadyExists => {
            "give another file with --out, or go on with this one with --resume"
        }
        io::ErrorKind::NotFound => "check the path given with --out or --resume",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "give a file you may write with --out"
        }
        _ => "give another file with --out",
    };
    Error::Record {
        path: path.into(),
        failure: Failure::new(
            format!("cannot {verb} the record {}", path.display()),
            error.to_string(),
            help,
        ),
    }
}
