//! Nothing in a binary makes its reader crash, hang or take all memory.
//!
//! Images of every format are changed at random where they say something, and by design where a reader could be led into
//! walking a ring or a thousand times over the same bytes. `UNGIL_FUZZ_S=600` makes the random part go on that many seconds for
//! each format (2 where nothing is said), `UNGIL_FUZZ_CORPUS` names a folder of further images to begin with, and
//! `UNGIL_FUZZ_SEED` one round to repeat.

mod made;

use made::{Bytes, Fills, elf, macho, pe, universal, without_sections};
use proptest::prelude::*;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use ungil_audit::image::{Arch, Format, Image};

/// Address space the test may use: many times what reading takes, far less than a size that was believed.
const MOST_MEMORY: u64 = 4 << 30;
/// The longest that reading one image may take before it is called a hang.
const HANG: Duration = Duration::from_secs(120);

/// Reads a file and asks everything that can be asked of its images.
fn drive(file: &[u8]) {
    let Ok(images) = Image::parse(file) else { return };
    for image in images {
        let edges = image.segments().iter().flat_map(|segment| {
            let part = &segment.addresses;
            [
                part.start,
                part.start.wrapping_sub(1),
                part.end,
                part.end.wrapping_sub(1),
                part.end.wrapping_sub(7),
            ]
        });
        let exports = image.exports.values().copied();
        let cells = image.pointers().take(2_000).flat_map(|(cell, target)| [cell, target]);
        for address in
            edges.chain(exports.take(2_000)).chain(cells).chain([0, 1, u64::MAX, u64::MAX - 7, 1 << 63])
        {
            let seen =
                (image.word(address), image.half(address), image.text(address), image.pointer(address));
            let code = (image.code(address).map(<[u8]>::len), image.stub(address), image.jump(address));
            let bytes = image.bytes(address, 16).map(<[u8]>::len);
            assert!(bytes.is_none_or(|len| (16..=file.len()).contains(&len)));
            std::hint::black_box((seen, code, image.is_imported("PyModule_Create2")));
        }
    }
}

