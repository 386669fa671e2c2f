//! Tests `ungil suite`: the workloads on real interpreters at a tiny scale, and how a suite reports
//! errors.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use ungil_tests::{HANG_TIMEOUT, Record, TestDir, Ungil};

/// One block, without energy, installs nothing.
const TINY_OPTIONS: [&str; 9] =
    ["--blocks", "1", "--warmup", "0", "--energy", "off", "--no-install", "--quiet", "--json"];

fn suite(dir: &TestDir, args: &str) -> Ungil {
    dir.ungil(["suite"]).args(args.split(' ')).args(TINY_OPTIONS)
}

fn rows(summary: &Value) -> Vec<&Value> {
    let categories = summary["categories"].as_array().unwrap();
    categories.iter().flat_map(|c| c["rows"].as_array().unwrap()).collect()
}

/// Lists the arms for which a workload has rows.
fn arms<'a>(summary: &'a Value, workload: &str) -> Vec<&'a str> {
    let mine = rows(summary).into_iter().filter(|r| r["workload"] == workload);
    mine.map(|r| r["arm"].as_str().unwrap()).collect()
}

fn list(summary: &Value, key: &str) -> Vec<String> {
    summary[key].as_array().unwrap().iter().map(Value::to_string).collect()
}

#[test]
fn the_papers_workloads_run_and_check_themselves() {
    let dir = TestDir::new();
    let args = "--category sequential,numerical,objects --python 3.14,3.14t,3.15t --workers 2 --scale 0.0001";
    let summary = suite(&dir, args).run().ok().json();
    assert!(
        list(&summary, "failed").is_empty() && list(&summary, "unfinished").is_empty(),
        "{summary}"
    );
    for name in ["mandelbrot", "bubble_sort", "prime_sieve"] {
        assert_eq!(arms(&summary, name), ["3.14t", "3.15t"], "{name}");
    }
    let threaded = [
        "factorial",
        "matmul",
        "nbody",
        "json_parse",
        "object_lists_nocopy",
        "object_lists_copy",
        "object_lists",
    ];
    for name in threaded {
        assert_eq!(arms(&summary, name), ["3.14t/threads/2", "3.15t/threads/2"], "{name}");
    }
    for row in rows(&summary) {
        for key in ["wall_s", "cpu_percent", "vms_peak_bytes", "rss_peak_bytes", "pss_peak_bytes"] {
            let both = &row["metrics"][key];
            assert!(
                both["value"].as_f64() > Some(0.0) && both["reference"].as_f64() > Some(0.0),
                "{key}: {row}"
            );
        }
    }
    let skipped = list(&summary, "skipped").concat();
    assert!(skipped.contains("every fixed form") && skipped.contains("cannot import"), "{skipped}");
    assert!(
        summary["missing"]["energy_j"].as_str().unwrap().contains("no sensor"),
        "{}",
        summary["missing"]
    );
}

#[test]
fn shared_and_private_objects_run_and_check_themselves() {
    let dir = TestDir::new();
    let args = "--category shared --python 3.14,3.14t,3.15t --workers 2 --scale 0.0001";
    let summary = suite(&dir, args).run().ok().json();
    assert!(list(&summary, "failed").is_empty(), "{summary}");
    for form in ["shared", "private"] {
        let of: Vec<&Value> = rows(&summary).into_iter().filter(|r| r["form"] == form).collect();
        assert_eq!(of.len(), 20, "ten workloads on two interpreters besides the reference, {form}");
    }
}

