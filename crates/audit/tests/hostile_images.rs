//! Fuzzes the parsers of binaries: no input makes them crash, hang or exhaust memory.
//!
//! Images of every format are changed at random where their bytes are not zero; constructed cases
//! are in `endless_images.rs`. `UNGIL_FUZZ_S=600` runs that many seconds for each format (default
//! 2), `UNGIL_FUZZ_CORPUS` is a folder with more seed images, and `UNGIL_FUZZ_SEED` repeats one
//! round. Rounds are reproducible; `UNGIL_FUZZ_FROM` sets the first.

mod synthetic;

use proptest::prelude::*;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use synthetic::{Fills, elf, macho, pe, universal, watch, without_sections};
use ungil_audit::gil_analysis::analyze;
use ungil_audit::image::{Arch, Format, Image};

/// Parses a file, calls every query of its images, and analyzes them.
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
        for address in edges.chain(exports.take(2_000)).chain(cells).chain([
            0,
            1,
            u64::MAX,
            u64::MAX - 7,
            1 << 63,
        ]) {
            let seen = (
                image.word(address),
                image.half(address),
                image.text(address),
                image.pointer(address),
            );
            let code =
                (image.code(address).map(<[u8]>::len), image.stub(address), image.jump(address));
            let bytes = image.bytes(address, 16).map(<[u8]>::len);
            assert!(bytes.is_none_or(|len| (16..=file.len()).contains(&len)));
            std::hint::black_box((seen, code, image.is_imported("PyModule_Create2")));
        }
        std::hint::black_box(analyze(&image));
    }
}

/// Returns the seed images.
fn seeds(format: Format) -> Vec<Vec<u8>> {
    let mut seeds = match format {
        Format::Elf => {
            let plain = elf(&["-Wl,--hash-style=both"]).image.bytes;
            let packed = elf(&["-Wl,-z,pack-relative-relocs", "-s"]).image.bytes;
            vec![without_sections(&plain), plain, packed]
        }
        Format::Pe => vec![pe(Arch::X86_64).bytes, pe(Arch::Aarch64).bytes],
        Format::MachO => {
            let kinds = [Fills::Chain, Fills::OffsetChain, Fills::Opcodes];
            let all: Vec<_> =
                kinds.into_iter().map(|fills| macho(Arch::X86_64, fills, true)).collect();
            let arm = macho(Arch::Aarch64, Fills::OffsetChain, false);
            let both = universal(&[&all[2], &arm]);
            all.into_iter().map(|image| image.bytes).chain([arm.bytes, both]).collect()
        }
    };
    let corpus =
        std::env::var_os("UNGIL_FUZZ_CORPUS").and_then(|folder| std::fs::read_dir(folder).ok());
    let files =
        corpus.into_iter().flatten().flatten().filter_map(|entry| std::fs::read(entry.path()).ok());
    seeds.extend(
        files.filter(|file| Image::parse(file).is_ok_and(|images| images[0].format == format)),
    );
    seeds
}

/// Returns the offsets at which the bytes of a file are not zero.
fn marks(file: &[u8]) -> Vec<usize> {
    (0..file.len())
        .step_by(2)
        .filter(|&at| file[at..file.len().min(at + 2)].iter().any(|&byte| byte != 0))
        .collect()
}

fn number(random: &mut ChaCha8Rng, file: &[u8], marks: &[usize]) -> u64 {
    let other = marks
        .choose(random)
        .and_then(|&at| file.get(at..at + 8))
        .and_then(|bytes| bytes.first_chunk());
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

/// Changes a file at random.
fn change(random: &mut ChaCha8Rng, file: &mut Vec<u8>, marks: &[usize]) {
    let count = [1, 1, 2, 4, 16, 64][random.random_range(0..6)];
    // Half of the changes are in the headers, which control everything else.
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
    let (mut round, mut read) = (only.or(variable("UNGIL_FUZZ_FROM")).unwrap_or(0), 0_u64);
    let first = round;
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
    let round = round - first;
    eprintln!("{format}: {round} rounds, of which {read} were read, in {:?}", started.elapsed());
    // If nothing were accepted any more, nothing would be tested.
    assert!(read > round / 100, "{format}: {read} of {round}");
}

#[test]
fn survives_hostile_elf() {
    fuzz(Format::Elf);
}

#[test]
fn survives_hostile_pe() {
    fuzz(Format::Pe);
}

#[test]
fn survives_hostile_macho() {
    fuzz(Format::MachO);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    /// Random bytes after the magic number of a format.
    #[test]
    fn survives_any_bytes(
        magic in prop::sample::select(vec![
            &b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0"[..], b"MZ", b"\xcf\xfa\xed\xfe\x07\0\0\x01", b"\xca\xfe\xba\xbe\0\0\0\x02", b"",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..4096),
    ) {
        drive(&[magic, &rest].concat());
    }

    /// Replaces any word of an image by any number.
    #[test]
    fn survives_any_word(which: prop::sample::Index, at: prop::sample::Index, value: u64, width in prop::sample::select(vec![1, 2, 4, 8])) {
        static SEEDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
        let seeds = SEEDS.get_or_init(|| [Format::Elf, Format::Pe, Format::MachO].into_iter().flat_map(seeds).collect());
        let mut file = which.get(seeds).clone();
        let marks = marks(&file);
        let at = *at.get(&marks);
        file.iter_mut().skip(at).zip(&value.to_le_bytes()[..width]).for_each(|(to, from)| *to = *from);
        drive(&file);
    }
}
