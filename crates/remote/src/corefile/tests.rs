//! Tests with a hand-made core, intact and corrupted by proptest.

use super::death::{death, signal_name};
use super::*;
use crate::memory::ReadError;
use proptest::prelude::*;
use std::io::Write;
use tempfile::NamedTempFile;

const MAPPED: u64 = 0x10000;
const STACK: u64 = 0x20000;
const PAGE: usize = 4096;

fn note(kind: u32, content: &[u8]) -> Vec<u8> {
    let mut note = Vec::new();
    for word in [5, content.len() as u32, kind] {
        note.extend(word.to_le_bytes());
    }
    note.extend(b"CORE\0\0\0\0");
    note.extend(content);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Returns the note of a thread that sleeps in a futex.
fn thread(tid: u32, signal: u16) -> Vec<u8> {
    let mut status = vec![0; 336];
    status[12..14].copy_from_slice(&signal.to_le_bytes());
    status[32..36].copy_from_slice(&tid.to_le_bytes());
    for (register, value) in
        [(10, -512_i64 as u64), (14, 0x1234), (15, 202), (19, STACK), (21, u64::from(tid) << 12)]
    {
        status[112 + register * 8..][..8].copy_from_slice(&value.to_le_bytes());
    }
    note(1, &status)
}

/// Returns a core of two threads with one file mapping whose bytes are missing, and a stack.
fn core() -> Vec<u8> {
    let mut process = vec![0; 136];
    process[24..28].copy_from_slice(&7_u32.to_le_bytes());
    process[40..46].copy_from_slice(b"python");
    process[56..66].copy_from_slice(b"python a.b");
    let mut files = words(&[1, PAGE as u64, MAPPED, MAPPED + 2 * PAGE as u64, 0]);
    files.extend(b"/nowhere/python\0");
    let mut siginfo = vec![0; 128];
    siginfo[..4].copy_from_slice(&11_u32.to_le_bytes());
    siginfo[8] = 1;
    siginfo[16] = 8;
    let auxv = words(&[AT_ENTRY, MAPPED + 8, AT_RANDOM, STACK + 0x800, 0, 0]);
    let notes = [
        thread(7, 11),
        note(3, &process),
        note(0x5349_4749, &siginfo),
        note(6, &auxv),
        note(0x4649_4c45, &files),
        thread(8, 11),
    ]
    .concat();
    let start = elf::HEADER_SIZE + 3 * elf::SEGMENT_SIZE;
    let mut core = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    core.resize(elf::HEADER_SIZE, 0);
    core[16] = 4;
    core[18] = 62;
    core[32] = 64;
    core[54] = 56;
    core[56] = 3;
    let mut segment = |kind: u32, flags: u32, fields: [u64; 4]| {
        let [offset, address, stored, size] = fields;
        core.extend(kind.to_le_bytes());
        core.extend(flags.to_le_bytes());
        core.extend(words(&[offset, address, 0, stored, size, 0]));
    };
    let stack = (start + notes.len()) as u64;
    segment(elf::PT_NOTE, 0, [start as u64, 0, notes.len() as u64, 0]);
    segment(elf::PT_LOAD, elf::PF_R, [stack, MAPPED, 0, 2 * PAGE as u64]);
    segment(elf::PT_LOAD, elf::PF_R | elf::PF_W, [stack, STACK, PAGE as u64, PAGE as u64]);
    core.extend(notes);
    core.extend((0..PAGE).map(|at| at as u8));
    core
}

fn open(bytes: &[u8], options: &CoreOptions) -> Result<CoreFile, CoreError> {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("written");
    CoreFile::open(file.path(), options)
}

#[test]
fn reads_process_facts_from_notes() {
    let core = open(&core(), &CoreOptions::default()).expect("a core");
    assert_eq!((core.pid(), core.executable()), (7, Path::new("/nowhere/python")));
    assert_eq!(core.command(), ["python", "a.b"]);
    assert_eq!(core.threads().collect::<Vec<_>>(), [7, 8]);
    assert_eq!((core.by_ident(8 << 12), core.by_ident(1)), (Some(8), None));
    let KernelState::SystemCall(call) = core.kernel_state(8) else {
        panic!("{:?}", core.kernel_state(8))
    };
    assert_eq!((call.number, call.args[0], call.stack), (202, 0x1234, STACK));
    assert_eq!(core.kernel_state(9), KernelState::Gone);
    let death = core.death().expect("killed");
    assert_eq!(
        (death.signal_name.as_str(), death.thread, death.address.as_deref()),
        ("SIGSEGV", 7, Some("0x8"))
    );
    let regions = core.regions();
    assert_eq!(regions.len(), 2);
    assert!(regions[1].is_stack && regions[1].writable && regions[1].file.is_none());
    assert!(!regions[0].is_stack && !regions[0].writable && regions[0].file.is_some());
}

#[test]
fn missing_pages_are_read_from_the_file_or_reported() {
    let bytes = core();
    let core = open(&bytes, &CoreOptions::default()).expect("a core");
    let memory = core.memory();
    assert_eq!(memory.bytes::<4>(STACK + 8), Ok([8, 9, 10, 11]));
    assert!(core.missing().is_empty());
    assert_eq!(memory.u64(MAPPED), Err(ReadError::Unmapped(MAPPED)));
    assert_eq!(memory.u64(STACK + PAGE as u64 - 4), Err(ReadError::Unmapped(STACK + PAGE as u64)));
    let missing = core.missing();
    assert!(
        missing.len() == 1
            && missing[0].contains("/nowhere/python")
            && missing[0].contains("--exe"),
        "{missing:?}"
    );

    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(&[3; PAGE + 4]).expect("written");
    let given = CoreOptions { executable: Some(file.path().to_owned()), root: None };
    let core = open(&bytes, &given).expect("a core");
    // The rest of the last page is zeros.
    assert_eq!(core.memory().bytes::<8>(MAPPED + PAGE as u64), Ok([3, 3, 3, 3, 0, 0, 0, 0]));
    assert!(core.missing().is_empty());
    file.as_file().set_len(PAGE as u64).expect("shortened");
    let error = open(&bytes, &given).expect_err("too short");
    assert!(error.why.contains("not the file that was mapped"), "{error:?}");
}

#[test]
fn reports_stacks_of_zeros() {
    let mut bytes = core();
    let stack = bytes.len() - PAGE;
    bytes[stack..].fill(0);
    let missing = open(&bytes, &CoreOptions::default()).expect("a core").missing();
    assert!(missing.len() == 1 && missing[0].contains("2 stacks"), "{missing:?}");
}

#[test]
fn rejects_executable_of_another_build_by_its_headers() {
    // The core has the first page of the executable, an ELF file without program headers.
    let mut bytes = core();
    let stack = bytes.len() - PAGE;
    let first = elf::HEADER_SIZE + elf::SEGMENT_SIZE;
    bytes[first + 32..first + 40].copy_from_slice(&(PAGE as u64).to_le_bytes());
    let mut image = vec![0; 2 * PAGE];
    image[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
    bytes[stack..].copy_from_slice(&image[..PAGE]);
    for (at, fits) in [(PAGE + 1, true), (24, false)] {
        image[at] ^= 1;
        let mut file = NamedTempFile::new().expect("a file");
        file.write_all(&image).expect("written");
        let given = CoreOptions { executable: Some(file.path().to_owned()), root: None };
        assert_eq!(open(&bytes, &given).is_ok(), fits, "byte {at}");
    }
}

#[test]
fn core_of_a_process_that_continued_has_no_death() {
    let mut notes = CoreNotes::default();
    assert_eq!(death(&notes), None);
    for (signal, by_kernel, is_death) in [
        (0, true, false),
        (5, false, false),
        (19, false, false),
        (5, true, true),
        (40, false, true),
    ] {
        notes.threads =
            vec![ThreadNote { tid: 1, signal, registers: notes::CoreRegisters::default() }];
        notes.by_kernel = by_kernel;
        assert_eq!(death(&notes).is_some(), is_death, "{signal} {by_kernel}");
    }
    assert_eq!((signal_name(31), signal_name(40)), ("SIGSYS".into(), "signal 40".into()));
}

/// Calls everything that reads a core.
fn read_all(core: &CoreFile) {
    let memory = core.memory();
    for region in core.regions() {
        for at in [region.start, region.end.saturating_sub(8), region.end, u64::MAX] {
            let _ = memory.u64(at);
        }
        let _ = core.local_path(region.file.as_deref().unwrap_or(Path::new("x")));
    }
    for tid in core.threads().take(64).collect::<Vec<_>>() {
        let _ = (core.kernel_state(tid), core.registers(tid), core.thread_name(tid));
    }
    let _ = (core.missing(), core.death());
}

proptest! {
    #[test]
    fn corrupt_core_does_not_panic(changes in prop::collection::vec((0_usize..2048, any::<u8>()), 1..16), cut in any::<prop::sample::Index>()) {
        let mut bytes = core();
        for (at, value) in changes {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        let cut = if cut.index(4) == 0 { cut.index(bytes.len()) } else { bytes.len() };
        if let Ok(core) = open(&bytes[..cut], &CoreOptions::default()) {
            read_all(&core);
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(mut bytes: Vec<u8>, how in 0..4) {
        match how {
            0 => bytes.splice(0..0, [0x1f, 0x8b, 8, 0]).for_each(drop),
            1 => bytes.splice(0..0, [0x28, 0xb5, 0x2f, 0xfd]).for_each(drop),
            2 => bytes.splice(0..0, core()[..64].iter().copied()).for_each(drop),
            _ => {}
        }
        if let Ok(core) = open(&bytes, &CoreOptions::default()) {
            read_all(&core);
        }
    }
}
