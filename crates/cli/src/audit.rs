//! `ungil audit`: finds extension modules that re-enable the GIL, and thread-unsafe Python code.

mod columns;
mod findings;
mod import_chains;
mod index;
mod markdown;
mod sarif;
mod table;
mod verify;

use crate::args::{Audit as Arguments, AuditFormat, FailOn};
use crate::error::{CliError, INTERRUPTED, print};
use crate::sanitize;
use crate::signals;
use indicatif::ProgressBar;
use serde::Serialize;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use ungil_audit::audit::{Audit, AuditOptions, audit};
use ungil_audit::claims::Standing;
use ungil_audit::index::IndexAnswer;
use ungil_audit::inventory::{Distribution, ExtensionFile};
use ungil_audit::requirements::{Requirement, WheelStatus};
use verify::Verified;

/// Exit code if something named by --fail-on was found.
const FAIL_ON_FOUND: u8 = 3;

/// The JSON output, from which the other formats are rendered.
#[derive(Debug, Serialize)]
struct AuditReport {
    #[serde(flatten)]
    audit: Audit,
    /// Results of --verify.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<Vec<Verified>>,
    /// Answers to --index.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<Vec<IndexAnswer>>,
    /// Ctrl-C ended it before every module was imported or every query was answered.
    interrupted: bool,
}

/// Runs the audit and prints the report.
pub(crate) fn run(args: &Arguments) -> Result<ExitCode, CliError> {
    let stop = signals::flag()?;
    let targets = targets(args)?;
    let asked =
        AuditOptions { targets, build: args.build, sources: args.sources, from: args.from.clone() };
    let mut audit = audit(&asked).map_err(|error| {
        CliError::usage(
            "cannot audit the targets",
            error,
            "pass an environment, wheels, extension modules, sources or a lock file; see ungil \
             audit --help",
        )
    })?;
    audit.hazards.retain(|hazard| hazard.confidence >= args.confidence.into());
    let is_cancelled = || stop.load(Ordering::Relaxed);
    if args.verify {
        audit.notes.extend(verify::not_imported(&audit));
    }
    let verified = args.verify.then(|| verify::run(args, &audit, &is_cancelled)).transpose()?;
    let index = args.index.then(|| index::run(args, &audit, &is_cancelled)).transpose()?;
    let report = AuditReport { audit, verified, index, interrupted: stop.load(Ordering::Relaxed) };
    let format = if args.json { AuditFormat::Json } else { args.format };
    let text = match format {
        AuditFormat::Table => table::report(&report, args.all),
        AuditFormat::Markdown => markdown::report(&report, args.all),
        AuditFormat::Json => json(&report)?,
        AuditFormat::Sarif => json(&sarif::report(&report))?,
    };
    match &args.output {
        None => print(&text)?,
        Some(path) => {
            std::fs::write(path, text).map_err(|error| {
                CliError::failed(
                    format!("cannot write {}", path.display()),
                    error,
                    "pass another file with -o",
                )
            })?;
            print(&table::summary(&report))?;
        }
    }
    Ok(if report.interrupted {
        ExitCode::from(INTERRUPTED)
    } else if args.fail_on.iter().any(|what| report.has(*what)) {
        ExitCode::from(FAIL_ON_FOUND)
    } else if report.audit.is_empty() {
        return Err(nothing_analyzed(&report));
    } else {
        ExitCode::SUCCESS
    })
}

impl AuditReport {
    /// Returns whether a condition of --fail-on is met.
    fn has(&self, what: FailOn) -> bool {
        let mut taken = self.audit.importable();
        match what {
            FailOn::Gil => taken.any(|(_, found)| found.enables_gil() == Some(true)),
            FailOn::Unknown => {
                let is_unknown = |one: &Requirement| one.gil != WheelStatus::NothingCompiled;
                taken.any(|(_, found)| found.enables_gil().is_none())
                    || findings::applying(self).any(is_unknown)
            }
            FailOn::Claim => self
                .audit
                .distributions
                .iter()
                .any(|one| one.claim_check.standing == Standing::Broken),
            FailOn::Difference => self.verified.iter().flatten().any(Verified::differs),
            FailOn::Hazard => !self.audit.hazards.is_empty(),
        }
    }

    /// Returns the modules that the build can import, the worst first, with their distributions.
    fn ordered(&self) -> Vec<(Option<&Distribution>, &ExtensionFile)> {
        let mut all: Vec<_> = self.audit.importable().collect();
        let rank = |found: &ExtensionFile| match found.enables_gil() {
            Some(true) => 0,
            None => 1,
            Some(false) => 2,
        };
        all.sort_by_key(|(_, found)| rank(found));
        all
    }
}

/// Reports that nothing was analyzed, which must not look like a clean result.
fn nothing_analyzed(report: &AuditReport) -> CliError {
    let build = report.audit.build;
    let skipped = report.audit.skipped().count();
    if skipped > 0 {
        let why = format!(
            "{build} cannot import any of the {} with the name of an extension module on the \
             audited platform",
            ungil_format::counted(skipped, "file")
        );
        return CliError::failed(
            "nothing was analyzed",
            why,
            "pass files for that build, or choose another build with --for",
        );
    }
    CliError::failed(
        "nothing was analyzed",
        "the targets contain no extension module, Python source, distribution or requirement",
        "pass an environment, a wheel, a folder of sources or a lock file that is not empty",
    )
}

/// Returns a progress bar, hidden with --quiet or without a terminal.
fn progress(args: &Arguments, total: usize) -> ProgressBar {
    if args.quiet || !std::io::stderr().is_terminal() {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(total as u64)
    }
}

/// Returns the given targets, or the active environment.
fn targets(args: &Arguments) -> Result<Vec<PathBuf>, CliError> {
    if !args.targets.is_empty() {
        return Ok(args.targets.clone());
    }
    let active = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    let here = Some(PathBuf::from(".venv")).filter(|path| path.is_dir());
    active.or(here).map(|path| vec![path]).ok_or_else(|| {
        CliError::usage(
            "no environment to audit",
            "no virtual environment is active and there is no .venv",
            "pass an environment, a wheel, a lock file or a folder of sources",
        )
    })
}

fn json(report: &impl Serialize) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(report).map_err(|e| {
        CliError::failed("cannot write the result as JSON", e, "report this as a defect of ungil")
    })?;
    Ok(format!("{}\n", sanitize::sanitize_json(&text)))
}
