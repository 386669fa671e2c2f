//! `--verify`: each module imported, and what it did beside the verdict.

use crate::args::Audit as Arguments;
use crate::error::CliError;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use ungil_audit::audit::Audit;
use ungil_audit::verify::{Module, Outcome, Verifier};
use ungil_format::counted;

/// A module that was imported.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Verified {
    /// Its dotted name.
    pub(super) module: String,
    /// Its file.
    pub(super) file: PathBuf,
    /// Whether the verdict says that it switches the GIL on.
    pub(super) verdict: Option<bool>,
    /// What importing it did.
    #[serde(flatten)]
    pub(super) outcome: Outcome,
}

impl Verified {
    /// Verdict and world differ.
    pub(super) fn differs(&self) -> bool {
        self.verdict.zip(self.outcome.switched_on).is_some_and(|(said, seen)| said != seen)
    }
}

/// Notes that modules in wheels are not imported, if there are any.
pub(super) fn not_imported(audit: &Audit) -> Option<String> {
    let count = audit.taken().filter(|(_, found)| !found.file.is_file()).count();
    let modules = counted(count, "module");
    (count > 0).then(|| {
        format!("--verify did not import {modules} in wheels: install the wheels and name the environment")
    })
}

/// Imports every module that the build would.
pub(super) fn run(
    args: &Arguments,
    audit: &Audit,
    is_told: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<Verified>, CliError> {
    let wanted = args.python.clone().unwrap_or_else(|| audit.build.to_string());
    let search = ungil_pythons::Search::from_env();
    let python = ungil_pythons::resolve(&wanted, &search).map_err(|error| {
        CliError::usage(
            "there is no interpreter to verify with",
            error,
            "name one with --python; ungil pythons lists them",
        )
    })?;
    if !python.free_threaded {
        return Err(CliError::usage(
            format!("{} always has a GIL", python.name),
            "what modules do to it shows in a free-threaded build alone",
            "name one with --python, such as 3.14t",
        ));
    }
    let mut rows = Vec::new();
    for (_, found) in audit.taken() {
        if let Some(module) = found.module.clone().filter(|_| found.file.is_file()) {
            rows.push((Module { name: module, file: found.file.clone() }, found.switches_on()));
        }
    }
    let modules: Vec<Module> = rows.iter().map(|(module, _)| module.clone()).collect();
    let bar = super::progress(args, modules.len());
    let verifier = Verifier {
        python: Path::new(&python.executable),
        folders: &audit.folders,
        limit: Duration::from_secs_f64(args.limit),
        jobs: std::thread::available_parallelism().map_or(1, usize::from),
    };
    let outcomes = verifier.run(&modules, is_told, &|done| bar.set_position(done as u64));
    bar.finish_and_clear();
    let seen = rows.into_iter().zip(outcomes).filter_map(|((module, verdict), outcome)| {
        Some(Verified { module: module.name, file: module.file, verdict, outcome: outcome? })
    });
    Ok(seen.collect())
}
