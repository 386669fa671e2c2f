//! Says of a file that is no core of an x86-64 process, or not all of one, what it is.

use super::elf::{self, Elf, Flaw};
use super::error::CoreError;
use std::fs::File;
use std::path::Path;

/// What is wrong with the headers, in words.
pub(super) fn headers(path: &Path, flaw: Flaw) -> CoreError {
    match flaw {
        Flaw::NotElf => CoreError::new(
            path,
            "it does not begin as an ELF file",
            "give a core file, or the number of a process",
        ),
        Flaw::Foreign(of) => {
            CoreError::new(path, format!("it is of {of}"), "only cores of x86-64 Linux are read")
        }
        Flaw::Truncated => truncated(path, "it ends within its headers".into()),
        Flaw::Damaged(why) => CoreError::new(path, why, "copy it again from where it was written"),
        Flaw::Io(error) => CoreError::io(path, &error),
    }
}

fn truncated(path: &Path, why: String) -> CoreError {
    let help = "wait until it is written; or allow larger cores (`ulimit -c unlimited`; systemd: ExternalSizeMax= in coredump.conf), make room on the disk, \
                and let the program write one again";
    CoreError::new(path, why, help)
}

/// Refuses what is no core, of another machine, or not all there.
pub(super) fn check(path: &Path, file: &File, elf: &Elf) -> Result<(), CoreError> {
    if elf.kind != elf::ET_CORE {
        let what = match elf.kind {
            1 => "an object file",
            2 | 3 => "an executable or a library",
            _ => "an ELF file of another kind",
        };
        return Err(CoreError::new(
            path,
            format!("it is {what}"),
            "give the core; the executable goes after --exe",
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
            format!("it is of a process on {machine}, and cores are read on and of x86-64 alone");
        return Err(CoreError::new(path, why, "look at it on such a machine with gdb"));
    }
    let len = file.metadata().map_err(|error| CoreError::io(path, &error))?.len();
    let ends = elf.segments.iter().map(|segment| segment.offset.saturating_add(segment.stored));
    let needed = ends.max().unwrap_or(0);
    if len < needed {
        return Err(truncated(path, format!("it is truncated: {len} bytes of {needed}")));
    }
    Ok(())
}
