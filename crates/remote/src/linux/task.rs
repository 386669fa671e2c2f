//! The threads of a process, and the thread through which its memory is accessed.
//!
//! A main thread that ends before the other threads leaves a zombie: under `/proc/PID` memory,
//! maps, links and arguments are empty, although the process is still running. They are available
//! under `/proc/PID/task/TID` of every thread that is still running. A process has ended when none
//! of its threads has memory.

use std::fs;
use std::path::PathBuf;

/// Returns the `/proc` directory with the memory, links and arguments of `pid`: that of its main
/// thread, or of another thread if the main thread has ended. If no thread has memory, returns the
/// main thread's directory, and reading in it fails.
pub(crate) fn folder(pid: u32) -> PathBuf {
    let thread = with_memory(pid).unwrap_or(pid);
    format!("/proc/{pid}/task/{thread}").into()
}

/// Returns a thread of `pid` that has memory, preferably the main thread; `None` if the process has
/// ended, and for kernel threads.
pub(crate) fn with_memory(pid: u32) -> Option<u32> {
    if has_memory(pid, pid) {
        return Some(pid);
    }
    all(pid).into_iter().find(|&thread| has_memory(pid, thread))
}

/// Returns the threads of `pid` that have not ended.
pub(crate) fn running(pid: u32) -> Vec<u32> {
    let mut threads = all(pid);
    // The kernel removes ended threads, except the main thread.
    if !has_memory(pid, pid) {
        threads.retain(|&thread| thread != pid);
    }
    threads
}

fn all(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok()).collect()
}

/// Reads `statm`, which needs no permission. Its first number is the size of the address space; 0
/// if there is none.
fn has_memory(pid: u32, thread: u32) -> bool {
    let sizes = fs::read_to_string(format!("/proc/{pid}/task/{thread}/statm"));
    sizes.is_ok_and(|sizes| !sizes.starts_with("0 "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process_has_memory_and_own_thread_is_running() {
        let pid = std::process::id();
        assert_eq!(with_memory(pid), Some(pid));
        assert!(folder(pid).join("exe").exists());
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        assert!(running(pid).contains(&u32::try_from(thread).unwrap_or(0)));
    }

    #[test]
    fn ended_process_has_no_memory_and_no_threads() {
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
