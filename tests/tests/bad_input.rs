//! What cannot be run is refused, and what fails is told, in three lines and with the exit code
//! that fits.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

use ungil_tests::Place;

const PRINTS: &str = "print('same')\n";

#[test]
fn an_interpreter_that_is_not_there_is_named_with_the_nearest() {
    let place = Place::new();
    place.write("a.py", PRINTS);
    let told = place.one_block(["a.py", "--python", "3.14,3.99t"]).run().told(2);
    assert!(told.what.contains("3.99t"), "{told:?}");
    assert!(told.why.contains("the nearest is 3.1"), "{told:?}");
    let told = place.one_block(["a.py", "--python", "./nowhere/python"]).run().told(2);
    assert!(told.what.contains("./nowhere/python"), "{told:?}");
}

#[test]
fn a_script_that_is_not_there_or_no_file_is_refused() {
    let place = Place::new();
    std::fs::create_dir(place.at("folder")).unwrap();
    let told = place.one_block(["no_such.py"]).run().told(2);
    assert!(told.what.contains("no_such.py"), "{told:?}");
    let told = place.one_block(["folder"]).run().told(2);
    assert!(told.why.contains("directory"), "{told:?}");
    let told = place.one_block(["--python", "3.14"]).run().told(2);
    assert!(told.what.contains("nothing to compare"), "{told:?}");
    assert!(!place.at(".ungil").exists(), "a refused request leaves no record");
}

#[test]
fn a_syntax_error_is_named_with_its_place() {
    let place = Place::new();
    place.write("broken.py", "def f(:\n");
    let out = place.one_block(["broken.py", "--python", "3.14,3.14t"]).run();
    let told = out.told(1);
    assert!(told.what.starts_with("3.14") && told.what.contains("exit code 1"), "{told:?}");
    assert!(told.why.contains("SyntaxError"), "{told:?}");
    assert!(told.help.contains("broken.py"), "{told:?}");
    let runs = place.newest();
    let run = &runs.runs()[0];
    assert_eq!(
        (run["outcome"]["kind"].as_str(), run["outcome"]["code"].as_i64()),
        (Some("exited"), Some(1))
    );
    assert!(run["stderr"].as_str().unwrap().contains("SyntaxError"));
}

#[test]
fn an_exit_code_and_a_signal_are_told() {
    let place = Place::new();
    place.write("seven.py", "import sys\nprint('the last word', file=sys.stderr)\nsys.exit(7)\n");
    let told = place.one_block(["seven.py", "--python", "3.14,3.14t"]).run().told(1);
    assert!(told.what.contains("exit code 7") && told.why.contains("the last word"), "{told:?}");
    place.write("crash.py", "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n");
    let told = place.one_block(["crash.py", "--python", "3.14,3.14t"]).run().told(1);
    assert!(told.what.contains("SIGSEGV"), "{told:?}");
    let run = place.newest();
    let run = run.runs()[0];
    assert_eq!(
        (run["outcome"]["kind"].as_str(), run["outcome"]["signal"].as_i64()),
        (Some("signaled"), Some(11))
    );
}

#[test]
fn an_arm_that_fails_is_left_out_only_if_asked_for_and_never_the_baseline() {
    let place = Place::new();
    place.write("fails.py", "import sys\nsys.exit('t' if sys._is_gil_enabled() is False else 0)\n");
    let told = place.one_block(["fails.py", "--python", "3.14,3.14t,3.15"]).run().told(1);
    assert!(told.what.contains("3.14t failed"), "{told:?}");
    let keep = ["compare", "fails.py", "--keep-going", "--blocks", "3", "--max-blocks", "3"];
    let out = place.ungil(keep).args([
        "--warmup",
        "0",
        "--energy",
        "off",
        "-q",
        "--python",
        "3.14,3.14t,3.15",
    ]);
    let record = out.run().ok().record();
    let runs = |arm| record.of_arm(arm).len();
    assert_eq!((runs("3.14"), runs("3.14t"), runs("3.15")), (3, 1, 3));
    let failed = &record.comparison()["arms"][1]["failed"];
    assert!(failed.as_str().unwrap().contains("exit code 1"), "{failed}");
    // Not without the baseline, and not with nothing left to compare it with.
    for arms in ["3.14t,3.14,3.15", "3.14,3.14t"] {
        let told = place.one_block(["fails.py", "--keep-going", "--python", arms]).run().told(1);
        assert!(told.what.contains("3.14t failed"), "{told:?}");
    }
}

