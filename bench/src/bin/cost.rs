//! Measures the cost of measuring: the runner's CPU as a share of one core and the time added per
//! run, for one process and for a tree of many, with default probes.
//!
//! `cargo build --release -p ungil -p ungil-bench && target/release/cost`

use ungil_bench::{AnyResult, one_run, python};
use ungil_experiment::stats::median;

const TREES: [(&str, &str); 4] = [
    ("one process, 1 s", "import time; time.sleep(1)"),
    ("one process, 0.1 s", "import time; time.sleep(0.1)"),
    (
        "512 MiB resident, 2 s",
        "b = bytearray(1 << 29); import time\nfor i in range(0, 1 << 29, 4096): b[i] = 1\ntime.sleep(2)",
    ),
    (
        "16 children, 2 s",
        "import os, time\nfor _ in range(16):\n    if os.fork() == 0:\n        time.sleep(2); os._exit(0)\nfor _ in range(16): os.wait()",
    ),
];

fn main() -> AnyResult<()> {
    let dir = tempfile::tempdir()?;
    let python = python();
    for (i, (name, code)) in TREES.iter().enumerate() {
        let (mut cpu, mut added, mut samples, mut shares) = (vec![], vec![], vec![], vec![]);
        for n in 0..9 {
            let run =
                one_run(dir.path(), i * 100 + n, &python, &format!("{{python}} -c '{code}'"))?;
            cpu.push(run.probes.cpu_s / run.metrics["wall_s"] * 100.0);
            added.push(run.probes.added_s * 1e3);
            samples.push(run.probes.samples as f64);
            shares.push(run.probes.share_samples as f64);
        }
        let m = |v: &[f64]| median(v).unwrap_or(f64::NAN);
        println!(
            "{name:24} runner {:5.2} % of one core, {:5.2} ms added, {} samples, {} with PSS",
            m(&cpu),
            m(&added),
            m(&samples),
            m(&shares)
        );
    }
    Ok(())
}
