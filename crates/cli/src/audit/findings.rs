//! Describes findings as lines, shared by the text, Markdown and SARIF formats.

use super::{AuditReport, index};
use crate::sanitize::sanitize;
use ungil_audit::audit::AuditedDistribution;
use ungil_audit::claims::Standing;
use ungil_audit::inventory::{ExtensionFile, SkipReason};
use ungil_audit::requirements::{Requirement, WheelStatus};
use ungil_format::counted;

/// Maximum number of lines of one kind; JSON has all.
const MAX_LINES: usize = 10;

/// A finding and its mark: `!` is a problem, `?` is unknown, `-` is a remark.
pub(super) type Line = (char, String);

/// Returns all findings. With `all` it includes those without a problem.
pub(super) fn findings(report: &AuditReport, all: bool) -> Vec<Line> {
    let mut lines = claims(report);
    lines.extend(verified(report));
    lines.extend(requirements(report));
    for answer in report.index.iter().flatten() {
        let (is_problem, line) = index::describe(answer, report.audit.build);
        if all || is_problem || answer.newest.is_some() {
            lines.push((if is_problem { '!' } else { '-' }, line));
        }
    }
    lines.extend(skipped(report, all));
    lines
}

fn claims(report: &AuditReport) -> Vec<Line> {
    let broken = report
        .audit
        .distributions
        .iter()
        .filter(|one| one.claim_check.standing == Standing::Broken);
    broken.map(|one| ('!', claim(one))).collect()
}

/// Describes a claim that is contradicted by a module.
pub(super) fn claim(one: &AuditedDistribution) -> String {
    let claims = one.claim_check.claims.join(" and ");
    let name = sanitize(&one.distribution.name);
    let against = some_of(&one.claim_check.against);
    format!(
        "{name} claims to run without the GIL ({}), but importing {} enables it",
        sanitize(&claims),
        sanitize(&against)
    )
}

fn verified(report: &AuditReport) -> Vec<Line> {
    let mut lines = Vec::new();
    for verified in report.verified.iter().flatten() {
        let (module, outcome) = (sanitize(&verified.module), &verified.outcome);
        if verified.differs() {
            let did = if outcome.switched_on == Some(true) {
                "enabled the GIL"
            } else {
                "left the GIL off"
            };
            let what = format!("{module} {did} when imported, contrary to its verdict");
            lines.push(('!', format!("{what}: report this as a defect of ungil")));
        } else if let (None, Some(error)) = (outcome.switched_on, &outcome.error) {
            lines.push(('?', format!("{module} could not be verified: {}", sanitize(error))));
        }
    }
    lines
}

/// Returns requirements without a wheel, or with a compiled wheel that was not read.
fn requirements(report: &AuditReport) -> Vec<Line> {
    let applying = || applying(report);
    let mut lines: Vec<Line> = applying().filter_map(|one| without_wheel(report, one)).collect();
    let unread: Vec<String> =
        applying().filter(|one| one.gil == WheelStatus::NotRead).map(name_and_version).collect();
    if !unread.is_empty() {
        lines.push(('?', unread_wheels(report, &unread)));
    }
    lines
}

/// Returns the requirements that may apply to the build on this machine.
pub(super) fn applying(report: &AuditReport) -> impl Iterator<Item = &Requirement> {
    report.audit.wanted.iter().filter(|one| one.applies != Some(false))
}

/// Returns the name and version of a requirement, such as `lxml 6.1`.
pub(super) fn name_and_version(one: &Requirement) -> String {
    format!(
        "{} {}",
        sanitize(&one.name),
        sanitize(one.version.as_deref().unwrap_or("(any version)"))
    )
}

/// Describes requirements with compiled wheels that were not read.
pub(super) fn unread_wheels(report: &AuditReport, names: &[String]) -> String {
    format!(
        "{} for {} not read: a wheel does not guarantee that its modules leave the GIL off; \
         install and audit the environment: {}",
        counted(names.len(), "compiled wheel"),
        report.audit.build,
        some_of(names)
    )
}

/// Describes a requirement without a wheel for the build; `None` if it has one.
pub(super) fn without_wheel(report: &AuditReport, one: &Requirement) -> Option<Line> {
    if one.gil != WheelStatus::NoWheel {
        return None;
    }
    let name = name_and_version(one);
    if one.wheels.is_empty() {
        // The index reported this already.
        if report.index.is_some() {
            return None;
        }
        let why = if one.sdist {
            "only its source distribution is listed"
        } else {
            "no wheels are listed; look them up with --index"
        };
        return Some(('?', format!("{name}: {why}")));
    }
    let count = counted(one.wheels.len(), "listed wheel");
    Some(('!', format!("{name}: no wheel for {} among {count}", report.audit.build)))
}

/// Returns the files with the name of an extension module that were not analyzed.
fn skipped(report: &AuditReport, all: bool) -> Vec<Line> {
    let mut files: Vec<&ExtensionFile> = report.audit.skipped().map(|(_, found)| found).collect();
    files.sort_by_key(|found| found.skipped.as_ref().map(|one| one.reason));
    let most = if all { usize::MAX } else { MAX_LINES };
    let line = |found: &&ExtensionFile| {
        let why = found.skipped.as_ref().map_or("", |one| &one.why);
        ('-', format!("{} was not analyzed: {}", sanitize(&found.path), sanitize(why)))
    };
    let mut lines: Vec<Line> = files.iter().take(most).map(line).collect();
    if files.len() > most {
        lines.push((
            '-',
            format!("{} more were not analyzed; list them with --all", files.len() - most),
        ));
    }
    lines
}

/// Counts the files that were not analyzed, by reason; `None` if there are none.
pub(super) fn skipped_count(report: &AuditReport) -> Option<String> {
    let reasons: Vec<SkipReason> = report
        .audit
        .skipped()
        .filter_map(|(_, found)| Some(found.skipped.as_ref()?.reason))
        .collect();
    if reasons.is_empty() {
        return None;
    }
    let kinds = [
        (SkipReason::OtherPlatform, "for another platform"),
        (SkipReason::OtherBuild, "for another build"),
        (SkipReason::NoInit, "without an init function"),
        (SkipReason::NoImportName, "without an importable name"),
    ];
    let counts = kinds.iter().filter_map(|(kind, label)| {
        let count = reasons.iter().filter(|one| *one == kind).count();
        (count > 0).then(|| format!("{count} {label}"))
    });
    let all = counted(reasons.len(), "file");
    Some(format!(
        "{all} with the name of an extension module not analyzed: {}",
        counts.collect::<Vec<_>>().join(", ")
    ))
}

/// Returns the notes of the audit, then those of each distribution.
pub(super) fn all_notes(report: &AuditReport) -> Vec<String> {
    let own = report.audit.notes.iter().map(|note| sanitize(note).into_owned());
    let theirs = report.audit.distributions.iter().flat_map(|one| {
        let name = sanitize(&one.distribution.name);
        one.distribution.notes.iter().map(move |note| format!("{name}: {}", sanitize(note)))
    });
    own.chain(theirs).collect()
}

/// Returns the first notes.
pub(super) fn notes(report: &AuditReport) -> Vec<String> {
    let mut notes = all_notes(report);
    let more = notes.len().saturating_sub(MAX_LINES);
    if more > 0 {
        notes.truncate(MAX_LINES);
        notes.push(format!("{more} more notes in --json"));
    }
    notes
}

/// Joins names, up to a limit.
fn some_of(names: &[String]) -> String {
    let more = names.len().saturating_sub(MAX_LINES);
    let shown = names.iter().take(MAX_LINES).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
