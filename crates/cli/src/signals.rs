//! Ctrl-C and termination signals, as a file descriptor or a flag.

use crate::error::CliError;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use ungil_experiment::Stop;

/// Returns a [`Stop`] that SIGINT, SIGTERM and SIGHUP trigger.
pub(crate) fn stop() -> Result<Stop, CliError> {
    let make = || -> io::Result<Stop> {
        let (read, write) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        }
        Ok(Stop::when_readable(read.into()))
    };
    make().map_err(|e| {
        CliError::failed("cannot listen for Ctrl-C", e, "close some open files, and try again")
    })
}

/// Returns a flag that SIGINT, SIGTERM and SIGHUP set, for loops too fast to poll a descriptor.
pub(crate) fn flag() -> Result<Arc<AtomicBool>, CliError> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&flag)).map_err(|e| {
            CliError::failed("cannot listen for Ctrl-C", e, "close some open files, and try again")
        })?;
    }
    Ok(flag)
}
