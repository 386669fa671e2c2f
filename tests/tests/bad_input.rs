//! Checks that invalid requests and failing workloads end with a three-line error and the right
//! exit code.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use ungil_tests::TestDir;

const PRINTS: &str = "print('same')\n";

#[test]
fn missing_interpreter_is_named_with_the_nearest_version() {
    let dir = TestDir::new();
    dir.write("a.py", PRINTS);
    let error = dir.one_block(["a.py", "--python", "3.14,3.99t"]).run().expect_error(2);
    assert!(error.what.contains("3.99t"), "{error:?}");
    assert!(error.why.contains("the nearest is 3.1"), "{error:?}");
    let error = dir.one_block(["a.py", "--python", "./nowhere/python"]).run().expect_error(2);
    assert!(error.what.contains("./nowhere/python"), "{error:?}");
}

#[test]
fn rejects_missing_script_and_directory() {
    let dir = TestDir::new();
    std::fs::create_dir(dir.join("folder")).unwrap();
    let error = dir.one_block(["no_such.py"]).run().expect_error(2);
    assert!(error.what.contains("no_such.py"), "{error:?}");
    let error = dir.one_block(["folder"]).run().expect_error(2);
    assert!(error.why.contains("directory"), "{error:?}");
    let error = dir.one_block(["--python", "3.14"]).run().expect_error(2);
    assert!(error.what.contains("nothing to compare"), "{error:?}");
    assert!(!dir.join(".ungil").exists(), "a rejected request leaves no record");
}

#[test]
fn syntax_error_names_its_file() {
    let dir = TestDir::new();
    dir.write("broken.py", "def f(:\n");
    let out = dir.one_block(["broken.py", "--python", "3.14,3.14t"]).run();
    let error = out.expect_error(1);
    assert!(error.what.starts_with("3.14") && error.what.contains("exit code 1"), "{error:?}");
    assert!(error.why.contains("SyntaxError"), "{error:?}");
    assert!(error.help.contains("broken.py"), "{error:?}");
    let record = dir.newest_record();
    let run = record.runs()[0];
    assert_eq!(
        (run["outcome"]["kind"].as_str(), run["outcome"]["code"].as_i64()),
        (Some("exited"), Some(1))
    );
    assert!(run["stderr"].as_str().unwrap().contains("SyntaxError"));
}

#[test]
fn reports_exit_code_and_signal() {
    let dir = TestDir::new();
    dir.write(
        "seven.py",
        "import sys\nprint('last line of stderr', file=sys.stderr)\nsys.exit(7)\n",
    );
    let error = dir.one_block(["seven.py", "--python", "3.14,3.14t"]).run().expect_error(1);
    assert!(
        error.what.contains("exit code 7") && error.why.contains("last line of stderr"),
        "{error:?}"
    );
    dir.write("crash.py", "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n");
    let error = dir.one_block(["crash.py", "--python", "3.14,3.14t"]).run().expect_error(1);
    assert!(error.what.contains("SIGSEGV"), "{error:?}");
    let record = dir.newest_record();
    let run = record.runs()[0];
    assert_eq!(
        (run["outcome"]["kind"].as_str(), run["outcome"]["signal"].as_i64()),
        (Some("signaled"), Some(11))
    );
}