/// Ends the process when one image takes too long; a loop that never ends can be ended in no other way.
fn watch() -> Arc<AtomicU64> {
    limit_memory();
    let rounds = Arc::new(AtomicU64::new(0));
    let watched = Arc::downgrade(&rounds);
    std::thread::spawn(move || {
        let (mut last, mut since) = (u64::MAX, Instant::now());
        while let Some(rounds) = watched.upgrade() {
            let now = rounds.load(Ordering::Relaxed);
            drop(rounds);
            if now != last {
                (last, since) = (now, Instant::now());
            } else if since.elapsed() > HANG {
                eprintln!("round {now} hangs");
                std::process::abort();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    rounds
}

/// A size that is believed ends this test: an allocation beyond the limit aborts.
fn limit_memory() {
    let limit = rustix::process::Rlimit { current: Some(MOST_MEMORY), maximum: Some(MOST_MEMORY) };
    rustix::process::setrlimit(rustix::process::Resource::As, limit).expect("a limit");
}

/// Images to begin with.
fn seeds(format: Format) -> Vec<Vec<u8>> {
    let mut seeds = match format {
        Format::Elf => {
            let plain = elf(&["-Wl,--hash-style=both"]).made.bytes;
            let packed = elf(&["-Wl,-z,pack-relative-relocs", "-s"]).made.bytes;
            vec![without_sections(&plain), plain, packed]
        }
        Format::Pe => vec![pe(Arch::X86_64).bytes, pe(Arch::Aarch64).bytes],
        Format::MachO => {
            let kinds = [Fills::Chain, Fills::OffsetChain, Fills::Opcodes];
            let all: Vec<_> = kinds.into_iter().map(|fills| macho(Arch::X86_64, fills, true)).collect();
            let arm = macho(Arch::Aarch64, Fills::OffsetChain, false);
            let both = universal(&[&all[2], &arm]);
            all.into_iter().map(|made| made.bytes).chain([arm.bytes, both]).collect()
        }
    };
    let corpus = std::env::var_os("UNGIL_FUZZ_CORPUS").and_then(|folder| std::fs::read_dir(folder).ok());
    let files = corpus.into_iter().flatten().flatten().filter_map(|entry| std::fs::read(entry.path()).ok());
    seeds.extend(files.filter(|file| Image::parse(file).is_ok_and(|images| images[0].format == format)));
    seeds
}

/// Places where a file says something: where its bytes are not zero.
fn marks(file: &[u8]) -> Vec<usize> {
    (0..file.len())
        .step_by(2)
        .filter(|&at| file[at..file.len().min(at + 2)].iter().any(|&byte| byte != 0))
        .collect()
}

fn number(random: &mut ChaCha8Rng, file: &[u8], marks: &[usize]) -> u64 {
    let other =
        marks.choose(random).and_then(|&at| file.get(at..at + 8)).and_then(|bytes| bytes.first_chunk());
    let other = other.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    match random.random_range(0..10) {
        0 => 0,
        1 => u64::MAX,
        2 => random.random(),
        3 => other,
        4 => other.wrapping_add(random.random_range(0..16)).wrapping_sub(8),
        5 => random.random_range(0..64),
        6 => 1 << random.random_range(0..64),
        7 => (1_u64 << random.random_range(0..64)).wrapping_sub(1),
        8 => file.len() as u64 - random.random_range(0..16.min(file.len() as u64)),
        _ => random.random_range(0..=file.len() as u64),
    }
}

/// Changes a file.
fn change(random: &mut ChaCha8Rng, file: &mut Vec<u8>, marks: &[usize]) {
    let count = [1, 1, 2, 4, 16, 64][random.random_range(0..6)];
    // Half of all changes are in what comes first: nothing else is read if that is nonsense, and all is led by it.
    let early = marks.partition_point(|&at| at < 0x400);
    for _ in 0..count {
        let some = if random.random() { &marks[..early] } else { marks };
        let at = some.choose(random).copied().unwrap_or(0) & !random.random_range(0..8_usize);
        let value = number(random, file, marks).to_le_bytes();
        let width = [1, 2, 4, 8][random.random_range(0..4)];
        match random.random_range(0..20) {
            0 => file.truncate(at.max(1)),
            1 => {
                let (from, len) = (random.random_range(0..file.len()), random.random_range(0..256));
                let piece = file[from..file.len().min(from + len)].to_vec();
                file.iter_mut().skip(at).zip(piece).for_each(|(to, from)| *to = from);
            }
            2 => file.extend_from_slice(&value),
            _ => file.iter_mut().skip(at).zip(&value[..width]).for_each(|(to, from)| *to = *from),
        }
    }
}

fn fuzz(format: Format) {
    let variable = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = Duration::from_secs(variable("UNGIL_FUZZ_S").unwrap_or(2));
    let only = variable("UNGIL_FUZZ_SEED");
    let seeds: Vec<_> = seeds(format).into_iter().map(|file| (marks(&file), file)).collect();
    let watched = watch();
    let started = Instant::now();
    let (mut round, mut read) = (only.unwrap_or(0), 0_u64);
    while started.elapsed() < seconds && only.is_none_or(|only| only == round) {
        watched.store(round, Ordering::Relaxed);
        let mut random = ChaCha8Rng::seed_from_u64(round);
        let (marks, file) = seeds.choose(&mut random).expect("seeds");
        let mut file = file.clone();
        change(&mut random, &mut file, marks);
        let outcome = std::panic::catch_unwind(|| drive(&file));
        assert!(outcome.is_ok(), "{format}: UNGIL_FUZZ_SEED={round}");
        read += u64::from(Image::parse(&file).is_ok());
        round += 1;
    }
    eprintln!("{format}: {round} rounds, of which {read} were read, in {:?}", started.elapsed());
    // Were nothing read any more, nothing would be tested.
    assert!(read > round / 100, "{format}: {read} of {round}");
}

#[test]
fn elf_that_lies_is_survived() {
    fuzz(Format::Elf);
}

#[test]
fn pe_that_lies_is_survived() {
    fuzz(Format::Pe);
}

#[test]
fn macho_that_lies_is_survived() {
    fuzz(Format::MachO);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    /// Anything behind the first bytes of a format.
    #[test]
    fn any_bytes_are_survived(
        magic in prop::sample::select(vec![
            &b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0"[..], b"MZ", b"\xcf\xfa\xed\xfe\x07\0\0\x01", b"\xca\xfe\xba\xbe\0\0\0\x02", b"",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..4096),
    ) {
        drive(&[magic, &rest].concat());
    }

    /// Any one word of an image is any number.
    #[test]
    fn a_word_that_lies_is_survived(which: prop::sample::Index, at: prop::sample::Index, value: u64, width in prop::sample::select(vec![1, 2, 4, 8])) {
        static SEEDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
        let seeds = SEEDS.get_or_init(|| [Format::Elf, Format::Pe, Format::MachO].into_iter().flat_map(seeds).collect());
        let mut file = which.get(seeds).clone();
        let marks = marks(&file);
        let at = *at.get(&marks);
        file.iter_mut().skip(at).zip(&value.to_le_bytes()[..width]).for_each(|(to, from)| *to = *from);
        drive(&file);
    }
}

/// A Mach-O image of which the last part, from `at` on, was replaced.
fn with(at: usize, part: &[u8], mend: impl FnOnce(&mut Bytes)) -> Vec<u8> {
    let mut file = Bytes(macho(Arch::X86_64, Fills::Opcodes, true).bytes);
    file.put(at, part);
    mend(&mut file);
    file.0
}

/// The offset of a load command.
fn command(file: &[u8], wanted: u32) -> usize {
    let word = |at: usize| u32::from_le_bytes(*file[at..].first_chunk().expect("a word"));
    let mut at = 32;
    while word(at) != wanted {
        at += word(at + 4) as usize;
    }
    at
}

fn refused(file: &[u8], because: &str) {
    let _watched = watch();
    let why = Image::parse(file).expect_err("it is refused").to_string();
    assert!(why.contains(because), "{why}");
}

#[test]
fn names_that_share_their_bytes_are_refused() {
    // Half a million symbols with one name of a million bytes.
    let (count, len) = (500_000, 1_000_000);
    let mut part = Vec::new();
    for _ in 0..count {
        part.extend_from_slice(&[1, 0, 0, 0, 0x0f, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    part.extend(std::iter::repeat_n(b'x', len));
    part.push(0);
    let file = with(0x3000, &part, |file| {
        let at = command(&file.0, 2);
        [0x3000, count, 0x3000 + 16 * count, len as u32 + 1]
            .into_iter()
            .enumerate()
            .for_each(|(field, value)| file.word(at + 8 + 4 * field, value));
    });
    refused(&file, "names overlap");
}

#[test]
fn exports_that_are_no_tree_are_refused() {
    // Each node has two edges to the next: forty nodes, and a million million ways.
    let node = |next: u16| {
        let [low, high] = [next as u8 & 0x7f | 0x80, (next >> 7) as u8];
        [0, 2, b'a', 0, low, high, b'b', 0, low, high]
    };
    let mut many: Vec<u8> = (1..=40).flat_map(|next| node(10 * next)).collect();
    many.extend_from_slice(&[0, 0]);
    for table in [many, b"\0\x01a\0\0".to_vec()] {
        let file = with(0x2200, &[0; 0x40], |file| {
            let at = command(&file.0, 0x8000_0022);
            file.put(0x3000, &table);
            file.word(at + 40, 0x3000);
            file.word(at + 44, table.len() as u32);
        });
        refused(&file, "exports");
    }
}

#[test]
fn fills_without_end_are_refused() {
    // Segment 1, offset 0, as often as a number can say.
    let endless = [&[0x11, 0x21, 0x00, 0x60][..], &[0xff; 9], &[0x01, 0x00]].concat();
    refused(&with(0x2100, &endless, |_| ()), "more pointers than room");
    let skipping =
        [&[0x11, 0x21, 0x00, 0x80][..], &[0xff; 9], &[0x01], &[0xf8], &[0xff; 8], &[0x01]].concat();
    let file = with(0x3000, &skipping, |file| {
        let at = command(&file.0, 0x8000_0022);
        file.word(at + 8, 0x3000);
        file.word(at + 12, skipping.len() as u32);
    });
    refused(&file, "more pointers than room");
}

#[test]
fn segments_that_share_their_bytes_are_refused() {
    let mut file = pe(Arch::X86_64).bytes;
    // Every section has the whole file.
    for section in 0..4 {
        let header = 0x98 + 240 + 40 * section;
        let len = file.len() as u32;
        for (field, value) in [(8, len), (16, len), (20, 0x0)] {
            file[header + field..header + field + 4].copy_from_slice(&value.to_le_bytes());
        }
        file[header + 20] = 1;
    }
    file.push(0);
    refused(&file, "segments overlap");
}
