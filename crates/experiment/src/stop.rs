//! Requests to stop an experiment. The caller, which handles the signals, passes a descriptor that
//! becomes readable; every wait of an experiment also polls it.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A possible request to stop.
#[derive(Debug, Default)]
pub struct Stop(Option<OwnedFd>);

impl Stop {
    /// Creates a request that is made when `fd` becomes readable.
    pub fn when_readable(fd: OwnedFd) -> Stop {
        Stop(Some(fd))
    }

    /// Creates a request that is never made.
    pub fn never() -> Stop {
        Stop(None)
    }

    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(AsFd::as_fd)
    }

    /// Waits up to `seconds`; returns whether the request was made.
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
