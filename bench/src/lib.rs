//! Helpers for the benchmarks: run ungil on one command and read its record. Benchmarks are
//! programs to run by hand, not timed tests; each prints its results.

pub mod corpus;
pub mod install;

use std::error::Error;
use std::path::Path;
use std::process::Command;
use ungil_experiment::record::{Record, Run};
use ungil_experiment::stats::Ratio;

/// Result with any error; the benchmarks only report it.
pub type AnyResult<T> = Result<T, Box<dyn Error>>;

/// Returns a command that loops in Python for about a second. `$BENCH_LOOP` sets the number of
/// iterations.
pub fn one_second_loop(python: &str) -> Vec<String> {
    let size = std::env::var("BENCH_LOOP").unwrap_or_else(|_| "12000000".into());
    vec![python.into(), "-c".into(), format!("n = 0\nfor i in range({size}): n += i\n")]
}

/// Returns the interpreter to run: `$BENCH_PYTHON`, by default `python3`.
pub fn python() -> String {
    std::env::var("BENCH_PYTHON").unwrap_or_else(|_| "python3".into())
}

/// Returns the ungil to measure: `$UNGIL_BIN`, or the one built beside this program.
pub fn ungil() -> AnyResult<std::path::PathBuf> {
    if let Some(path) = std::env::var_os("UNGIL_BIN") {
        return Ok(path.into());
    }
    let beside = std::env::current_exe()?.with_file_name("ungil");
    if beside.is_file() {
        return Ok(beside);
    }
    Err("build it first: cargo build --release -p ungil".into())
}

/// Runs `ungil compare` with `arguments` and reads its record.
pub fn record(dir: &Path, number: usize, arguments: &[&str]) -> AnyResult<Record> {
    let path = dir.join(format!("{number}.jsonl"));
    let output =
        Command::new(ungil()?).arg("compare").args(arguments).arg("--out").arg(&path).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(Record::read(&path)?)
}

/// Measures one run of `command` without a phase, with default probes.
pub fn one_run(dir: &Path, number: usize, python: &str, command: &str) -> AnyResult<Run> {
    let limits = ["--blocks", "1", "--max-blocks", "1", "--warmup", "0", "--energy", "off"];
    let record =
        record(dir, number, &[&["--command", command, "--python", python], &limits[..]].concat())?;
    record.runs.into_iter().next().ok_or_else(|| "the record has no run".into())
}

/// Formats a ratio with its interval.
pub fn format_ratio(r: &Ratio) -> String {
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
