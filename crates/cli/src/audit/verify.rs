//! `--verify`: imports each module and compares its effect with the verdict.

use crate::args::Audit as Arguments;
use crate::error::CliError;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use ungil_audit::audit::Audit;
use ungil_audit::verify::{ImportOutcome, ModuleToImport, Verifier};
use ungil_format::counted;

/// Result of importing a module.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Verified {
    pub(super) module: String,
    pub(super) file: PathBuf,
    /// Whether it enables the GIL according to its verdict.
    pub(super) verdict: Option<bool>,
    #[serde(flatten)]
    pub(super) outcome: ImportOutcome,
}

impl Verified {
    /// Returns whether the verdict was wrong.
    pub(super) fn differs(&self) -> bool {
        self.verdict
            .zip(self.outcome.switched_on)
            .is_some_and(|(predicted, observed)| predicted != observed)
    }
}

/// Returns a note if there are modules in wheels, which are not imported.
pub(super) fn not_imported(audit: &Audit) -> Option<String> {
    let count = audit.importable().filter(|(_, found)| !found.file.is_file()).count();
    let modules = counted(count, "module");
    (count > 0).then(|| {
        format!(
            "--verify did not import {modules} in wheels: install the wheels and pass the \
                 environment"
        )
    })
}

/// Imports every module that the build can import.
pub(super) fn run(
    args: &Arguments,
    audit: &Audit,
    is_cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<Verified>, CliError> {
    let wanted = args.python.clone().unwrap_or_else(|| audit.build.to_string());
    let search = ungil_pythons::Search::from_env();
    let python = ungil_pythons::resolve(&wanted, &search).map_err(|error| {
        CliError::usage(
            "no interpreter for --verify",
            error,
            "pass one with --python; ungil pythons lists those available",
        )
    })?;
    if !python.free_threaded {
        return Err(CliError::usage(
            format!("{} always has a GIL", python.name),
            "--verify needs a free-threaded interpreter",
            "pass one with --python, such as 3.14t",
        ));
    }
    let mut rows = Vec::new();
    for (_, found) in audit.importable() {
        if let Some(module) = found.module.clone().filter(|_| found.file.is_file()) {
            rows.push((
                ModuleToImport { name: module, file: found.file.clone() },
                found.enables_gil(),
            ));
        }
    }
    let modules: Vec<ModuleToImport> = rows.iter().map(|(module, _)| module.clone()).collect();
    let bar = super::progress(args, modules.len());
    let verifier = Verifier {
        python: Path::new(&python.executable),
        folders: &audit.folders,
        limit: Duration::from_secs_f64(args.limit),
        jobs: std::thread::available_parallelism().map_or(1, usize::from),
    };
    let outcomes = verifier.run(&modules, is_cancelled, &|done| bar.set_position(done as u64));
    bar.finish_and_clear();
    let seen = rows.into_iter().zip(outcomes).filter_map(|((module, verdict), outcome)| {
        Some(Verified { module: module.name, file: module.file, verdict, outcome: outcome? })
    });
    Ok(seen.collect())
}
