//! What `/proc` says of a process, and why it may say no.

use super::task;
use super::vm::ProcessMemory;
use crate::memory::Memory;
use crate::process::AttachError;
use rustc_hash::FxHashMap;
use std::fs;

/// A process as `/proc/PID/stat` has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stat {
    /// `R`, `S`, `D`, `Z`...; of another thread where the main thread has ended before the process.
    pub(crate) state: char,
    /// Clock ticks since boot.
    pub(crate) started: u64,
    /// A thread of the kernel.
    pub(crate) kernel: bool,
}

/// Set for threads of the kernel (`PF_KTHREAD`, include/linux/sched.h).
const PF_KTHREAD: u32 = 0x0020_0000;

/// Set for a process that was forked and has not called `exec` since (`PF_FORKNOEXEC`).
const PF_FORKNOEXEC: u32 = 0x0000_0040;

/// The parent of a process that was forked from it and has not called `exec` since.
pub(crate) fn forked_from(pid: u32) -> Option<u32> {
    let stat = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?.stat().ok()?;
    (stat.flags & PF_FORKNOEXEC != 0).then_some(u32::try_from(stat.ppid).ok()?)
}

/// The process's stat line; `None` where there is no such process.
pub(crate) fn stat(pid: u32) -> Option<Stat> {
    let stat = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?.stat().ok()?;
    let mut state = stat.state;
    if state == 'Z' && stat.num_threads > 1 {
        let other =
            procfs::process::Process::new_with_root(task::folder(pid)).and_then(|task| task.stat());
        state = other.map_or(state, |other| other.state);
    }
    Some(Stat { state, started: stat.starttime, kernel: stat.flags & PF_KTHREAD != 0 })
}

/// The process's arguments; empty where they cannot be read.
pub(crate) fn command(pid: u32) -> Vec<String> {
    let bytes = fs::read(task::folder(pid).join("cmdline")).unwrap_or_default();
    let mut words: Vec<String> =
        bytes.split(|&byte| byte == 0).map(crate::unicode::decoded).collect();
    words.pop_if(|last| last.is_empty());
    words
}

/// Whether the process counts its threads in a pid namespace of its own, as in a container.
pub(crate) fn has_own_pids(pid: u32) -> bool {
    namespaced(&format!("/proc/{pid}/status")).is_some()
}

/// For a process with a pid namespace of its own: what each of these threads calls itself, and what
/// it is called here.
pub(crate) fn by_own_id<'t>(
    pid: u32,
    threads: impl IntoIterator<Item = &'t u32>,
) -> FxHashMap<u32, u32> {
    let own = |&here: &u32| Some((namespaced(&format!("/proc/{pid}/task/{here}/status"))?, here));
    threads.into_iter().filter_map(own).collect()
}

/// The innermost number of the `NSpid` line, where it has more than one.
fn namespaced(status: &str) -> Option<u32> {
    // The name in it need not be UTF-8: it is cut after 15 bytes.
    let status = fs::read(status).ok()?;
    let status = String::from_utf8_lossy(&status);
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    let mut numbers = numbers.split_ascii_whitespace();
    let _here = numbers.next()?;
    numbers.next_back()?.parse().ok()
}

/// Why process `pid` may not be read, and the smallest thing that would help.
pub(crate) fn denied(pid: u32) -> AttachError {
    match stat(pid) {
        None => return AttachError::NoProcess(pid),
        Some(stat) if stat.state == 'Z' => return AttachError::Zombie(pid),
        Some(_) if task::with_memory(pid).is_none() => return AttachError::Ended(pid),
        Some(_) => {}
    }
    let mine = rustix::process::geteuid().as_raw();
    let theirs = owner(pid);
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").ok();
    let scope = scope.as_deref().map(str::trim);
    let in_container = std::path::Path::new("/.dockerenv").exists()
        || fs::read_to_string("/proc/1/cgroup")
            .is_ok_and(|text| text.contains("docker") || text.contains("kubepods"));
    let (why, help) = match theirs {
        Some(theirs) if theirs != mine && mine != 0 => (
            format!("it belongs to user {theirs} and this is user {mine}"),
            format!("run as user {theirs} or with CAP_SYS_PTRACE: sudo setcap cap_sys_ptrace=ep $(command -v ungil)"),
        ),
        _ if scope == Some("3") => (
            "kernel.yama.ptrace_scope is 3: no process of this machine may look into another until it is rebooted".into(),
            "boot with kernel.yama.ptrace_scope=1 and start the program with ungil, or give it the capability".into(),
        ),
        _ if scope.is_some_and(|scope| scope != "0") && mine != 0 => (
            "kernel.yama.ptrace_scope lets a process look only into its own children".into(),
            "sudo setcap cap_sys_ptrace=ep $(command -v ungil), or sudo sysctl kernel.yama.ptrace_scope=0".into(),
        ),
        _ if in_container && !may_read_itself() => (
            "this container may not use process_vm_readv".into(),
            "start it with --cap-add=SYS_PTRACE (Kubernetes: securityContext.capabilities.add: [SYS_PTRACE])".into(),
        ),
        _ => (
            "the kernel refused process_vm_readv".into(),
            "run as the same user with CAP_SYS_PTRACE; a process that has more capabilities, or made itself undumpable, needs it even then".into(),
        ),
    };
    AttachError::Denied { pid, why, help }
}

/// Whether the call is to be had at all: a filter of system calls refuses it even for the caller's
/// own memory.
fn may_read_itself() -> bool {
    let here = [0; 1];
    let address = here.as_ptr() as u64;
    ProcessMemory::new(std::process::id()).read(address, &mut [0; 1]).is_ok()
}

/// The user a process belongs to.
fn owner(pid: u32) -> Option<u32> {
    procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?.uid().ok()
}
