//! Ends a tree.

use super::{End, Status, Tree, TreeError};
use crate::high_water::rss_error;
use crate::linux::cgroup::Cgroup;
use crate::linux::{proc, sys};
use rustix::process::Signal;
use std::io::{self, Read};
use std::time::{Duration, Instant};

/// Time that members may outlive the root before they count as leftovers.
const EXIT_GRACE: Duration = Duration::from_millis(300);

impl Tree {
    /// Sends SIGTERM to the root only, which asks a service to exit.
    pub fn terminate(&self) {
        if self.reaped.is_none() {
            proc::kill(self.root, Signal::TERM);
        }
    }

    /// Kills every member with SIGKILL and waits until all have exited.
    ///
    /// # Errors
    /// [`TreeError::Survivors`] if some still exist after five seconds.
    pub fn kill(&mut self) -> Result<(), TreeError> {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let members: Vec<i32> = self.members().into_iter().filter(|&pid| alive(pid)).collect();
            self.reap_orphans();
            if members.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(TreeError::Survivors { pids: members });
            }
            if let Some(cgroup) = &self.cgroup {
                let _ = cgroup.kill();
            }
            // For a cgroup, the kernel signals main threads, which misses a process whose main
            // thread has exited.
            members.iter().for_each(|&pid| proc::kill(pid, Signal::KILL));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for the root's exit, kills the remaining members, and sums up.
    ///
    /// # Errors
    /// [`TreeError::Survivors`] or [`TreeError::Lost`].
    pub fn finish(mut self) -> Result<End, TreeError> {
        let mut stamp = [0; 8];
        self.exit.read_exact(&mut stamp)?;
        let root = match self.reap_root()? {
            Some(root) => root,
            None => {
                return Err(TreeError::Lost(io::Error::other(
                    "the root process was already reaped",
                )));
            }
        };
        let left = self.stragglers();
        let leftovers = left
            .iter()
            .filter_map(|&pid| proc::command_line(pid))
            .filter(|line| !line.is_empty())
            .collect();
        self.kill()?;
        self.reap_orphans();
        Ok(End {
            status: if libc::WIFSIGNALED(root.status) {
                Status::Signaled(libc::WTERMSIG(root.status))
            } else {
                Status::Exited(libc::WEXITSTATUS(root.status))
            },
            started_ns: self.started_ns,
            ended_ns: u64::from_ne_bytes(stamp),
            spent: self.with_cgroup_cpu(root.spent.plus(&self.orphans)),
            // The root's value starts at what this process had, other members' values at what
            // another member had.
            largest_rss: [root.largest_rss, self.largest_orphan]
                .into_iter()
                .filter(|&rss| rss > self.inherited_rss + rss_error())
                .max(),
            cgroup_peak: self.cgroup.as_ref().and_then(Cgroup::memory_peak),
            leftovers,
        })
    }

    /// Returns members that still exist some time after the root exited. Helpers that exit by
    /// themselves (multiprocessing's resource tracker and fork server) get time to do so.
    fn stragglers(&mut self) -> Vec<i32> {
        let deadline = Instant::now() + EXIT_GRACE;
        loop {
            self.reap_orphans();
            let left: Vec<i32> = self.members().into_iter().filter(|&pid| alive(pid)).collect();
            if left.is_empty() || Instant::now() > deadline {
                return left;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(super) fn reap_root(&mut self) -> io::Result<Option<sys::Reaped>> {
        if self.reaped.is_none() {
            self.reaped = sys::reap(self.root, true)?;
        }
        Ok(self.reaped.clone())
    }
}

fn alive(pid: i32) -> bool {
    proc::stat(pid).is_some_and(|s| s.state != 'Z' && s.state != 'X')
}
