//! Checks that a file is a complete core of an x86-64 process and explains why if it is not.

use super::elf::{self, ElfError, ElfHeaders};
use super::error::CoreError;
use std::fs::File;
use std::path::Path;

/// Converts a header error to an error for the user.
pub(super) fn headers(path: &Path, flaw: ElfError) -> CoreError {
    match flaw {
        ElfError::NotElf => {
            CoreError::new(path, "it is not an ELF file", "give a core file or a process id")
        }
        ElfError::Foreign(of) => CoreError::new(
            path,
            format!("it is from {of}"),
            "only cores of x86-64 Linux are supported",
        ),
        ElfError::Truncated => truncated(path, "it ends within its headers".into()),
        ElfError::Damaged(why) => {
            CoreError::new(path, why, "copy it again from where it was written")
        }
        ElfError::Io(error) => CoreError::io(path, &error),
    }
}

fn truncated(path: &Path, why: String) -> CoreError {
    let help = "wait until it is completely written; or allow larger cores (`ulimit -c unlimited`; systemd: ExternalSizeMax= in coredump.conf), free disk space, \
                and write another core";
    CoreError::new(path, why, help)
}

/// Rejects files that are not cores, are from another architecture, or are truncated.
pub(super) fn check(path: &Path, file: &File, elf: &ElfHeaders) -> Result<(), CoreError> {
    if elf.kind != elf::ET_CORE {
        let what = match elf.kind {
            1 => "an object file",
            2 | 3 => "an executable or a library",
            _ => "another type of ELF file",
        };
        return Err(CoreError::new(
            path,
            format!("it is {what}"),
            "give the core file; pass the executable with --exe",
        ));
    }
    if elf.machine != elf::EM_X86_64 || !cfg!(target_arch = "x86_64") {
        let machine = match elf.machine {
            elf::EM_X86_64 => "x86-64".into(),
            183 => "aarch64".into(),
            21 => "ppc64".into(),
            22 => "s390x".into(),
            243 => "riscv".into(),
            other => format!("machine {other}"),
        };
        let why =
            format!("it is from a process on {machine}; only x86-64 cores can be read, on x86-64");
        return Err(CoreError::new(path, why, "use gdb on such a machine"));
    }
    let len = file.metadata().map_err(|error| CoreError::io(path, &error))?.len();
    let ends = elf.segments.iter().map(|segment| segment.offset.saturating_add(segment.stored));
    let needed = ends.max().unwrap_or(0);
    if len < needed {
        return Err(truncated(path, format!("it is truncated: {len} of {needed} bytes")));
    }
    Ok(())
}
