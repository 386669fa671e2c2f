//! What is advised rests on what was seen; the sentences themselves are tested in `report` on
//! records that are made up.
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

use ungil_tests::{Out, Place, metric};

fn says(out: &Out, words: &str) -> bool {
    out.stdout.lines().any(|l| l.starts_with("- ") && l.contains(words))
}

#[test]
fn one_arm_alone_is_recommended_for_nothing() {
    let place = Place::new();
    place.write("w.py", "print(1)\n");
    let args = [
        "compare",
        "w.py",
        "-q",
        "--energy",
        "off",
        "--python",
        "3.14",
        "--warmup",
        "0",
        "--max-blocks",
        "5",
    ];
    let out = place.ungil(args).run().ok();
    assert!(says(&out, "3.14 is the only arm") && !says(&out, "Use "), "{}", out.stdout);
}

#[test]
fn modules_that_stay_without_byte_code_are_named_and_cached_ones_are_not() {
    let place = Place::new();
    place.write("helper.py", "import inner.part\nif False: import never\ndef f(): import later\n");
    place.write("inner/__init__.py", "from . import beside\n");
    for name in ["inner/part.py", "inner/beside.py", "never.py", "later.py"] {
        place.write(name, "x = 1\n");
    }
    place.write("w.py", "import helper\ntry: import nowhere\nexcept ImportError: pass\nprint(1)\n");
    place.write("pkg/__init__.py", "");
    place.write("pkg/bench.py", "import helper\nprint(1)\n");
    let run = |args: &[&str], write: bool| {
        let ungil = place.one_block(args.iter().copied()).args(["--python", "3.14,3.14t"]);
        let ungil = if write { ungil } else { ungil.env("PYTHONDONTWRITEBYTECODE", "1") };
        ungil.run().ok().record()
    };
    let script = ["helper", "inner", "inner.beside", "inner.part"];
    let module = ["helper", "inner", "inner.beside", "inner.part", "pkg", "pkg.bench"];
    for (args, modules) in [(&["w.py"][..], &script[..]), (&["-m", "pkg.bench"], &module)] {
        let record = run(args, false);
        for found in record.runs() {
            assert_eq!(found["uncached"]["modules"], serde_json::json!(modules), "{found}");
            assert!(
                found["uncached"]["why"].as_str().unwrap().contains("PYTHONDONTWRITEBYTECODE"),
                "{found}"
            );
        }
    }
    for args in [&["w.py"][..], &["-m", "pkg.bench"]] {
        let record = run(args, true);
        assert!(record.runs().iter().all(|r| r.get("uncached").is_none()), "{:?}", record.runs());
    }
    // Marked, what is imported before the phase is not in its time.
    place.write("w.py", "import fresh\nfrom ungil_phase import phase\nwith phase(): pass\n");
    place.write("fresh.py", "");
    assert!(run(&["w.py"], false).runs().iter().all(|r| r.get("uncached").is_none()));
}

#[test]
fn one_item_for_two_workers_is_counted() {
    let place = Place::new();
    place.write("work.py", "def f(x):\n    return x\n");
    let task = |items: &str, chunk: &str| {
        let args = [
            "--task",
            "work:f",
            "--items",
            items,
            "--models",
            "threads",
            "--workers",
            "2",
            "--chunk",
            chunk,
        ];
        place.one_block(args).args(["--python", "3.14,3.14t"]).run().ok()
    };
    for (items, chunk) in [("range(1)", "1"), ("range(8)", "8")] {
        let out = task(items, chunk);
        assert_eq!(metric(out.record().run("3.14t/threads/2"), "pieces"), 1.0);
        assert!(says(&out, "had 1 piece of work for 2 workers"), "{}", out.stdout);
    }
    let out = task("range(8)", "2");
    assert_eq!(metric(out.record().run("3.14t/threads/2"), "pieces"), 4.0);
    assert!(!says(&out, "of work for"), "{}", out.stdout);
}

#[test]
fn a_workload_that_sleeps_is_not_recommended_an_interpreter() {
    let place = Place::new();
    place
        .write("w.py", "import time\nfrom ungil_phase import phase\nwith phase(): time.sleep(1)\n");
    let out = place.one_block(["w.py", "--python", "3.14,3.14t"]).run().ok();
    // On a machine without an idle core it may have been kept from computing, and nothing is said
    // of waiting.
    let record = out.record();
    let busy = record.runs().iter().any(|run| {
        let around = &run["machine"];
        let cores = around["per_core"].as_array().unwrap().len() as f64;
        around["busy_cores"].as_f64().unwrap() + around["steal"].as_f64().unwrap() * cores
            > cores - 0.5
    });
    assert_eq!(says(&out, "the GIL plays no part"), !busy, "{}", out.stdout);
    assert!(busy || !says(&out, "Use ") && !says(&out, "Stay with"), "{}", out.stdout);
}
