//! Explains why a process may not be read.

use super::vm::ProcessMemory;
use super::{proc_stat, task};
use crate::memory::Memory;
use crate::process::AttachError;
use std::fs;

/// Returns why process `pid` may not be read, and the least privileged remedy.
pub(crate) fn denied_error(pid: u32) -> AttachError {
    match proc_stat::stat(pid) {
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
            "kernel.yama.ptrace_scope is 3: no process may read another one until the next reboot".into(),
            "boot with kernel.yama.ptrace_scope=1, then start the program with ungil or give ungil CAP_SYS_PTRACE".into(),
        ),
        _ if scope.is_some_and(|scope| scope != "0") && mine != 0 => (
            "kernel.yama.ptrace_scope allows a process to read only its own children".into(),
            "sudo setcap cap_sys_ptrace=ep $(command -v ungil), or sudo sysctl kernel.yama.ptrace_scope=0".into(),
        ),
        _ if in_container && !may_read_itself() => (
            "this container does not allow process_vm_readv".into(),
            "start it with --cap-add=SYS_PTRACE (Kubernetes: securityContext.capabilities.add: [SYS_PTRACE])".into(),
        ),
        _ => (
            "the kernel refused process_vm_readv".into(),
            "run with CAP_SYS_PTRACE; a process that has more capabilities or made itself undumpable needs it even for the same user".into(),
        ),
    };
    AttachError::Denied { pid, why, help }
}

/// Returns whether `process_vm_readv` works at all: a seccomp filter refuses it even for the
/// caller's own memory.
fn may_read_itself() -> bool {
    let here = [0; 1];
    let address = here.as_ptr() as u64;
    ProcessMemory::new(std::process::id()).read(address, &mut [0; 1]).is_ok()
}

/// Returns the user that a process belongs to.
fn owner(pid: u32) -> Option<u32> {
    procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?.uid().ok()
}
