//! `ungil stress` on the corpus of programs with a fault and their correct twins, and on bad input.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use ungil_tests::TestDir;

/// The builds that races are searched on.
const FREE_THREADED: [&str; 2] = ["3.14t", "3.15t"];

/// Programs that run at the same time.
const JOBS: usize = 3;

/// Faults that are not found yet: not by any schedule tried, or not races.
const NOT_FOUND: &[&str] = &[
    "asyncio_task_not_kept",
    "condition_if",
    "count_and_latest",
    "daemon_writer",
    "drain_then_clear",
    "future_set_from_thread",
    "one_barrier_per_round",
    "semaphore_leak",
    "weak_cache",
];

/// Faults that are found only when they strike, which takes more runs.
const FOUND_BY_FAILURE: &[&str] = &[
    "cache_set_to_none",
    "event_pulse",
    "get_then_set",
    "id_allocator",
    "linecache_entry",
    "missed_signal",
    "queue_empty",
    "registered_in_init",
    "shared_generator",
    "stop_flag_loses_tasks",
    "unjoined_thread",
];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Returns the names of the pairs.
fn pairs() -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(corpus())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("bug.py").is_file())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// Returns the scripts of a folder of the corpus.
fn scripts(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(corpus().join(folder)).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "py"))
        .collect()
}

/// Runs `check` for each of `items`, several at a time, and returns what was wrong.
fn each<T: Sync>(items: &[T], check: impl Fn(&T) -> Option<String> + Sync) -> Vec<String> {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..JOBS {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    wrong.lock().unwrap().extend(check(item));
                }
            });
        }
    });
    wrong.into_inner().unwrap()
}

/// Searches a program; returns the exit code and the errors and warnings, as `pattern: subject`.
fn search(script: &Path, build: &str, options: &[&str]) -> (i32, Vec<String>) {
    let dir = TestDir::new();
    let mut command = vec!["stress", "--json", "--python", build];
    command.extend(options);
    let script = script.to_str().unwrap();
    command.push(script);
    let run = dir.ungil(&command).run();
    let report = run.json();
    let findings = report["findings"].as_array().unwrap().iter();
    let serious = findings.filter(|finding| finding["level"] != "note");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found = serious
        .map(|finding| format!("{}: {}", text(&finding["pattern"]), text(&finding["subject"])));
    (run.code, found.collect())
}

/// Returns the build that a program of the corpus is run on in the short tests.
fn build_of(index: usize) -> &'static str {
    FREE_THREADED[index % 2]
}

#[test]
fn faults_are_found() {
    let names: Vec<_> = pairs().into_iter().enumerate().collect();
    assert!(names.len() >= 80, "{} pairs", names.len());
    let wrong = each(&names, |(index, name)| {
        let is_left_out = |list: &[&str]| list.contains(&name.as_str());
        if is_left_out(NOT_FOUND) || is_left_out(FOUND_BY_FAILURE) {
            return None;
        }
        missed(name, build_of(*index))
    });
    assert!(wrong.is_empty(), "not found:\n{}", wrong.join("\n"));
}

/// Searches a program with a fault; returns what is wrong if it is not found.
fn missed(name: &str, build: &str) -> Option<String> {
    let bug = corpus().join(name).join("bug.py");
    let options = ["--first", "--rounds", "300", "--budget", "40s"];
    let (code, found) = search(&bug, build, &options);
    (code != 5 || found.is_empty()).then(|| format!("{name} on {build}: {code} {found:?}"))
}

#[test]
#[ignore = "takes minutes: runs with the nightly profile"]
fn all_faults_are_found_on_all_builds() {
    let names = pairs();
    for build in FREE_THREADED {
        let wrong = each(&names, |name| {
            (!NOT_FOUND.contains(&name.as_str())).then(|| missed(name, build)).flatten()
        });
        assert!(wrong.is_empty(), "not found:\n{}", wrong.join("\n"));
    }
}

#[test]
fn correct_programs_have_no_findings() {
    let mut programs: Vec<PathBuf> =
        pairs().iter().map(|name| corpus().join(name).join("fixed.py")).collect();
    programs.extend(scripts("clean"));
    programs.sort();
    let programs: Vec<_> = programs.into_iter().enumerate().collect();
    let wrong = each(&programs, |(index, program)| {
        let (code, found) =
            search(program, build_of(*index), &["--rounds", "3", "--budget", "120s"]);
        (code != 0).then(|| format!("{}: {code:?} {found:?}", program.display()))
    });
    assert!(wrong.is_empty(), "false alarms:\n{}", wrong.join("\n"));
}