#[test]
fn fixed_forms_run_with_the_package_installed() {
    let packages = std::env::var_os("UNGIL_PACKAGES").map(PathBuf::from);
    let packages =
        packages.expect("UNGIL_PACKAGES: run the tests with `cargo xtask test`").join("installed");
    let dir = TestDir::new();
    let home = dir.join("home/suite/packages");
    fs::create_dir_all(&home).unwrap();
    for version in ["3.14", "3.14t", "3.15", "3.15t"] {
        symlink(packages.join(version), home.join(format!("cpython-{}", version.replace('.', ""))))
            .unwrap();
    }
    let args =
        "--category objects,shared --python 3.14,3.14t,3.15,3.15t --workers 2 --scale 0.0001";
    let home = dir.join("home");
    let summary = suite(&dir, args).env("UNGIL_HOME", home.to_str().unwrap()).run().ok().json();
    assert!(
        list(&summary, "failed").is_empty() && list(&summary, "skipped").is_empty(),
        "{summary}"
    );
    let fixed = rows(&summary).into_iter().filter(|r| r["form"] == "fixed").count();
    assert_eq!(
        fixed,
        3 * (2 + 9),
        "two workloads of the paper, and all shared ones except attribute_write"
    );
}

#[test]
fn numpy_workloads_are_skipped_without_numpy() {
    let dir = TestDir::new();
    let args = "--category numpy,sequential --python 3.14,3.14t,3.15t --scale 0.0000001";
    let summary = suite(&dir, args).run().ok().json();
    let skipped = list(&summary, "skipped").concat();
    assert!(skipped.contains("numpy_fft") && skipped.contains("3.14 has no NumPy"), "{skipped}");
    assert_eq!(arms(&summary, "mandelbrot"), ["3.14t", "3.15t"], "other workloads still run");
    let told = suite(&dir, "--category numpy --python 3.14,3.14t").run().expect_error(1);
    assert!(told.what.contains("nothing to run") && told.why.contains("NumPy"), "{told:?}");
    let home =
        std::env::var("UNGIL_HOME").expect("UNGIL_HOME: run the tests with `cargo xtask test`");
    let args = "--category numpy --python 3.14,3.14t,3.15t --scale 0.0000001";
    let summary = suite(&dir, args).env("UNGIL_HOME", &home).run().ok().json();
    for name in ["numpy_vectorized", "numpy_blas", "numpy_fft"] {
        assert_eq!(arms(&summary, name), ["3.14t", "3.15t"], "{name}");
    }
    assert!(list(&summary, "notes").concat().contains("NumPy 2"), "{}", summary["notes"]);
}

#[test]
fn processes_interpreters_and_the_enabled_gil_are_arms() {
    let dir = TestDir::new();
    let args = "--workload json_parse,counter --python 3.14,3.14t,3.14t+gil --workers 2 --scale 0.00005 --models \
                fork,spawn,forkserver,interpreters";
    let summary = suite(&dir, args).run().ok().json();
    let models = ["threads", "fork", "spawn", "forkserver", "interpreters"];
    let all =
        ["3.14", "3.14t", "3.14t+gil"].iter().flat_map(|p| models.map(|m| format!("{p}/{m}/2")));
    let all: Vec<String> = all.filter(|a| a != "3.14/threads/2").collect();
    assert_eq!(arms(&summary, "json_parse"), all);
    assert!(rows(&summary).iter().all(|r| r["reference"] == "3.14/threads/2"), "{summary}");
    let shared = ["3.14t/threads/2", "3.14t+gil/threads/2"];
    assert_eq!(
        arms(&summary, "counter"),
        [shared, shared].concat(),
        "only threads can share an object"
    );
}

