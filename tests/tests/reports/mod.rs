//! Helpers for tests of `ungil report`: a record, and its report.
#![allow(clippy::unwrap_used, dead_code)] // test helpers may unwrap; each test uses a part

use std::fs;
use std::path::{Path, PathBuf};
use ungil_tests::TestDir;

/// True when the page's script has finished.
pub(crate) const READY: &str = "document.documentElement?.dataset.ready";

/// Text that must never become markup or a script.
pub(crate) const HOSTILE: &str =
    "</script></svg><img src=x onerror=window.hacked=1><script>window.hacked=1</script>\"'&";

/// Makes a record of four arms and five blocks with modelled energy and a hostile command line.
pub(crate) fn record(dir: &TestDir, name: &str) -> PathBuf {
    let script = "import time, ungil_phase\ntime.sleep(0.15)\nwith ungil_phase.phase():\n sum(range(30_000))\nUNGIL_WORKERS = 0\n";
    dir.write("work.py", script);
    let all = [
        "compare",
        "work.py",
        "--python",
        "3.14,3.14t",
        "--workers",
        "1,2",
        "--blocks",
        "5",
        "--max-blocks",
        "5",
    ];
    let rest = [
        "--warmup",
        "1",
        "--time-limit",
        "1s",
        "--energy",
        "model",
        "--quiet",
        "--out",
        name,
        "--",
        HOSTILE,
    ];
    dir.ungil(all).args(rest).run().ok();
    dir.join(name)
}

/// Writes a report and returns its path.
pub(crate) fn report(dir: &TestDir, args: &[&str]) -> PathBuf {
    let out = dir.ungil(["report"]).args(args.iter().copied()).run().ok();
    let path =
        out.stdout.lines().find_map(|l| l.strip_prefix("Written: ")).expect("where it was written");
    dir.join(path)
}

/// Lists the files of a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut all: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    all.sort();
    all
}
