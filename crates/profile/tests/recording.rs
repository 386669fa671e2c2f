//! A recording reproduces what was recorded, up to where it was cut off, and no input does harm.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

mod common;

use common::*;
use proptest::prelude::*;
use std::path::PathBuf;
use ungil_profile::*;

/// Records a run; returns the recording's bytes, the profile and the samples.
fn record(run: &[ObservedThread]) -> (Vec<u8>, Profile, Vec<Sample>) {
    let file = SharedBuffer::default();
    let mut builder = Builder::new(header()).record(file.clone());
    let samples = record_run(&mut builder, run);
    let finished = builder.finish(totals());
    finished.recording.unwrap();
    (file.bytes(), finished.profile, samples)
}

/// Writes the bytes to a file.
fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.ungil");
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

fn samples(recording: &Recording) -> Vec<Sample> {
    let mut all = Vec::new();
    recording.samples(|s| all.push(*s)).unwrap();
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn replay_gives_the_profile_and_the_order(run in run()) {
        let (bytes, profile, expected) = record(&run);
        let (_dir, path) = file(&bytes);
        let recording = Recording::open(&path).unwrap();
        prop_assert_eq!(recording.cut(), None);
        prop_assert_eq!(recording.profile(), &profile);
        prop_assert_eq!(recording.timed(), !expected.is_empty());
        prop_assert_eq!(samples(&recording), expected);
    }

    #[test]
    fn a_profile_saved_as_sums_is_unchanged(run in run()) {
        let (_, profile, _) = record(&run);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sum.ungil");
        profile.save(&path).unwrap();
        let recording = Recording::open(&path).unwrap();
        prop_assert_eq!(recording.profile(), &profile);
        prop_assert!(!recording.timed());
    }

    #[test]
    fn a_truncated_recording_is_read_up_to_the_cut(run in run(), at in 0.0..1.0f64) {
        let (bytes, profile, expected) = record(&run);
        let (_dir, path) = file(&bytes[..(bytes.len() as f64 * at) as usize]);
        match Recording::open(&path) {
            Err(RecordingError::Foreign { .. } | RecordingError::Empty { .. }) => {}
            Err(e) => panic!("{e}"),
            Ok(recording) => {
                prop_assert!(recording.cut().is_some());
                let read = samples(&recording);
                prop_assert_eq!(&expected[..read.len()], &read[..]);
                prop_assert_eq!(&recording.profile().header, &profile.header);
                prop_assert!(recording.profile().totals.notes.iter().any(|n| n.contains("ends early")));
            }
        }
    }

    #[test]
    fn detects_a_changed_byte(run in run(), at in 0.0..1.0f64, with in 1..=255u8) {
        let (mut bytes, profile, _) = record(&run);
        let at = (bytes.len() as f64 * at) as usize;
        bytes[at] ^= with;
        let (_dir, path) = file(&bytes);
        match Recording::open(&path) {
            Ok(recording) => prop_assert!(recording.cut().is_some() || recording.profile() == &profile),
            Err(e) => {
                let read = !matches!(e, RecordingError::Io { .. });
                prop_assert!(read, "{}", e);
            }
        }
    }

    /// Valid blocks with arbitrary text: the checksum does not stop an attacker.
    #[test]
    fn survives_any_text(texts in proptest::collection::vec(text(), 0..4)) {
        let mut bytes = b"UNGILRC\x01".to_vec();
        let header = serde_json::to_vec(&header()).unwrap();
        let mut first = vec![4];
        varint(&mut first, header.len() as u64);
        first.extend(header);
        block(&mut bytes, &first);
        texts.iter().for_each(|text| block(&mut bytes, text));
        let (_dir, path) = file(&bytes);
        let recording = Recording::open(&path).unwrap();
        let read = samples(&recording);
        let profile = recording.profile();
        for (key, _) in &profile.rows {
            prop_assert!(key.stack.index() < profile.stacks.len() && key.thread.index() < profile.threads.len());
        }
        prop_assert!(read.len() <= texts.iter().map(Vec::len).sum());
    }

    #[test]
    fn survives_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300), magic in any::<bool>()) {
        let bytes = if magic { [b"UNGILRC\x01", &bytes[..]].concat() } else { bytes };
        let (_dir, path) = file(&bytes);
        prop_assert!(Recording::open(&path).is_err());
    }
}

/// Operations with operands that are often valid.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![4 => 0..4u64, 2 => 0..200u64, 1 => any::<u64>()];
    let operation = (0..7u64, 0..10u64, proptest::collection::vec(number, 0..7));
    proptest::collection::vec(operation, 0..40).prop_map(|operations| {
        let mut text = Vec::new();
        for (operation, operand, rest) in operations {
            varint(&mut text, operand << 3 | operation);
            rest.into_iter().for_each(|n| varint(&mut text, n));
        }
        text
    })
}

fn varint(text: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        text.push(n as u8 | 0x80);
        n >>= 7;
    }
    text.push(n as u8);
}

fn block(file: &mut Vec<u8>, text: &[u8]) {
    use std::io::Write;
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    deflate.write_all(text).unwrap();
    let body = deflate.finish().unwrap();
    let mut crc = flate2::Crc::new();
    crc.update(&body);
    for n in [body.len() as u32, text.len() as u32, crc.sum()] {
        file.extend(n.to_le_bytes());
    }
    file.extend(body);
}

