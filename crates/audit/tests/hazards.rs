//! Every program in `tests/hazards` has exactly the hazards that its comments list, at those lines.
//! A fixed version has none.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use ungil_audit::source::{Confidence, ProgramReport, Rule, audit_program};

fn corpus() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hazards");
    let entries = std::fs::read_dir(folder).expect("the corpus is there");
    let paths = entries.map(|entry| entry.expect("the corpus can be listed").path());
    paths
        .map(|path| (path.clone(), std::fs::read_to_string(path).expect("the corpus can be read")))
        .collect()
}

fn audit(files: &[(&str, &str)]) -> ProgramReport {
    audit_program(files.iter().map(|(name, text)| (PathBuf::from(name), text.as_bytes().to_vec())))
}

/// Returns the expected hazards from the comments: line, id, confidence.
fn expected(text: &str) -> BTreeSet<(usize, String, String)> {
    let mut expected = BTreeSet::new();
    for (index, line) in text.lines().enumerate() {
        if let Some((_, words)) = line.split_once("# expect: ") {
            let (id, confidence) = words.trim().split_once(' ').expect("an id and a confidence");
            assert!(Rule::ALL.iter().any(|rule| rule.id() == id), "{id} is no rule");
            expected.insert((index + 1, id.to_owned(), confidence.to_owned()));
        }
    }
    expected
}

#[test]
fn reports_exactly_the_expected_hazards() {
    let corpus = corpus();
    assert!(corpus.len() > 10, "the corpus is there");
    let mut reported = BTreeSet::new();
    for (path, text) in corpus {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        let program = audit(&[(&name, &text)]);
        assert!(program.unread.is_empty(), "{:?}", program.unread);
        let found: BTreeSet<_> = program
            .hazards
            .iter()
            .map(|h| (h.line, h.rule.id().to_owned(), format!("{:?}", h.confidence).to_lowercase()))
            .collect();
        assert_eq!(found, expected(&text), "{name}");
        assert_eq!(found.len(), program.hazards.len(), "{name}: each line is reported once");
        assert!(!name.contains("fixed") || found.is_empty(), "{name} is fixed");
        reported.extend(program.hazards.iter().map(|hazard| hazard.rule));
    }
    assert_eq!(
        reported.into_iter().collect::<Vec<_>>(),
        Rule::ALL,
        "every rule has a program that meets it"
    );
}

#[test]
fn thread_in_another_file_raises_confidence_of_fork() {
    let fork = ("a.py", "import os\ndef f():\n    os.fork()\n");
    let thread = ("b.py", "import threading\n\nthreading.Thread(target=print).start()\n");
    let alone = audit(&[fork]);
    assert_eq!(alone.hazards[0].confidence, Confidence::Low);
    let with_test = audit(&[fork, ("tests/b.py", thread.1)]);
    assert_eq!(
        with_test.hazards[0].confidence,
        Confidence::Low,
        "a thread started by a test does not count"
    );
    let both = audit(&[thread, fork]);
    assert_eq!(both.hazards.len(), 1);
    assert_eq!(both.hazards[0].confidence, Confidence::Medium);
    assert!(
        both.hazards[0].what.ends_with("a thread is started in b.py, line 3"),
        "{}",
        both.hazards[0].what
    );
}

#[test]
fn hazard_has_location_and_help() {
    let program =
        audit(&[("p/x.py", "\u{feff}n = 0\ndef f():\n    global n; \u{e9} = 1; n += 1\n")]);
    let hazard = &program.hazards[0];
    assert_eq!((hazard.line, hazard.column, hazard.end), (3, 22, (3, 28)));
    let json = serde_json::to_value(hazard).expect("a hazard is JSON");
    assert_eq!(json["kind"], "ungil/shared-counter");
    assert_eq!(json["confidence"], "high");
    assert_eq!(json["file"], "p/x.py");
    for part in ["what", "why", "instead"] {
        assert!(json[part].as_str().is_some_and(|text| text.len() > 10), "{part}");
    }
}

#[test]
fn reports_unreadable_files_and_reads_the_rest() {
    let program =
        audit(&[("a.py", "print 1\n"), ("b.py", "x = 1\n"), ("c.py", "# coding: klingon\n")]);
    assert_eq!(program.files, 1);
    let names: Vec<_> = program.unread.iter().map(|(path, _)| path.to_str()).collect();
    assert_eq!(names, [Some("a.py"), Some("c.py")]);
}

#[test]
fn counts_hazards_beyond_the_limit() {
    let forks = "os.fork()\n".repeat(2_500);
    let program = audit(&[("a.py", &format!("import os\n{forks}"))]);
    assert_eq!(program.hazards.len() + program.left_out[0].1, 2_500);
    assert_eq!(program.left_out[0].0, Path::new("a.py"));
}

#[test]
fn lowers_confidence_in_tests() {
    let text = "n = 0\ndef f():\n    global n\n    n += 1\n";
    let files = ["test/p/a.py", "test/p/b/tests/c.py", "test/p/test_d.py"];
    let confidences: Vec<_> =
        audit(&files.map(|name| (name, text))).hazards.iter().map(|h| h.confidence).collect();
    // The name of the common folder, `test`, is ignored.
    assert_eq!(confidences, [Confidence::High, Confidence::Medium, Confidence::Medium]);
}

#[test]
fn rule_ids_are_unique() {
    let ids: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.id()).collect();
    assert_eq!(ids.len(), Rule::ALL.len());
    for rule in Rule::ALL {
        assert!(rule.id().starts_with("ungil/"));
        assert!(!rule.title().is_empty() && rule.help().contains(rule.instead()));
    }
}
