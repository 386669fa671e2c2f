//! Images with cyclic or overlapping tables are rejected.
//!
//! Each has at most a few megabytes, but would take hours or all memory if its tables were trusted.

mod synthetic;

use synthetic::{Bytes, Fills, macho, pe, watch};
use ungil_audit::image::{Arch, Image};

/// Returns a Mach-O image whose last part, from `at` on, is replaced.
fn with(at: usize, part: &[u8], repair: impl FnOnce(&mut Bytes)) -> Vec<u8> {
    let mut file = Bytes(macho(Arch::X86_64, Fills::Opcodes, true).bytes);
    file.put(at, part);
    repair(&mut file);
    file.0
}

/// Returns the offset of a load command.
fn command(file: &[u8], wanted: u32) -> usize {
    let word = |at: usize| u32::from_le_bytes(*file[at..].first_chunk().expect("a word"));
    let mut at = 32;
    while word(at) != wanted {
        at += word(at + 4) as usize;
    }
    at
}

fn assert_rejected(file: &[u8], because: &str) {
    let _watched = watch();
    let why = Image::parse(file).expect_err("it is rejected").to_string();
    assert!(why.contains(because), "{why}");
}

#[test]
fn rejects_overlapping_names() {
    // Half a million symbols share one name of a million bytes.
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
    assert_rejected(&file, "names overlap");
}

#[test]
fn rejects_exports_that_are_not_a_tree() {
    // Each node has two edges to the next: forty nodes, and a million million paths.
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
        assert_rejected(&file, "exports");
    }
}

#[test]
fn rejects_endless_fixups() {
    // Segment 1, offset 0, repeated as often as the number can express.
    let endless = [&[0x11, 0x21, 0x00, 0x60][..], &[0xff; 9], &[0x01, 0x00]].concat();
    assert_rejected(&with(0x2100, &endless, |_| ()), "more pointers than fit");
    let skipping =
        [&[0x11, 0x21, 0x00, 0x80][..], &[0xff; 9], &[0x01], &[0xf8], &[0xff; 8], &[0x01]].concat();
    let file = with(0x3000, &skipping, |file| {
        let at = command(&file.0, 0x8000_0022);
        file.word(at + 8, 0x3000);
        file.word(at + 12, skipping.len() as u32);
    });
    assert_rejected(&file, "more pointers than fit");
}

#[test]
fn rejects_overlapping_segments() {
    let mut file = pe(Arch::X86_64).bytes;
    // Every section covers the whole file.
    for section in 0..4 {
        let header = 0x98 + 240 + 40 * section;
        let len = file.len() as u32;
        for (field, value) in [(8, len), (16, len), (20, 0x0)] {
            file[header + field..header + field + 4].copy_from_slice(&value.to_le_bytes());
        }
        file[header + 20] = 1;
    }
    file.push(0);
    assert_rejected(&file, "segments overlap");
}
