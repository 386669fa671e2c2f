//! Checks that the verdicts of `ungil audit` match the interpreter. Installs every package of
//! `bench/corpus.txt` for 3.14t and 3.15t, audits it, and imports each of its modules (`--verify`).
//! The table is `docs/reference/audit-corpus.md`.
//!
//! `cargo build --release -p ungil -p ungil-bench && target/release/corpus [NAME...]`
//!
//! The first run takes an hour. Results are kept in cargo's target folder until ungil is rebuilt,
//! so that a run can be stopped and continued. With names, only those packages are checked again,
//! and their table is printed.

mod outcome;
mod table;

use outcome::{Outcome, PackageStatus};
use std::path::Path;
use ungil_bench::corpus::{packages, scratch};
use ungil_bench::install::Installer;
use ungil_bench::{AnyResult, ungil};

/// The builds, in the order of the table.
const BUILDS: [&str; 2] = ["3.14t", "3.15t"];

fn main() -> AnyResult<()> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let mut packages = packages()?;
    if let Some(name) = names.iter().find(|name| !packages.iter().any(|one| one.name == **name)) {
        return Err(format!("{name} is not in bench/corpus.txt").into());
    }
    packages.retain(|one| names.is_empty() || names.contains(&one.name));
    let scratch = scratch()?;
    let installer = Installer::new(&scratch)?;
    let built = ungil()?.metadata()?.modified()?;
    let mut outcomes = Vec::new();
    for build in BUILDS {
        std::fs::create_dir_all(scratch.join(build))?;
        let search = ungil_pythons::Search::from_env();
        let python = ungil_pythons::resolve(build, &search)?.executable;
        for (at, package) in packages.iter().enumerate() {
            let kept =
                scratch.join(build).join(format!("{}-{}.json", package.name, package.version));
            let is_new =
                kept.metadata().and_then(|data| data.modified()).is_ok_and(|when| when > built);
            let outcome = if is_new && names.is_empty() {
                serde_json::from_slice(&std::fs::read(&kept)?)?
            } else {
                eprint!(
                    "{build} {}/{} {} {} ",
                    at + 1,
                    packages.len(),
                    package.name,
                    package.version
                );
                let outcome = outcome::measure(package, build, Path::new(&python), &installer)?;
                eprintln!("{}", outcome.summary());
                // Failures are not kept, so that the next run retries them.
                if !matches!(outcome.what, PackageStatus::Failed(_)) {
                    write_atomically(&kept, &outcome)?;
                }
                outcome
            };
            outcomes.push(outcome);
        }
    }
    let text = table::document(&outcomes, &BUILDS, &installer.version()?)?;
    if names.is_empty() {
        std::fs::write(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/audit-corpus.md"),
            text,
        )?;
    } else {
        print!("{text}");
    }
    Ok(())
}

/// Writes an outcome atomically.
fn write_atomically(path: &Path, outcome: &Outcome) -> AnyResult<()> {
    let part = path.with_extension("part");
    std::fs::write(&part, serde_json::to_vec_pretty(outcome)?)?;
    Ok(std::fs::rename(part, path)?)
}
