//! `ungil audit`: what happens to the GIL when what is installed here is imported, and which
//! sources threads break.

mod index;
mod lines;
mod markdown;
mod sarif;
mod table;
mod verify;
mod ways;

use crate::args::{Audit as Arguments, AuditForm as Form, FailOn};
use crate::error::{CliError, INTERRUPTED, print};
use crate::sanitize;
use crate::signals;
use indicatif::ProgressBar;
use serde::Serialize;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use ungil_audit::audit::{Asked, Audit, audit};
use ungil_audit::claims::Standing;
use ungil_audit::found::{Distribution, Found};
use ungil_audit::index::Answer;
use ungil_audit::requirements::{Wanted, WheelSays};
use verify::Verified;

/// The code for a bound that was crossed.
const CROSSED: u8 = 3;

/// What is printed as JSON, and what the other forms are made of.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    audit: Audit,
    /// What --verify saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<Vec<Verified>>,
    /// What --index said.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<Vec<Answer>>,
    /// Ctrl-C ended it before every module was imported, or every question asked.
    interrupted: bool,
}

/// Audits and prints.
pub(crate) fn run(args: &Arguments) -> Result<ExitCode, CliError> {
    let stop = signals::flag()?;
    let targets = targets(args)?;
    let asked =
        Asked { targets, build: args.build, sources: args.sources, from: args.from.clone() };
    let mut audit = audit(&asked).map_err(|error| {
        CliError::usage(
            "there is nothing to audit",
            error,
            "name an environment, wheels, extension modules, sources or a lock file; ungil audit --help shows examples",
        )
    })?;
    audit.hazards.retain(|hazard| hazard.confidence >= args.confidence.into());
    let is_told = || stop.load(Ordering::Relaxed);
    if args.verify {
        audit.notes.extend(verify::not_imported(&audit));
    }
    let verified = args.verify.then(|| verify::run(args, &audit, &is_told)).transpose()?;
    let index = args.index.then(|| index::run(args, &audit, &is_told)).transpose()?;
    let report = Report { audit, verified, index, interrupted: stop.load(Ordering::Relaxed) };
    let form = if args.json { Form::Json } else { args.format };
    let text = match form {
        Form::Table => table::report(&report, args.all),
        Form::Markdown => markdown::report(&report, args.all),
        Form::Json => json(&report)?,
        Form::Sarif => json(&sarif::report(&report))?,
    };
    match &args.output {
        None => print(&text)?,
        Some(path) => {
            std::fs::write(path, text).map_err(|error| {
                CliError::failed(
                    format!("cannot write {}", path.display()),
                    error,
                    "name another file with -o",
                )
            })?;
            print(&table::summary(&report))?;
        }
    }
    Ok(if report.interrupted {
        ExitCode::from(INTERRUPTED)
    } else if args.fail_on.iter().any(|what| report.has(*what)) {
        ExitCode::from(CROSSED)
    } else if report.audit.is_empty() {
        return Err(nothing(&report));
    } else {
        ExitCode::SUCCESS
    })
}

impl Report {
    /// Something was found that --fail-on may name.
    fn has(&self, what: FailOn) -> bool {
        let mut taken = self.audit.taken();
        match what {
            FailOn::Gil => taken.any(|(_, found)| found.switches_on() == Some(true)),
            FailOn::Unknown => {
                let is_open = |one: &Wanted| one.gil != WheelSays::NothingCompiled;
                taken.any(|(_, found)| found.switches_on().is_none())
                    || lines::applying(self).any(is_open)
            }
            FailOn::Claim => {
                self.audit.distributions.iter().any(|one| one.weighed.standing == Standing::Broken)
            }
            FailOn::Difference => self.verified.iter().flatten().any(Verified::differs),
            FailOn::Hazard => !self.audit.hazards.is_empty(),
        }
    }

    /// Modules that the build would import: the worst first, each with its distribution.
    fn ordered(&self) -> Vec<(Option<&Distribution>, &Found)> {
        let mut all: Vec<_> = self.audit.taken().collect();
        let rank = |found: &Found| match found.switches_on() {
            Some(true) => 0,
            None => 1,
            Some(false) => 2,
        };
        all.sort_by_key(|(_, found)| rank(found));
        all
    }
}

/// An audit that judged nothing is no clean bill.
fn nothing(report: &Report) -> CliError {
    let build = report.audit.build;
    let skipped = report.audit.skipped().count();
    if skipped > 0 {
        let why = format!(
            "none of the {} named like extension modules can be imported by {build} on the platform audited",
            ungil_format::counted(skipped, "file")
        );
        return CliError::failed(
            "nothing was judged",
            why,
            "name files of that build, or another build with --for",
        );
    }
    CliError::failed(
        "nothing was judged",
        "there is no extension module, Python source, distribution or requirement in what was named",
        "name an environment, a wheel, a folder of sources or a lock file that is not empty",
    )
}

/// A bar over so many things, where somebody watches.
fn progress(args: &Arguments, total: usize) -> ProgressBar {
    if args.quiet || !std::io::stderr().is_terminal() {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(total as u64)
    }
}

/// What was named, or the environment here.
fn targets(args: &Arguments) -> Result<Vec<PathBuf>, CliError> {
    if !args.targets.is_empty() {
        return Ok(args.targets.clone());
    }
    let active = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    let here = Some(PathBuf::from(".venv")).filter(|path| path.is_dir());
    active.or(here).map(|path| vec![path]).ok_or_else(|| {
        CliError::usage(
            "there is no environment here",
            "no virtual environment is active and there is no .venv",
            "name one, or a wheel, a lock file or a folder of sources",
        )
    })
}

fn json(report: &impl Serialize) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(report).map_err(|e| {
        CliError::failed("cannot write the result as JSON", e, "report this as a defect of ungil")
    })?;
    Ok(format!("{}\n", sanitize::sanitize_json(&text)))
}