#[test]
fn arms_that_disagree_are_an_error_that_shows_the_first_difference() {
    let place = Place::new();
    place.write("differs.py", "import sys\nprint('first')\nprint('gil', sys._is_gil_enabled())\n");
    let told = place.one_block(["differs.py", "--python", "3.14,3.14t"]).run().told(1);
    assert!(told.what.contains("print different output"), "{told:?}");
    assert!(told.why.contains("line 2"), "{told:?}");
    assert!(told.why.contains("'gil True'") && told.why.contains("'gil False'"), "{told:?}");
    assert!(told.help.contains("--allow-different-output"), "{told:?}");
    let out = place
        .one_block(["differs.py", "--python", "3.14,3.14t", "--allow-different-output"])
        .run()
        .ok();
    let record = out.record();
    assert_ne!(record.run("3.14")["output"]["blake3"], record.run("3.14t")["output"]["blake3"]);
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    let place = Place::new();
    place.write("a.py", PRINTS);
    let cases: &[(&[&str], &str)] = &[
        (&["a.py", "--models", "threads"], "--models needs --task"),
        (&["a.py", "--python", "3.14+gil"], "3.14+gil"),
        (&["a.py", "--python", "+gil"], "+gil"),
        (&["a.py", "--workers", "0"], "--workers contains 0"),
        (&["--command", "{python} 'a.py"], "{python} 'a.py"),
        (&["--command", "python a.py"], "{python}"),
        (&["--command", ""], "empty"),
        (&["--task", "a", "--items", "range(3)"], "'a'"),
        (&["--task", "a:f", "--items", "range(3)", "--models", "green"], "'green'"),
        (&["--serve", "{python} a.py", "--load", "wrk {url}"], "{port}"),
        (&["--serve", "{python} {port}", "--load", "wrk"], "{url}"),
        (
            &["--serve", "{python} {port}", "--load", "wrk {url}", "--metric", "no group"],
            "no group",
        ),
        (&["a.py", "--fail-if", "time 3.14t > 1"], "time 3.14t > 1"),
        (&["a.py", "--fail-if", "time(3.14t) = 1"], "time(3.14t) = 1"),
        (&["a.py", "--fail-if", "beauty(3.14t) > 1"], "beauty"),
        (&["a.py", "--python", "3.14,3.14t", "--fail-if", "time(3.13) > 1"], "3.13"),
        (&["a.py", "--energy", "sunshine"], "sunshine"),
        (&["--command", "{python} a.py", "--", "x"], "--"),
    ];
    for (args, named) in cases {
        let out = place.ungil(["compare", "-q"]).args(args.iter().copied()).run();
        let told = out.told(2);
        assert!(format!("{told:?}").contains(named), "{args:?}: {told:?}");
    }
    assert!(!place.at(".ungil").exists(), "a refused request leaves no record");
}

#[test]
fn a_scripts_arguments_without_dashes_are_shown_where_they_belong() {
    let place = Place::new();
    place.write("s.py", "import sys\nprint(sys.argv[1:])\n");
    let cases: &[(&[&str], &str)] = &[
        (&["compare", "s.py", "arg"], "ungil compare s.py -- arg"),
        (
            &["compare", "s.py", "--n", "5", "--python", "3.14"],
            "ungil compare s.py --python 3.14 -- --n 5",
        ),
        (&["compare", "s.py", "a b", "--", "c"], "ungil compare s.py -- 'a b' c"),
        (&["compare", "-m", "pkg.mod", "--n"], "ungil compare -m pkg.mod -- --n"),
        (&["profile", "s.py", "arg"], "ungil profile s.py -- arg"),
    ];
    for (args, line) in cases {
        let told = place.ungil(args.iter().copied()).run().told(2);
        assert_eq!(told.help, format!("arguments follow `--`: {line}"), "{args:?}");
    }
    // What it says to do is right; and a misspelt option of ungil's is no argument of the script's.
    let line = ["s.py", "--python", "3.14", "--", "--n", "5"];
    assert_eq!(place.one_block(line).run().ok().record().runs().len(), 1);
    let told = place.ungil(["compare", "s.py", "--block", "5"]).run().told(2);
    assert!(format!("{told:?}").contains("--blocks"), "{told:?}");
}

#[test]
fn a_bound_is_judged_and_a_crossed_one_is_exit_code_3() {
    let place = Place::new();
    place.write(
        "a.py",
        "import sys\nx = bytearray((1 if sys._is_gil_enabled() else 200) << 20)\nprint(len(x) > 0)\n",
    );
    // Memory, not time: 200 MiB more are more on any machine.
    let bound = |bounds: &[&str]| {
        let flags = bounds.iter().flat_map(|b| ["--fail-if", b]);
        let args =
            ["compare", "a.py", "-q", "--energy", "off", "--warmup", "0", "--max-blocks", "5"];
        place.ungil(args).args(["--python", "3.14,3.14t"]).args(flags).run()
    };
    let out = bound(&["rss(3.14t) > 2", "rss(3.14t) < 0.5"]);
    assert_eq!(out.code, 3, "{}", out.stderr);
    assert!(out.stderr.contains("crossed: rss(3.14t) > 2"), "{}", out.stderr);
    assert!(out.stderr.contains("holds: rss(3.14t) < 0.5"), "{}", out.stderr);
    assert!(out.stdout.contains("Record: "), "the result is printed all the same: {}", out.stdout);
    let out = bound(&["rss(3.14t) > 100 MiB"]);
    assert_eq!(out.code, 3, "{}", out.stderr);
    let out = bound(&["rss(3.14t) > 2 GiB", "rss(3.14t) > 1000"]);
    assert_eq!(out.code, 0, "{}", out.stderr);
}
