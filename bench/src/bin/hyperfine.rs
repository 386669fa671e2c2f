//! Compares ungil's time with hyperfine's. Runs the same 1 s command in interleaved triples
//! (hyperfine, ungil, hyperfine again) in every order, and prints the paired ratio ungil /
//! hyperfine beside hyperfine / hyperfine.
//!
//! `cargo build --release -p ungil -p ungil-bench && target/release/hyperfine [PAIRS]`

use std::process::Command;
use ungil_bench::{AnyResult, format_ratio, one_run, one_second_loop, python};
use ungil_experiment::stats::{median, paired};

/// Every order of the three, so that neither position nor predecessor favours one.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1], [0, 2, 1], [1, 2, 0]];

fn main() -> AnyResult<()> {
    let pairs: usize = std::env::args().nth(1).map_or(Ok(40), |n| n.parse())?;
    let dir = tempfile::tempdir()?;
    let python = python();
    let mut words = one_second_loop(&python);
    let plain = words.iter().map(|w| quote(w)).collect::<Vec<_>>().join(" ");
    words[0] = "{python}".into();
    let ours = words
        .iter()
        .map(|w| if w == "{python}" { w.clone() } else { quote(w) })
        .collect::<Vec<_>>()
        .join(" ");
    let (mut against, mut itself, mut added, mut cost) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for pair in 0..pairs {
        let mut times = [0.0; 3];
        for which in ORDERS[pair % ORDERS.len()] {
            times[which] = if which == 1 {
                let run = one_run(dir.path(), pair, &python, &ours)?;
                added.push(run.probes.added_s * 1e3);
                cost.push(run.probes.cpu_s / run.metrics["wall_s"] * 100.0);
                run.metrics["wall_s"]
            } else {
                hyperfine(dir.path(), &plain)?
            };
        }
        against.push((times[1], times[0]));
        itself.push((times[2], times[0]));
        eprintln!(
            "{pair:3}  hyperfine {:.4}  ungil {:.4}  hyperfine {:.4}",
            times[0], times[1], times[2]
        );
    }
    let (ours, theirs) = (paired(&against, 1), paired(&itself, 1));
    let (ours, theirs) = ours.zip(theirs).ok_or("no pairs")?;
    println!("ungil / hyperfine      {}", format_ratio(&ours));
    println!("hyperfine / hyperfine  {}", format_ratio(&theirs));
    println!(
        "contains 1: {}; no wider: {}",
        ours.low <= 1.0 && 1.0 <= ours.high,
        ours.high / ours.low <= theirs.high / theirs.low
    );
    println!("added per run: median {:.2} ms", median(&added).unwrap_or(f64::NAN));
    println!("runner's CPU: median {:.2} % of one core", median(&cost).unwrap_or(f64::NAN));
    Ok(())
}

fn hyperfine(dir: &std::path::Path, command: &str) -> AnyResult<f64> {
    let path = dir.join("hyperfine.json");
    let output = Command::new("hyperfine")
        .args(["-N", "--runs", "1", "--style", "none", "--export-json"])
        .arg(&path)
        .arg(command)
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let value: serde_json::Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    value["results"][0]["times"][0].as_f64().ok_or_else(|| "hyperfine gave no time".into())
}

fn quote(word: &str) -> String {
    format!("'{word}'")
}