#[test]
fn measured_energy_is_split_into_idle_and_workload() {
    let dir = TestDir::new();
    let zone = "powercap/intel-rapl/intel-rapl:0";
    dir.write(&format!("{zone}/name"), "package-0\n");
    dir.write(&format!("{zone}/max_energy_range_uj"), "262143328850\n");
    dir.write(&format!("{zone}/energy_uj"), "0\n");
    symlink(dir.join(zone), dir.join("powercap/intel-rapl:0")).unwrap();
    // A machine that always draws ten watts.
    let (counter, began) = (dir.join(zone).join("energy_uj"), Instant::now());
    let next = counter.with_extension("new");
    let on = AtomicBool::new(true);
    let energy = format!("powercap={}", dir.join("powercap").display());
    let what = "suite --workload mandelbrot --python 3.14,3.14t --scale 0.001 --blocks 1 --warmup 0 --no-install --quiet --json -o s";
    let out = thread::scope(|scope| {
        scope.spawn(|| {
            while on.load(Ordering::Relaxed) && began.elapsed() < HANG_TIMEOUT {
                fs::write(&next, format!("{}\n", began.elapsed().as_micros() * 10)).unwrap();
                fs::rename(&next, &counter).unwrap();
                thread::sleep(Duration::from_millis(1));
            }
        });
        let out = dir.ungil(what.split(' ')).args(["--energy", &energy]).run();
        on.store(false, Ordering::Relaxed);
        out
    });
    let summary = out.ok().json();
    let mut files = fs::read_dir(dir.join("s")).unwrap().map(|f| f.unwrap().path());
    let record =
        Record::read(&files.find(|f| f.extension().is_some_and(|e| e == "jsonl")).unwrap());
    let idle = record.of_type("idle").next().unwrap();
    let joules = idle["energy"][0]["reading"]["microjoules"].as_f64().unwrap() / 1e6;
    let idle_w = joules / idle["seconds"].as_f64().unwrap();
    assert!(idle_w > 0.0, "{idle}");
    let row = rows(&summary)[0];
    let figure =
        |key: &str| row["metrics"][key]["value"].as_f64().unwrap_or_else(|| panic!("{key}: {row}"));
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} and {b}: {row}");
    close(figure("energy_idle_j"), idle_w * figure("wall_s"));
    close(figure("energy_above_idle_j"), figure("energy_j") - figure("energy_idle_j"));
    close(figure("power_w"), figure("energy_j") / figure("wall_s"));
    assert_eq!(summary["evidence"], "counter");
    let findings = list(&summary, "findings").concat();
    // One block is too few for a verdict.
    assert!(
        findings.contains(
            "The paper reports 13-43 % more energy; there are too few blocks to compare."
        ) && !findings.contains("The idle machine accounts for"),
        "{findings}"
    );
}

/// Exports the workloads to the folder `files` and changes one of them.
fn export_changed(dir: &TestDir, name: &str, from: &str, to: &str) {
    dir.ungil(["suite", "--export", "files"]).run().ok();
    let text = dir.read(&format!("files/{name}.py")).unwrap();
    assert!(text.contains(from), "{name}.py has no {from}");
    dir.write(&format!("files/{name}.py"), text.replacen(from, to, 1));
}

#[test]
fn a_wrong_result_is_reported_and_not_used() {
    let dir = TestDir::new();
    export_changed(&dir, "mandelbrot", "total += n\n", "total += n + 1\n");
    let args =
        "--workload mandelbrot,bubble_sort --python 3.14,3.14t --scale 0.0001 --sources files -o s";
    let out = suite(&dir, args).run();
    let told = out.expect_error(1);
    assert!(
        told.what.contains("mandelbrot") && told.why.contains("self-check failed: row 0"),
        "{told:?}"
    );
    let summary = out.json();
    assert!(arms(&summary, "mandelbrot").is_empty());
    assert_eq!(arms(&summary, "bubble_sort"), ["3.14t"], "other workloads still run");
    assert_eq!(summary["failed"][0]["self_check"], true);
    let text = dir.ungil(["suite", "--replay", "s"]).run();
    assert!(text.stdout.contains("! failed: mandelbrot") && text.code == 1, "{}", text.stdout);
    // After the workload is corrected, it is retried.
    export_changed(&dir, "mandelbrot", "total += n\n", "total += n\n");
    fs::copy(dir.join("files/mandelbrot.py"), dir.join("s/workloads/mandelbrot.py")).unwrap();
    let summary = dir.ungil(["suite", "--resume", "s", "--quiet", "--json"]).run().ok().json();
    assert_eq!(arms(&summary, "mandelbrot"), ["3.14t"]);
    assert!(dir.join("s/001-mandelbrot-20.jsonl.failed").exists(), "the failed record is kept");
}

