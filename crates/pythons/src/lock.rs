//! The lock that allows one installation at a time.
//!
//! It is a `flock`, which the kernel releases when the process ends for any reason. So the holder
//! knows that every existing staging folder was abandoned and can be removed.

use crate::Error;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Prefix of every staging folder's name. `find` ignores names that begin with a dot.
const STAGING_PREFIX: &str = ".staging-";

/// The lock on the folder of installed interpreters, released on drop.
pub(crate) struct InstallLock {
    dir: PathBuf,
    file: File,
}

impl InstallLock {
    /// Creates the folder if necessary, waits for its lock, and removes abandoned staging folders.
    pub(crate) fn acquire(dir: &Path, say: &mut dyn FnMut(&str)) -> Result<InstallLock, Error> {
        let folder = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Folder { path, source }
        };
        fs::create_dir_all(dir).map_err(folder(dir))?;
        let path = dir.join(".lock");
        let file = File::create(&path).map_err(folder(&path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => {
                say("waiting for another installation in this folder");
                wait(&file).map_err(folder(&path))?;
            }
            other => other.map_err(|errno| folder(&path)(errno.into()))?,
        }
        for entry in fs::read_dir(dir).map_err(folder(dir))?.flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(STAGING_PREFIX.as_bytes()) {
                fs::remove_dir_all(entry.path()).map_err(folder(&entry.path()))?;
            }
        }
        Ok(InstallLock { dir: dir.to_owned(), file })
    }

    /// Creates a staging folder next to the target, so that the last step is a rename within one
    /// file system.
    pub(crate) fn staging(&self, name: &str) -> Result<StagingDir, Error> {
        let path = self.dir.join(format!("{STAGING_PREFIX}{name}-{}", std::process::id()));
        fs::create_dir(&path).map_err(|source| Error::Folder { path: path.clone(), source })?;
        Ok(StagingDir { path })
    }

    /// Returns a file descriptor for a child, which keeps the lock while the child lives, even if
    /// this process is killed.
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

/// A folder that is removed on drop.
pub(crate) struct StagingDir {
    path: PathBuf,
}

impl StagingDir {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for StagingDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path); // the next installation removes what remains
    }
}
