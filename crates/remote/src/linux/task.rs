//! The threads of a process, and the one through which its memory is reached.
//!
//! A main thread that ends before the others leaves a zombie behind: under `/proc/PID` the memory,
//! the maps, the links and the arguments are empty, although the process runs on. Every thread that
//! still runs has all of them under `/proc/PID/task/TID`. A process has ended when none of its
//! threads has memory.

use std::fs;
use std::path::PathBuf;

/// The folder in which `/proc` shows the memory, links and arguments of `pid`: that of its main
/// thread, or of another thread once the main thread has ended. Where no thread has memory, the
/// folder is the main thread's, and reading in it fails.
pub(crate) fn folder(pid: u32) -> PathBuf {
    let thread = with_memory(pid).unwrap_or(pid);
    format!("/proc/{pid}/task/{thread}").into()
}

/// A thread of `pid` that has the process's memory, the main thread if it does; `None` once the
/// process has ended, and for kernel threads.
pub(crate) fn with_memory(pid: u32) -> Option<u32> {
    if has_memory(pid, pid) {
        return Some(pid);
    }
    all(pid).into_iter().find(|&thread| has_memory(pid, thread))
}

/// The threads of `pid` that have not ended.
pub(crate) fn running(pid: u32) -> Vec<u32> {
    let mut threads = all(pid);
    // The kernel removes every thread but the main one at its end.
    if !has_memory(pid, pid) {
        threads.retain(|&thread| thread != pid);
    }
    threads
}

fn all(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok()).collect()
}

/// Everybody may read this file; its first number is the size of the address space, and 0 without
/// one.
fn has_memory(pid: u32, thread: u32) -> bool {
    let sizes = fs::read_to_string(format!("/proc/{pid}/task/{thread}/statm"));
    sizes.is_ok_and(|sizes| !sizes.starts_with("0 "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_this_thread_is_running() {
        let pid = std::process::id();
        assert_eq!(with_memory(pid), Some(pid));
        assert!(folder(pid).join("exe").exists());
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        assert!(running(pid).contains(&u32::try_from(thread).unwrap_or(0)));
    }

    #[test]
    fn a_process_that_has_ended_has_none() {
        let mut child = std::process::Command::new("true").spawn().expect("true runs");
        let pid = child.id();
        let zombie = || {
            fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
        };
        while !zombie() {
            std::thread::yield_now();
        }
        assert_eq!((with_memory(pid), running(pid)), (None, Vec::new()));
        child.wait().expect("its status");
        assert_eq!((with_memory(pid), running(pid)), (None, Vec::new()));
    }
}
