//! Being told to stop. The program that owns the signals hands in a descriptor that becomes
//! readable; every wait of an experiment waits for it too.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A request to stop, if it ever comes.
#[derive(Debug, Default)]
pub struct Stop(Option<OwnedFd>);

impl Stop {
    /// Stops when `fd` becomes readable.
    pub fn when_readable(fd: OwnedFd) -> Stop {
        Stop(Some(fd))
    }

    /// Never stops.
    pub fn never() -> Stop {
        Stop(None)
    }

    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(AsFd::as_fd)
    }

    /// Waits `seconds` for the request; true if it has come.
    pub fn wait(&self, seconds: f64) -> bool {
        let until = std::time::Duration::from_secs_f64(seconds.clamp(0.0, 1e6));
        let Some(fd) = self.fd() else {
            std::thread::sleep(until);
            return false;
        };
        let left = Timespec {
            tv_sec: until.as_secs().cast_signed(),
            tv_nsec: until.subsec_nanos().into(),
        };
        let mut fds = [PollFd::new(&fd, PollFlags::IN)];
        matches!(poll(&mut fds, Some(&left)), Ok(n) if n > 0)
    }
}