#[test]
fn unknown_names_are_reported_with_the_nearest_known() {
    let dir = TestDir::new();
    let told = suite(&dir, "--workload mandlebrot --python 3.14,3.14t").run().expect_error(2);
    assert!(told.what.contains("'mandlebrot'") && told.why.ends_with(" mandelbrot"), "{told:?}");
    let told = suite(&dir, "--category sequentail --python 3.14,3.14t").run().expect_error(2);
    assert!(told.why.ends_with(" sequential"), "{told:?}");
    let told =
        suite(&dir, "--workload nbody --models asyncio --python 3.14,3.14t").run().expect_error(2);
    assert!(told.what.contains("asyncio"), "{told:?}");
    let told = suite(&dir, "--workload nbody --python 3.14,3.14").run().expect_error(2);
    assert!(told.what.contains("both called 3.14"), "{told:?}");
    let told = suite(&dir, "--workload bubble_sort --python 3.14,3.14t --sources nowhere -o s")
        .run()
        .expect_error(1);
    assert!(told.why.contains(".py"), "{told:?}");
    assert!(!dir.join("s/suite.json").exists(), "suite.json was written without its workloads");
    assert!(!dir.join(".ungil").exists(), "a run was started");
}

#[test]
fn workloads_too_large_for_memory_are_skipped() {
    let dir = TestDir::new();
    let args = "--workload bubble_sort,object_lists_nocopy --python 3.14,3.14t --workers 1 --scale 0.0001 --memory 24.5MiB";
    let summary = suite(&dir, args).run().ok().json();
    let skipped = list(&summary, "skipped").concat();
    assert!(
        skipped.contains("object_lists_nocopy 5500") && skipped.contains("of memory"),
        "{skipped}"
    );
    assert_eq!(
        (arms(&summary, "bubble_sort").len(), arms(&summary, "object_lists_nocopy").len()),
        (1, 0)
    );
    let told = suite(&dir, "--paper --workload prime_sieve --python 3.14,3.14t --memory 1MiB")
        .run()
        .expect_error(1);
    assert!(told.what.contains("nothing to run") && told.why.contains("of memory"), "{told:?}");
}

#[test]
fn ctrl_c_keeps_measurements_and_resume_completes_them() {
    let dir = TestDir::new();
    let stay = dir.join("stay").display().to_string();
    let waits = format!(
        "import os, time\n    open({stay:?} + '.seen', 'w').close()\n    while os.path.exists({stay:?}):\n        time.sleep(0.01)\n    chosen ="
    );
    export_changed(&dir, "bubble_sort", "chosen =", &waits);
    dir.write("stay", "");
    let args = "--workload mandelbrot,bubble_sort,prime_sieve --python 3.14,3.14t --scale 0.0001 --sources files -o s";
    let mut running = suite(&dir, args).start();
    running.until("the second point", || dir.read("stay.seen"));
    running.signal("INT");
    let out = running.wait();
    let told = out.expect_error(130);
    assert!(
        told.what.contains("interrupted") && told.help.contains("ungil suite --resume"),
        "{told:?}"
    );
    let summary = out.json();
    assert_eq!(arms(&summary, "mandelbrot"), ["3.14t"]);
    assert_eq!(list(&summary, "unfinished").len(), 2, "{}", summary["unfinished"]);
    let measured = dir.read("s/001-mandelbrot-20.jsonl").unwrap();
    fs::remove_file(dir.join("stay")).unwrap();
    let summary = dir.ungil(["suite", "--resume", "s", "--quiet", "--json"]).run().ok().json();
    assert!(list(&summary, "unfinished").is_empty(), "{summary}");
    for name in ["mandelbrot", "bubble_sort", "prime_sieve"] {
        assert_eq!(arms(&summary, name), ["3.14t"], "{name}");
    }
    assert_eq!(
        dir.read("s/001-mandelbrot-20.jsonl").unwrap(),
        measured,
        "a finished workload was repeated"
    );
}

#[test]
fn quick_runs_enough_blocks_for_a_verdict_if_time_allows() {
    let dir = TestDir::new();
    let what =
        "suite --quick --workload mandelbrot --python 3.14,3.14t --energy off -q --json -o s";
    let summary = dir.ungil(what.split(' ')).run().ok().json();
    assert_eq!(rows(&summary)[0]["metrics"]["wall_s"]["ratio"]["blocks"], 5, "{summary}");
    assert!(list(&summary, "unfinished").is_empty(), "{summary}");
}

