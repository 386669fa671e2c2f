//! No content of a process's memory may make the reader crash, hang or exhaust memory.
//!
//! A live interpreter with threads in every kind of wait is read through a memory that modifies
//! words: they become pointers to elsewhere, to themselves or to nothing, and absurd sizes and
//! counts. With `UNGIL_FUZZ_S=600` the test runs for that many seconds per build.

mod drive;
mod endless;
mod lies;

use cpython_layout::MAX_SIZE;
use endless::{GeneratedMemory, MemoryRecipe};
use lies::{ModifiedMemory, ReadStats};
use proptest::prelude::*;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use ungil_remote::Python;
use ungil_remote::memory::Memory;
use ungil_tests::{BUILDS, python};

/// Default number of rounds per build.
const ROUNDS: u64 = 8;
/// Address space limit of the test: many times what a look needs, far less than an unchecked size
/// could request.
const MAX_MEMORY: u64 = 8 << 30;

struct HostileTarget(Child);

impl Drop for HostileTarget {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl HostileTarget {
    fn start(build: &str) -> HostileTarget {
        let mut child = Command::new(python(build))
            .args(["-c", include_str!("../layout/program.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        assert!(lines.map_while(Result::ok).any(|line| line == "ready 1"), "{build} gets ready");
        HostileTarget(child)
    }

    /// Reads everything with the words in `lies` replaced. Returns the statistics, including the
    /// words read.
    fn look(&self, lies: &BTreeMap<u64, u64>, keep: bool) -> Arc<ReadStats> {
        let spent = Arc::new(ReadStats::default());
        let wrap = |inner| -> Box<dyn Memory> {
            Box::new(ModifiedMemory { inner, lies: lies.clone(), spent: spent.clone(), keep })
        };
        drive::everything(self.0.id(), wrap, &spent);
        spent
    }
}

/// Returns a replacement for a word.
fn lie(random: &mut ChaCha8Rng, words: &[u64], at: u64) -> u64 {
    let other = *words.choose(random).unwrap_or(&at);
    match random.random_range(0..14) {
        0 => 0,
        1 => u64::MAX,
        2 => random.random(),
        3 => at,
        4 => at.wrapping_sub(8 * random.random_range(0..64)),
        5 | 6 => other,
        7 => other | random.random_range(1..8),
        8 => random.random_range(0..64),
        9 => 1 << random.random_range(0..64),
        10 => (1_u64 << random.random_range(0..64)).wrapping_sub(1),
        11 => u64::MAX << random.random_range(0..64),
        12 => (i64::MIN as u64) >> random.random_range(0..8),
        _ => u64::from(random.random::<u32>()) << 32 | random.random_range(0..4096_u64),
    }
}

#[test]
fn modified_words_do_not_crash_the_reader() {
    limit_memory();
    let seconds = std::env::var("UNGIL_FUZZ_S")
        .ok()
        .and_then(|text| text.parse().ok())
        .map(Duration::from_secs);
    let seed = std::env::var("UNGIL_FUZZ_SEED").ok().and_then(|text| text.parse().ok());
    for build in BUILDS {
        let target = HostileTarget::start(build);
        let words: Vec<u64> = target
            .look(&BTreeMap::new(), true)
            .words
            .lock()
            .expect("no panic")
            .iter()
            .copied()
            .collect();
        assert!(words.len() > 500, "{build}: {} words were looked at", words.len());
        let started = Instant::now();
        let mut round: u64 = seed.unwrap_or(0);
        while seed.is_none_or(|seed| seed == round)
            && seconds
                .map_or(round < ROUNDS || seed.is_some(), |seconds| started.elapsed() < seconds)
        {
            // Printed first, because a crash leaves no other trace.
            eprintln!("{build}: UNGIL_FUZZ_SEED={round}");
            let mut random = ChaCha8Rng::seed_from_u64(round);
            let count = [1, 1, 2, 4, 16, 64, 512][random.random_range(0..7)];
            let lies = (0..count)
                .filter_map(|_| {
                    let at = *words.choose(&mut random)?;
                    Some((at, lie(&mut random, &words, at)))
                })
                .collect();
            target.look(&lies, false);
            round += 1;
        }
        eprintln!("{build}: {round} rounds in {:?}, {} words", started.elapsed(), words.len());
    }
}

/// Returns the offset table of each build.
fn tables() -> Vec<Vec<u8>> {
    let of = |build: &&str| {
        let target = HostileTarget::start(build);
        let python = Python::attach(target.0.id()).expect("a Python");
        python.memory().vec(python.runtime(), MAX_SIZE as u64, MAX_SIZE).expect("its table")
    };
    BUILDS.iter().map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]
    /// Endless lists, objects that are their own types, arbitrary sizes.
    #[test]
    fn random_memory_does_not_crash_the_reader(
        seed: u64, shares: [u8; 6], stride in prop::sample::select(vec![8, 16, 64, 72, 4096, 0x1_0000, u64::MAX - 63]),
        holes in prop::sample::select(vec![0, 1, 64]), places in 1..6_u64, build in 0..BUILDS.len(),
    ) {
        limit_memory();
        static TABLES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
        let recipe = MemoryRecipe { seed, shares: shares.map(|share| share % 16), places, stride, holes };
        let spent = Arc::new(ReadStats::default());
        let pid = std::process::id();
        let wrap = |_| -> Box<dyn Memory> {
            let table = TABLES.get_or_init(tables)[build].clone();
            let inner = Box::new(GeneratedMemory { recipe: recipe.clone(), table, tid: pid, runtime: OnceLock::new(), left: 200_000.into() });
            Box::new(ModifiedMemory { inner, lies: BTreeMap::new(), spent: spent.clone(), keep: false })
        };
        drive::everything(pid, wrap, &spent);
    }
}

/// Limits the address space, so that an allocation of an unchecked size aborts the test.
fn limit_memory() {
    let limit = rustix::process::Rlimit { current: Some(MAX_MEMORY), maximum: Some(MAX_MEMORY) };
    rustix::process::setrlimit(rustix::process::Resource::As, limit).expect("a limit");
}