#[test]
fn a_small_file_cannot_define_much() {
    // 64 blocks of 1 MiB that compress to a kilobyte: stacks, each one deeper.
    let mut bytes = record(&[]).0;
    bytes.truncate(first_block(&bytes));
    let mut definitions = Vec::new();
    for fields in
        [&[2 << 3 | 4, 1, u64::from(b'f')][..], &[3 << 3 | 4, 1, 1, 1, 0], &[4 << 3 | 4, 0, 1]]
    {
        fields.iter().for_each(|n| varint(&mut definitions, *n));
    }
    block(&mut bytes, &definitions);
    let deeper: Vec<u8> = [5 << 3 | 4, 1, 0].repeat((1 << 20) / 3);
    (0..64).for_each(|_| block(&mut bytes, &deeper));
    assert!(bytes.len() < 200_000, "{}", bytes.len());
    let (_dir, path) = file(&bytes);
    let recording = Recording::open(&path).unwrap();
    assert!(recording.cut().unwrap().contains("defines more"), "{:?}", recording.cut());
    assert!(recording.profile().stacks.len() < 6_000_000, "{}", recording.profile().stacks.len());
}

/// Returns the end of the first block.
fn first_block(bytes: &[u8]) -> usize {
    20 + u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize
}

#[test]
fn a_sample_takes_few_bytes() {
    let file = SharedBuffer::default();
    let mut builder = Builder::new(header()).record(file.clone());
    contended_into(&mut builder);
    builder.finish(totals()).recording.unwrap();
    let per_sample = file.bytes().len() as f64 / 8000.0;
    assert!(per_sample < 3.0, "{per_sample} bytes a sample");
}

#[test]
fn reads_version_1_and_rejects_future_versions() {
    let file = SharedBuffer::default();
    let mut builder = Builder::new(header()).record(file.clone());
    contended_into(&mut builder);
    let profile = builder.finish(Totals::default()).profile;
    let mut bytes = file.bytes();
    bytes[7] = 1;
    let (_dir, path) = self::file(&bytes);
    assert_eq!(Recording::open(&path).unwrap().profile().rows, profile.rows);
    bytes[7] = 3;
    let (_dir, path) = self::file(&bytes);
    assert!(Recording::open(&path).unwrap_err().to_string().contains("version 3"));
}

#[test]
fn a_kill_loses_at_most_a_second() {
    let file = SharedBuffer::default();
    let mut builder = Builder::new(header()).record(file.clone());
    contended_into(&mut builder);
    let mut second = Vec::new();
    for at_ns in [1_500_000_000, 2_600_000_000u64] {
        let thread = builder.thread(7, 1, "t");
        let (stack, activity) = (StackId::EMPTY, Activity::RUNNING);
        second.push(Sample { at_ns, weight: 1, thread, stack, activity, lock: None, holder: None });
        builder.sample(second[second.len() - 1]);
    }
    let (_dir, path) = self::file(&file.bytes());
    std::mem::forget(builder);
    let recording = Recording::open(&path).unwrap();
    assert!(recording.cut().unwrap().contains("no end marker"));
    assert_eq!(samples(&recording).last(), Some(&second[0]));
}

#[test]
fn a_full_disk_ends_the_recording_and_not_the_profile() {
    struct FullDisk(usize);
    impl std::io::Write for FullDisk {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 =
                self.0.checked_sub(bytes.len()).ok_or_else(|| std::io::Error::other("full"))?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut builder = Builder::new(header()).record(FullDisk(300));
    contended_into(&mut builder);
    let finished = builder.finish(totals());
    assert_eq!(finished.recording.unwrap_err().to_string(), "full");
    assert_eq!(finished.profile.total().samples, 8000);
}

#[test]
fn tables_have_bounds_and_weights_are_kept() {
    let limits = Limits { names: 40, string_bytes: 2000, stacks: 30, rows: 20, threads: 4 };
    let mut b = Builder::with_limits(header(), limits);
    for n in 0..500u32 {
        let thread = b.thread(7, n, &format!("t{n}"));
        let function = b.function(&format!("f{n}"), "x.py", n, FrameKind::Python);
        let frame = b.frame(function, n);
        let stack = b.stack(StackId::EMPTY, frame);
        let lock = Some(b.lock(7, n.into(), "dict", ""));
        let activity = Activity::LOCK;
        b.sample(Sample {
            at_ns: n.into(),
            weight: 2,
            thread,
            stack,
            activity,
            lock,
            holder: Some(frame),
        });
    }
    let profile = b.finish(Totals::default()).profile;
    assert_eq!(profile.total(), Weight { samples: 500, weight: 1000 });
    assert!(profile.totals.left_out > 0);
    let slack = 8;
    assert!(
        profile.functions.len() <= limits.names + slack
            && profile.frames.len() <= limits.names + slack
    );
    assert!(
        profile.stacks.len() <= limits.stacks + slack && profile.rows.len() <= limits.rows + slack
    );
    assert!(profile.threads.len() <= limits.threads + 1 && profile.locks.len() <= limits.names + 1);
}
