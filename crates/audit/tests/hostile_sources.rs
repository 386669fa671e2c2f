//! Fuzzes the source rules: any text, and mutations of the corpus, are accepted or rejected without
//! a panic or a hang. `UNGIL_FUZZ_S=600` runs that many seconds; `UNGIL_FUZZ_SEED` starts at a
//! failing seed.

use proptest::prelude::*;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use ungil_audit::source::{Source, SourceError, audit_program, imports};

/// Parses bytes and checks the result. Returns whether they are valid Python.
fn survives(bytes: &[u8]) -> bool {
    match Source::parse(bytes) {
        Ok(source) => {
            let lines = bytes.iter().filter(|&&byte| byte == b'\n' || byte == b'\r').count() + 1;
            for hazard in source.hazards() {
                assert!(
                    hazard.line >= 1 && hazard.line <= hazard.end.0 && hazard.end.0 <= lines,
                    "{hazard:?}"
                );
                assert!(hazard.column >= 1 && !hazard.what.is_empty(), "{hazard:?}");
                assert!(hazard.what.len() < 5_000, "{hazard:?}");
            }
            assert!(imports(&source).iter().all(|import| import.line >= 1 && import.line <= lines));
            true
        }
        // A hostile file must not be able to trigger a defect of the parser.
        Err(error) => {
            assert!(!matches!(error, SourceError::Parser), "{:?}", String::from_utf8_lossy(bytes));
            false
        }
    }
}

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hazards");
    let entries = std::fs::read_dir(folder).expect("the corpus is there");
    let mut paths: Vec<_> =
        entries.map(|entry| entry.expect("the corpus can be listed").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("the corpus can be read")).collect()
}

/// Pieces of tokens, for inputs that mutations of the corpus do not reach.
const PIECES: [&str; 44] = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "f'",
    "f\"\"\"",
    "'",
    "\"\"\"",
    "{x!r:{y}}",
    "lambda ",
    ": ",
    "\n",
    "\n    ",
    "\n\t",
    "\\\n",
    ",",
    "*",
    "**",
    "=",
    ":=",
    ".",
    "async ",
    "await ",
    "yield ",
    "if ",
    "else ",
    "not ",
    "global x",
    "def f(): ",
    "class C: ",
    "with x: ",
    "try:\n",
    "except* ",
    "match x:\n",
    "case ",
    "\r",
    "\0",
    "\u{feff}",
    "\u{2028}",
    "t'",
    "# ungil: ignore[",
    "del d[k]",
];

/// Replaces words and lines by others of the corpus. The result is mostly valid Python, so the
/// rules are tested too.
fn reworded(random: &mut ChaCha8Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let pick = |random: &mut ChaCha8Rng| {
        String::from_utf8_lossy(&corpus[random.random_range(0..corpus.len())]).into_owned()
    };
    let (text, other) = (pick(random), pick(random));
    let words: Vec<&str> =
        text.split_inclusive([' ', '.', '(', ')', '[', ']', '\n', ',']).collect();
    let others: Vec<&str> =
        other.split_inclusive([' ', '.', '(', ')', '[', ']', '\n', ',']).collect();
    let mut words = words;
    for _ in 0..random.random_range(1..8) {
        let at = random.random_range(0..words.len());
        let last = words[at].chars().last();
        let word = others[random.random_range(0..others.len())];
        if word.chars().last() == last {
            words[at] = word;
        }
    }
    let text = words.concat();
    let mut lines: Vec<&str> = text.lines().collect();
    for _ in 0..random.random_range(0..4) {
        let (one, two) = (random.random_range(0..lines.len()), random.random_range(0..lines.len()));
        let indent = |line: &str| line.len() - line.trim_start().len();
        if indent(lines[one]) == indent(lines[two]) {
            lines.swap(one, two);
        }
    }
    lines.join("\n").into_bytes()
}