#[test]
fn dry_run_lists_what_would_run() {
    let dir = TestDir::new();
    let dry = |args: &[&str]| {
        let more = ["--dry-run", "--python", "3.14,3.14t", "--memory", "1000GB"];
        dir.ungil(["suite"]).args(args.iter().copied()).args(more).run().ok().stdout
    };
    let quick = dry(&["--quick"]);
    assert!(quick.ends_with("30 points, 60 arms, 5 blocks of each\n"), "without NumPy: {quick}");
    assert!(quick.contains("left out: numpy_blas: 3.14 has no NumPy"), "{quick}");
    let paper = dry(&["--paper", "--category", "sequential,numerical,objects"]);
    // 3 workloads of 7 sizes, and 7 with 6 numbers of workers, on 2 interpreters.
    assert!(paper.ends_with("28 points, 126 arms, 5 blocks of each\n"), "{paper}");
    assert!(paper.contains("object_lists_nocopy 55000000: 100 % of the paper's work"), "{paper}");
    let old = dir.ungil([
        "suite",
        "--dry-run",
        "--workload",
        "nbody",
        "--python",
        "3.13,3.14t",
        "--models",
        "interpreters",
    ]);
    assert!(old.run().ok().stdout.contains("left out: 3.13 under interpreters: "));
    assert!(!dir.join(".ungil").exists(), "a run was started");
    let list = dir.ungil(["suite", "--list"]).run().ok().stdout;
    assert!(list.contains("mandelbrot") && list.contains("immutable_read"), "{list}");
}

#[test]
fn replay_reads_damaged_folders() {
    let dir = TestDir::new();
    let args = "--workload mandelbrot,bubble_sort --python 3.14,3.14t --scale 0.0001 -o s";
    let first = suite(&dir, args).run().ok().json();
    let replay = |code: i32| {
        let out = dir.ungil(["suite", "--replay", "s", "--json"]).run();
        assert_eq!(out.code, code, "{}", out.stderr);
        out.json()
    };
    assert_eq!(replay(0), first);
    let told = suite(&dir, args).run().expect_error(1);
    assert!(told.why.contains("it already exists"), "{told:?}");
    // The last line is truncated; the complete lines count.
    let path = "s/001-mandelbrot-20.jsonl";
    let whole = dir.read(path).unwrap();
    dir.write(path, &whole[..whole.len() - 9]);
    assert_eq!(arms(&replay(0), "mandelbrot"), ["3.14t"]);
    // A damaged record and one of a later schema are reported; the other is used.
    for (text, why) in [
        ("{}\n".to_string() + &whole, "first line"),
        (whole.replace("experiment/1", "experiment/9"), "/9"),
    ] {
        dir.write(path, text);
        let summary = replay(1);
        assert!(list(&summary, "unreadable").concat().contains(why), "{}", summary["unreadable"]);
        assert_eq!(
            (arms(&summary, "mandelbrot").len(), arms(&summary, "bubble_sort").len()),
            (0, 1)
        );
    }
    let told = dir.ungil(["suite", "--resume", "s", "-q"]).run().expect_error(1);
    assert!(told.what.contains("001-mandelbrot"), "{told:?}");
    fs::remove_file(dir.join(path)).unwrap();
    assert_eq!(list(&replay(0), "unfinished"), ["\"001-mandelbrot-20\""]);
    let text = dir.read("s/suite.json").unwrap();
    dir.write("s/suite.json", text.replace("ungil.suite/1", "ungil.suite/9"));
    assert!(
        dir.ungil(["suite", "--replay", "s"]).run().expect_error(1).why.contains("ungil.suite/9")
    );
    dir.write("s/suite.json", &text[..text.len() / 2]);
    dir.ungil(["suite", "--replay", "s"]).run().expect_error(1);
}
