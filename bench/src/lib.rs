//! What the benchmarks share: running ungil on one command and reading its record. Benchmarks are
//! programs one runs, never timed tests; each prints what it found and what it means.

pub mod corpus;
pub mod install;

use std::error::Error;
use std::path::Path;
use std::process::Command;
use ungil_experiment::record::{Record, Run};
use ungil_experiment::stats::Ratio;

/// Any error: these programs only pass it on.
pub type Any<T> = Result<T, Box<dyn Error>>;

/// A Python loop of about a second on the interpreter of `$BENCH_PYTHON` (default: `python3`).
pub fn second(python: &str) -> Vec<String> {
    let size = std::env::var("BENCH_LOOP").unwrap_or_else(|_| "12000000".into());
    vec![python.into(), "-c".into(), format!("n = 0\nfor i in range({size}): n += i\n")]
}

/// The interpreter to run.
pub fn python() -> String {
    std::env::var("BENCH_PYTHON").unwrap_or_else(|_| "python3".into())
}

/// The ungil to measure: `$UNGIL_BIN`, or the one built beside this program.
pub fn ungil() -> Any<std::path::PathBuf> {
    if let Some(path) = std::env::var_os("UNGIL_BIN") {
        return Ok(path.into());
    }
    let beside = std::env::current_exe()?.with_file_name("ungil");
    if beside.is_file() {
        return Ok(beside);
    }
    Err("build it first: cargo build --release -p ungil".into())
}

/// Runs `ungil compare` with `arguments` into a fresh record and reads it.
pub fn record(dir: &Path, number: usize, arguments: &[&str]) -> Any<Record> {
    let path = dir.join(format!("{number}.jsonl"));
    let output =
        Command::new(ungil()?).arg("compare").args(arguments).arg("--out").arg(&path).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(Record::read(&path)?)
}

/// One run of `command` as ungil measures it, unmarked, default probes.
pub fn one_run(dir: &Path, number: usize, python: &str, command: &str) -> Any<Run> {
    let limits = ["--blocks", "1", "--max-blocks", "1", "--warmup", "0", "--energy", "off"];
    let record =
        record(dir, number, &[&["--command", command, "--python", python], &limits[..]].concat())?;
    record.runs.into_iter().next().ok_or_else(|| "the record has no run".into())
}

/// A ratio in words.
pub fn show(r: &Ratio) -> String {
    format!(
        "{:.4} ({:.4} to {:.4}, width {:.2} %); geometric mean {:.4} ({:.4} to {:.4})",
        r.ratio,
        r.low,
        r.high,
        (r.high / r.low - 1.0) * 100.0,
        r.gmean,
        r.gmean_low.unwrap_or(f64::NAN),
        r.gmean_high.unwrap_or(f64::NAN)
    )
}
