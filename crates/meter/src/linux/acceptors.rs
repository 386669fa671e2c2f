//! Finds the processes that accept connections on a port.

use super::proc;
use procfs::net::{TcpState, tcp, tcp6};
use procfs::process::{FDTarget, Process};
use std::collections::HashSet;

/// Returns those of `members` that hold a listening socket on `port` and have no child among them
/// that also holds one. For a master that listens and forks workers, these are the workers.
pub fn acceptors(port: u16, members: &[i32]) -> Vec<i32> {
    let sockets: HashSet<u64> = [tcp(), tcp6()]
        .into_iter()
        .flatten()
        .flatten()
        .filter(|s| s.state == TcpState::Listen && s.local_address.port() == port)
        .map(|s| s.inode)
        .collect();
    let holds = |pid: &i32| {
        let Ok(fds) = Process::new(*pid).and_then(|p| p.fd()) else { return false };
        fds.flatten()
            .any(|fd| matches!(fd.target, FDTarget::Socket(inode) if sockets.contains(&inode)))
    };
    if sockets.is_empty() {
        return Vec::new();
    }
    let holders: Vec<i32> = members.iter().copied().filter(holds).collect();
    let masters: HashSet<i32> =
        holders.iter().filter_map(|&pid| Some(proc::stat(pid)?.ppid)).collect();
    holders.into_iter().filter(|pid| !masters.contains(pid)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn finds_a_listener_by_its_port() {
        let me = rustix::process::getpid().as_raw_nonzero().get();
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        assert_eq!(acceptors(port, &[me]), [me]);
        assert_eq!(acceptors(port, &[]), []);
        drop(listener);
        assert_eq!(acceptors(port, &[me]), []);
    }
}
