//! One install at a time, and nothing left over from one that was cut off.
//!
//! The lock is the kernel's (flock), not a file that says so: it is gone with the process, however
//! that ended. Whoever holds it knows that every staging folder it sees belongs to nobody any more,
//! with no process id to trust.

use crate::Error;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Before every staging folder's name. The dot is what keeps `find` out.
const STAGING: &str = ".staging-";

/// The folder for interpreters, held.
pub(crate) struct Held {
    dir: PathBuf,
    file: File,
}

impl Held {
    /// Makes the folder if need be, waits for its lock, and clears away what was cut off.
    pub(crate) fn take(dir: &Path, say: &mut dyn FnMut(&str)) -> Result<Held, Error> {
        let folder = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Folder { path, source }
        };
        fs::create_dir_all(dir).map_err(folder(dir))?;
        let path = dir.join(".lock");
        let file = File::create(&path).map_err(folder(&path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => {
                say("another install is at work in this folder; waiting for it");
                wait(&file).map_err(folder(&path))?;
            }
            other => other.map_err(|errno| folder(&path)(errno.into()))?,
        }
        for entry in fs::read_dir(dir).map_err(folder(dir))?.flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(STAGING.as_bytes()) {
                fs::remove_dir_all(entry.path()).map_err(folder(&entry.path()))?;
            }
        }
        Ok(Held { dir: dir.to_owned(), file })
    }

    /// A fresh folder beside the target, on its file system, so that the last step is a rename.
    /// Removed when dropped.
    pub(crate) fn staging(&self, name: &str) -> Result<Staging, Error> {
        let path = self.dir.join(format!("{STAGING}{name}-{}", std::process::id()));
        fs::create_dir(&path).map_err(|source| Error::Folder { path: path.clone(), source })?;
        Ok(Staging { path })
    }

    /// The lock, to be handed to a child: it then holds as long as the child lives, even if this
    /// process is killed.
    pub(crate) fn for_child(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

fn wait(file: &File) -> io::Result<()> {
    loop {
        match flock(file, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            other => return other.map_err(io::Error::from),
        }
    }
}

/// A folder that is gone when this is.
pub(crate) struct Staging {
    path: PathBuf,
}

impl Staging {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path); // what cannot be removed now, the next install removes
    }
}
