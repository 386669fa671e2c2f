//! Measures how often ungil claims a difference between two identical arms. Runs experiments of a
//! 0.5 s workload and counts every claim, in any metric.
//!
//! `cargo build --release -p ungil -p ungil-bench && target/release/aa [EXPERIMENTS]`

use std::collections::BTreeMap;
use ungil_bench::{AnyResult, format_ratio, one_second_loop, python, record};
use ungil_experiment::stats::Verdict;

fn main() -> AnyResult<()> {
    let experiments: usize = std::env::args().nth(1).map_or(Ok(20), |n| n.parse())?;
    let dir = tempfile::tempdir()?;
    let python = python();
    let command = format!("{{python}} -c '{}'", one_second_loop("").pop().unwrap_or_default());
    let mut claims: BTreeMap<String, usize> = BTreeMap::new();
    let mut with_claims = 0;
    for n in 0..experiments {
        let limits = ["--aa", "--time-limit", "12s", "--warmup", "1", "--energy", "off"];
        let record = record(
            dir.path(),
            n,
            &[&["--command", &command, "--python", &python], &limits[..]].concat(),
        )?;
        let noise = &record.comparison.as_ref().ok_or("no comparison")?.noise;
        let claimed: Vec<&String> = noise
            .iter()
            .filter(|(_, v)| matches!(v.verdict, Verdict::Less | Verdict::More))
            .map(|(k, _)| k)
            .collect();
        let time = noise
            .get("wall_s")
            .and_then(|v| v.ratio)
            .map_or_else(String::new, |r| format_ratio(&r));
        println!("{n:3}  claims: {claimed:?}  time {time}");
        with_claims += usize::from(claimed.iter().any(|k| *k == "wall_s"));
        claimed.into_iter().for_each(|k| *claims.entry(k.clone()).or_default() += 1);
    }
    println!("experiments that claim a difference in time: {with_claims} of {experiments}");
    println!("claims by metric: {claims:?}");
    Ok(())
}