/// Tracing, other tools, forks, signals, deep recursion, subinterpreters, many threads.
#[test]
fn unusual_programs_behave_as_they_do_without_it() {
    let programs = scripts("unusual");
    assert!(programs.len() >= 9);
    let wrong = each(&programs, |program| {
        let each_build = FREE_THREADED.map(|build| {
            let (code, found) = search(program, build, &["--rounds", "2", "--budget", "120s"]);
            (code != 0).then(|| format!("{} on {build}: {code} {found:?}", program.display()))
        });
        each_build.into_iter().flatten().next()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_finding_names_object_places_locks_and_a_fix() {
    let dir = TestDir::new();
    let script = corpus().join("counter_attribute/bug.py");
    for build in FREE_THREADED {
        let run = dir.ungil(["stress", "--python", build, script.to_str().unwrap()]).run();
        assert_eq!(run.code, 5, "{}", run.stderr);
        let text = run.stdout;
        for part in [
            "error: lost update of Counter.value",
            "holding no lock",
            "bug.py:11 Counter.",
            "help: ",
        ] {
            assert!(text.contains(part), "{build}: no {part:?} in {text}");
        }
    }
}

#[test]
fn a_finding_is_shown_again_ten_times_of_ten() {
    let dir = TestDir::new();
    let script = corpus().join("lazy_property/bug.py");
    for build in FREE_THREADED {
        let run = dir.ungil(["stress", "-x", "--python", build, script.to_str().unwrap()]).run();
        let token =
            run.stdout.split("--replay ").nth(1).unwrap().split_whitespace().next().unwrap();
        for _ in 0..10 {
            let again = dir.ungil(["stress", "--replay", token]).run();
            assert_eq!(again.code, 5, "{build}: {}", again.stderr);
            assert!(
                again.stdout.contains("check, then act, on Client._session"),
                "{}",
                again.stdout
            );
        }
    }
}

#[test]
fn the_program_gets_its_arguments_and_its_result_is_unchanged() {
    let dir = TestDir::new();
    let script =
        "import sys\nprint(sys.argv[1:], __name__, sys.path[0])\nsys.exit(int(sys.argv[1]))\n";
    fs::write(dir.join("echo.py"), script).unwrap();
    let run = |code: &str| {
        dir.ungil(["stress", "--python", "3.14t", "--rounds", "2", "--", "echo.py", code, "-x"])
            .run()
    };
    let done = run("0").ok();
    assert!(done.stdout.contains("['0', '-x'] __main__ "), "{}", done.stdout);
    // A program that always fails is not a finding.
    assert_eq!(run("3").expect_error(1).why, "exit status: 3");
}

const TESTS: &str = "
import unittest, pytest

class Counter:
    hits = 0
    def count(self):
        self.hits += 1

SHARED = Counter()

@pytest.fixture
def own():
    yield Counter()

@pytest.mark.parametrize('times', [1, 20])
def test_own(own, times, tmp_path):
    for _ in range(times):
        own.count()
    tmp_path.joinpath('hits').write_text(str(own.hits))
    assert tmp_path.joinpath('hits').read_text() == str(times)

def test_output(capsys):
    print('once')
    assert capsys.readouterr().out == 'once\\n'

class TestMethods:
    def test_method(self):
        self.count = 1
        assert self.count == 1

class TestCase(unittest.TestCase):
    def setUp(self):
        self.own = Counter()
    def test_shared(self):
        self.own.count()
        self.assertEqual(self.own.hits, 1)
        for _ in range(20):
            SHARED.count()
";

#[test]
fn tests_are_called_in_several_threads_with_fixtures_of_their_own() {
    let dir = TestDir::new();
    fs::write(dir.join("test_counter.py"), TESTS).unwrap();
    let packages = Path::new(&std::env::var_os("UNGIL_PACKAGES").unwrap()).join("site");
    let packages = packages.to_str().unwrap();
    let pytest = ["pytest", "-q", "-p", "no:cacheprovider", "test_counter.py"];
    for build in FREE_THREADED {
        let head = ["stress", "--python", build, "--threads", "3", "-x", "--"];
        let command: Vec<&str> = head.into_iter().chain(pytest).collect();
        let run = dir.ungil(&command).env("PYTHONPATH", packages).run();
        assert_eq!(run.code, 5, "{}\n{}", run.stdout, run.stderr);
        for part in [
            "5 passed",
            "each test in 3 threads; 1 alone",
            "test_output: it uses capsys",
            "lost update of Counter.hits",
            "TestCase.test_shared   SHARED.count()",
        ] {
            assert!(run.stdout.contains(part), "{build}: no {part:?} in {}", run.stdout);
        }
        assert!(!run.stdout.contains("ungil_together.py"), "{}", run.stdout);
    }
}

#[test]
fn bad_input_is_refused() {
    let dir = TestDir::new();
    fs::write(dir.join("work.py"), "print(1)\n").unwrap();
    for (arguments, code, what) in [
        (&["stress", "--python", "3.14", "work.py"][..], 2, "has the GIL"),
        (&["stress", "missing.py"], 2, "there is no script missing.py"),
        (&["stress", "--replay", "0123456789"], 1, "cannot search for races"),
        (&["stress", "python3", "-c", "pass"], 2, "-c is not supported"),
    ] {
        let error = dir.ungil(arguments).run().expect_error(code);
        assert!(error.what.contains(what), "{error:?}");
    }
}
