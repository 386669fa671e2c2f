//! Ctrl-C and termination, turned into a descriptor that the experiment waits for.

use crate::failure::Edge;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use ungil_experiment::Stop;

/// A [`Stop`] that comes with SIGINT, SIGTERM or SIGHUP.
pub(crate) fn stop() -> Result<Stop, Edge> {
    let make = || -> io::Result<Stop> {
        let (read, write) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        }
        Ok(Stop::when_readable(read.into()))
    };
    make().map_err(|e| {
        Edge::failed("cannot listen for Ctrl-C", e, "close some open files, and try again")
    })
}

/// A flag that SIGINT, SIGTERM or SIGHUP raises: for loops too fast to ask a descriptor each time.
pub(crate) fn flag() -> Result<Arc<AtomicBool>, Edge> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&flag)).map_err(|e| {
            Edge::failed("cannot listen for Ctrl-C", e, "close some open files, and try again")
        })?;
    }
    Ok(flag)
}
