//! Measures how much slower programs are under the race detector: the suite's workloads alone and
//! under `ungil stress --rounds 1`, which makes no pauses, in blocks of both in changing order.
//!
//! `BENCH_PYTHON=… cargo run --release -p ungil-bench --bin stress_cost [BLOCKS]`; `$BENCH_PYTHON`
//! must be free-threaded. The times are of whole processes, start of the interpreter included.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use ungil_bench::{AnyResult, format_ratio, python, ungil};
use ungil_experiment::stats::paired;

/// The study's workloads, then those that do nothing but use one shared object. With their sizes:
/// the suite's own are for longer runs.
const WORKLOADS: &[(&str, &[&str])] = &[
    ("mandelbrot", &["--size", "200"]),
    ("bubble_sort", &["--size", "2000"]),
    ("prime_sieve", &["--size", "1000000"]),
    ("factorial", &["--workers", "2"]),
    ("matmul", &["--workers", "2"]),
    ("nbody", &["--workers", "2"]),
    ("json_parse", &["--workers", "2"]),
    ("object_lists", &["--workers", "2"]),
    ("object_lists_copy", &["--workers", "2"]),
    ("object_lists_nocopy", &["--workers", "2"]),
    ("attribute_read", &["--workers", "2"]),
    ("attribute_write", &["--workers", "2"]),
    ("counter", &["--workers", "2"]),
    ("deque_turn", &["--workers", "2"]),
    ("dict_read", &["--workers", "2"]),
    ("dict_write", &["--workers", "2"]),
    ("immutable_read", &["--workers", "2"]),
    ("list_append", &["--workers", "2"]),
    ("queue_turn", &["--workers", "2"]),
    ("simple_queue", &["--workers", "2"]),
];

fn main() -> AnyResult<()> {
    let blocks: usize = std::env::args().nth(1).map_or(Ok(5), |text| text.parse())?;
    let python = python();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/suite/py");
    println!("time under ungil stress over time alone, {blocks} blocks:");
    for (name, arguments) in WORKLOADS {
        let script = folder.join(format!("{name}.py"));
        let mut pairs = Vec::new();
        for block in 0..blocks {
            let alone = || seconds(Command::new(&python).arg(&script).args(*arguments));
            let stressed = || stressed(&python, &script, arguments);
            pairs.push(if block % 2 == 0 {
                let alone = alone()?;
                (stressed()?, alone)
            } else {
                (stressed()?, alone()?)
            });
        }
        let ratio = paired(&pairs, 1).ok_or("no pairs")?;
        println!("  {name:22}{}", format_ratio(&ratio));
    }
    Ok(())
}

fn stressed(python: &str, script: &PathBuf, arguments: &[&str]) -> AnyResult<f64> {
    let mut command = Command::new(ungil()?);
    command.args(["stress", "--rounds", "1", "--python", python]).arg(script).args(arguments);
    seconds(&mut command)
}

/// Returns the seconds that a command took.
fn seconds(command: &mut Command) -> AnyResult<f64> {
    let began = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    let took = began.elapsed().as_secs_f64();
    // 5: races were found, as in the counter without a lock.
    if !status.success() && status.code() != Some(5) {
        return Err(format!("{command:?} failed: {status}").into());
    }
    Ok(took)
}