#[test]
fn keep_going_leaves_out_failed_arms_but_not_the_baseline() {
    let dir = TestDir::new();
    dir.write("fails.py", "import sys\nsys.exit('t' if sys._is_gil_enabled() is False else 0)\n");
    let error = dir.one_block(["fails.py", "--python", "3.14,3.14t,3.15"]).run().expect_error(1);
    assert!(error.what.contains("3.14t failed"), "{error:?}");
    let keep = ["compare", "fails.py", "--keep-going", "--blocks", "3", "--max-blocks", "3"];
    let out = dir.ungil(keep).args([
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
    // It fails nonetheless if the baseline failed, or if no other arm is left.
    for arms in ["3.14t,3.14,3.15", "3.14,3.14t"] {
        let error =
            dir.one_block(["fails.py", "--keep-going", "--python", arms]).run().expect_error(1);
        assert!(error.what.contains("3.14t failed"), "{error:?}");
    }
}

#[test]
fn different_output_is_an_error_that_shows_the_first_difference() {
    let dir = TestDir::new();
    dir.write("differs.py", "import sys\nprint('first')\nprint('gil', sys._is_gil_enabled())\n");
    let error = dir.one_block(["differs.py", "--python", "3.14,3.14t"]).run().expect_error(1);
    assert!(error.what.contains("print different output"), "{error:?}");
    assert!(error.why.contains("line 2"), "{error:?}");
    assert!(error.why.contains("'gil True'") && error.why.contains("'gil False'"), "{error:?}");
    assert!(error.help.contains("--allow-different-output"), "{error:?}");
    let out = dir
        .one_block(["differs.py", "--python", "3.14,3.14t", "--allow-different-output"])
        .run()
        .ok();
    let record = out.record();
    assert_ne!(record.run("3.14")["output"]["blake3"], record.run("3.14t")["output"]["blake3"]);
}

#[test]
fn rejects_invalid_arguments() {
    let dir = TestDir::new();
    dir.write("a.py", PRINTS);
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
        let out = dir.ungil(["compare", "-q"]).args(args.iter().copied()).run();
        let error = out.expect_error(2);
        assert!(format!("{error:?}").contains(named), "{args:?}: {error:?}");
    }
    assert!(!dir.join(".ungil").exists(), "a rejected request leaves no record");
}

#[test]
fn script_arguments_without_separator_are_shown_after_it() {
    let dir = TestDir::new();
    dir.write("s.py", "import sys\nprint(sys.argv[1:])\n");
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
        let error = dir.ungil(args.iter().copied()).run().expect_error(2);
        assert_eq!(error.help, format!("arguments follow `--`: {line}"), "{args:?}");
    }
    // The suggested command line works. A misspelt option of ungil is not taken for an argument of
    // the script.
    let line = ["s.py", "--python", "3.14", "--", "--n", "5"];
    assert_eq!(dir.one_block(line).run().ok().record().runs().len(), 1);
    let error = dir.ungil(["compare", "s.py", "--block", "5"]).run().expect_error(2);
    assert!(format!("{error:?}").contains("--blocks"), "{error:?}");
}

#[test]
fn crossed_bound_exits_with_code_3() {
    let dir = TestDir::new();
    dir.write(
        "a.py",
        "import sys\nx = bytearray((1 if sys._is_gil_enabled() else 200) << 20)\nprint(len(x) > 0)\n",
    );
    // Compares memory rather than time, because 200 MiB more are more on any machine.
    let bound = |bounds: &[&str]| {
        let flags = bounds.iter().flat_map(|b| ["--fail-if", b]);
        let args =
            ["compare", "a.py", "-q", "--energy", "off", "--warmup", "0", "--max-blocks", "5"];
        dir.ungil(args).args(["--python", "3.14,3.14t"]).args(flags).run()
    };
    let out = bound(&["rss(3.14t) > 2", "rss(3.14t) < 0.5"]);
    assert_eq!(out.code, 3, "{}", out.stderr);
    assert!(out.stderr.contains("crossed: rss(3.14t) > 2"), "{}", out.stderr);
    assert!(out.stderr.contains("holds: rss(3.14t) < 0.5"), "{}", out.stderr);
    assert!(out.stdout.contains("Record: "), "the result is printed nonetheless: {}", out.stdout);
    let out = bound(&["rss(3.14t) > 100 MiB"]);
    assert_eq!(out.code, 3, "{}", out.stderr);
    let out = bound(&["rss(3.14t) > 2 GiB", "rss(3.14t) > 1000"]);
    assert_eq!(out.code, 0, "{}", out.stderr);
}
