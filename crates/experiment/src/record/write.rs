//! Writes a record. The file always consists of complete lines.

use super::Line;
use crate::error::{Error, Failure};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// An open record. It holds a lock, so that two experiments cannot write to the same file.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    file: File,
    /// Bytes of complete lines.
    complete_bytes: u64,
}

impl Writer {
    /// Creates a new record and, if needed, its directory. The default directory `.ungil` gets a
    /// `.gitignore`.
    ///
    /// # Errors
    /// [`Error::Record`] if the file exists or cannot be created.
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
        Writer { path: path.into(), file, complete_bytes: 0 }.locked()
    }

    /// Opens an existing record for appending, and truncates it after its `complete_bytes` bytes of complete
    /// lines.
    ///
    /// # Errors
    /// [`Error::Record`] if it cannot be opened or another experiment is writing it.
    pub fn append(path: &Path, complete_bytes: u64) -> Result<Writer, Error> {
        let file =
            OpenOptions::new().write(true).open(path).map_err(|e| cannot(path, "open", &e))?;
        let mut writer = Writer { path: path.into(), file, complete_bytes }.locked()?;
        writer.truncate().map_err(|e| cannot(path, "write", &e))?;
        Ok(writer)
    }

    fn locked(self) -> Result<Writer, Error> {
        flock(&self.file, FlockOperation::NonBlockingLockExclusive).map_err(|_| Error::Record {
            path: self.path.clone(),
            failure: Failure::new(
                format!("the record {} is in use", self.path.display()),
                "another ungil is writing it",
                "wait until it has finished, or write to another file with --out",
            ),
        })?;
        Ok(self)
    }

    fn truncate(&mut self) -> io::Result<()> {
        self.file.set_len(self.complete_bytes)?;
        self.file.seek(SeekFrom::Start(self.complete_bytes)).map(|_| ())
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line.
    ///
    /// # Errors
    /// [`Error::Record`] if the line cannot be written, for example because the disk is full. A
    /// partly written line is removed.
    pub fn line(&mut self, line: &Line) -> Result<(), Error> {
        let mut bytes = serde_json::to_vec(line)
            .map_err(|e| cannot(&self.path, "write", &io::Error::other(e)))?;
        bytes.push(b'\n');
        if let Err(e) = self.file.write_all(&bytes) {
            let _ = self.truncate();
            return Err(cannot(&self.path, "write", &e));
        }
        self.complete_bytes += bytes.len() as u64;
        Ok(())
    }
}

fn cannot(path: &Path, verb: &str, error: &io::Error) -> Error {
    let help = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space and continue with --resume, or write to another disk with --out"
        }
        io::ErrorKind::AlreadyExists => {
            "choose another file with --out, or continue this one with --resume"
        }
        io::ErrorKind::NotFound => "check the path given with --out or --resume",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "choose a writable file with --out"
        }
        _ => "choose another file with --out",
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