fn mutated(random: &mut ChaCha8Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let pick = |random: &mut ChaCha8Rng| corpus[random.random_range(0..corpus.len())].clone();
    let mut text = pick(random);
    for _ in 0..random.random_range(1..12) {
        let at = random.random_range(0..=text.len());
        let end = (at + random.random_range(0..60)).min(text.len());
        match random.random_range(0..6) {
            0 => drop(text.drain(at..end)),
            1 => text.truncate(at.max(1)),
            2 => drop(text.splice(at..at, pick(random))),
            3 => {
                let piece = PIECES[random.random_range(0..PIECES.len())];
                let times =
                    if random.random_ratio(1, 20) { random.random_range(0..5_000) } else { 1 };
                text.splice(at..at, piece.repeat(times).into_bytes());
            }
            4 => {
                let copy = text[at..end].to_vec();
                text.splice(at..at, copy);
            }
            _ => {
                if let Some(byte) = text.get_mut(at) {
                    *byte = random.next_u32() as u8;
                }
            }
        }
    }
    text
}

#[test]
fn survives_mutations_of_the_corpus() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let time = Duration::from_secs(number("UNGIL_FUZZ_S").unwrap_or(2));
    let corpus = corpus();
    let (start, mut tried, mut read) = (Instant::now(), 0, 0);
    let mut seed = number("UNGIL_FUZZ_SEED").unwrap_or(0);
    while tried < 200 || start.elapsed() < time {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let text = if seed % 2 == 0 {
            mutated(&mut random, &corpus)
        } else {
            reworded(&mut random, &corpus)
        };
        let result = std::panic::catch_unwind(|| survives(&text));
        read += usize::from(matches!(result, Ok(true)));
        if result.is_err() {
            let path = std::env::temp_dir().join(format!("hostile-{seed}.py"));
            std::fs::write(&path, &text).expect("the text is kept");
            panic!("UNGIL_FUZZ_SEED={seed}, kept in {}", path.display());
        }
        seed += 1;
        tried += 1;
    }
    println!("{tried} sources, {read} of them Python");
    assert!(read * 10 > tried, "the rules saw too few: {read} of {tried}");
}

#[test]
fn rejects_too_large_files() {
    let long = vec![b'#'; ungil_audit::source::MAX_BYTES + 1];
    assert!(matches!(Source::parse(&long), Err(SourceError::TooLong(_))));
    let commas = "0,".repeat(3_000_000);
    assert!(matches!(
        Source::parse(format!("x = [{commas}]\n").as_bytes()),
        Err(SourceError::TooManyTokens(_))
    ));
}

/// Texts for which a naive rule would take quadratic time or memory.
#[test]
fn long_files_take_linear_time() {
    let many = 40_000;
    let shapes = [
        format!("d = {{}}\ndef f(k):\n{}", "    if k in d: d[k] = []\n".repeat(many)),
        format!("def f():\n    global x\n{}", "    if x is None: x = A()\n".repeat(many)),
        (0..many).map(|at| format!("x{at} = None\nclass C{at}: pass\nx{at} = C{at}()\n")).collect(),
        (0..many).map(|at| format!("def f{at}():\n    global x{at}\n    x{at} += 1\n")).collect(),
        format!("import os\nd = {{}}\ndef f(): {}\n", "d[os.fork()] = 1; ".repeat(many)),
        format!("import ctypes\n{}", "ctypes.CDLL('x');".repeat(many)),
        format!(
            "class A:\n d = {{}}\n def f(self):\n{}",
            "  self.d[1] = self.d[1] + 1\n".repeat(many)
        ),
        format!("x = {}\n", "'a' 'b' ".repeat(many)),
        "# ungil: ignore[a]\n".repeat(many),
        (0..many).map(|at| format!("import m{at} as n{at}\n")).collect(),
    ];
    for shape in shapes {
        assert!(shape.len() < ungil_audit::source::MAX_BYTES);
        let source = Source::parse(shape.as_bytes());
        assert!(source.is_ok(), "{:?}: {}", source.err(), &shape[..60]);
    }
}

#[test]
fn reads_all_files_of_a_hostile_program() {
    let corpus = corpus();
    let texts = (0..40).map(|seed| mutated(&mut ChaCha8Rng::seed_from_u64(seed), &corpus));
    let files: Vec<_> =
        texts.enumerate().map(|(at, text)| (PathBuf::from(format!("{at}.py")), text)).collect();
    let program = audit_program(files);
    assert_eq!(program.files + program.unread.len(), 40);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn survives_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        survives(&bytes);
    }

    #[test]
    fn survives_any_text(text in "\\PC{0,200}") {
        survives(text.as_bytes());
    }

    #[test]
    fn survives_any_tokens(pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..80)) {
        survives(pieces.concat().as_bytes());
    }
}
