//! Renders an audit as text for a terminal.

use super::verify::Verified;
use super::{AuditReport, columns, findings, import_chains};
use crate::sanitize::sanitize;
use std::fmt::Write;
use ungil_audit::inventory::ExtensionFile;
use ungil_audit::model::Verdict;
use ungil_audit::requirements::WheelStatus;
use ungil_audit::source::Confidence;
use ungil_format::counted;

/// Renders the report. With `all` it includes modules that leave the GIL off.
pub(super) fn report(report: &AuditReport, all: bool) -> String {
    let mut text = String::new();
    let mut rows = Vec::new();
    for (distribution, found) in report.ordered() {
        if all || found.enables_gil() != Some(false) {
            let distribution = distribution
                .map(|one| format!("{} {}", sanitize(&one.name), sanitize(&one.version)));
            rows.push([
                sanitize(name(found)).into_owned(),
                verdict(found),
                distribution.unwrap_or_default(),
                toolchain(found),
            ]);
        }
    }
    columns::write(&mut text, &rows);
    for line in import_chains::lines(report) {
        let _ = writeln!(text, "import chain: {line}");
    }
    for (mark, line) in findings::findings(report, all) {
        let _ = writeln!(text, "{mark} {line}");
    }
    for hazard in &report.audit.hazards {
        let confidence = match hazard.confidence {
            Confidence::High => "high",
            Confidence::Medium => "medium",
            Confidence::Low => "low",
        };
        let file = hazard.file.to_string_lossy();
        let _ = writeln!(
            text,
            "{}:{}: {} ({confidence}): {}",
            sanitize(&file),
            hazard.line,
            hazard.rule.id(),
            sanitize(&hazard.what)
        );
        let _ = writeln!(text, "    help: {}", sanitize(&hazard.instead));
    }
    for note in findings::notes(report) {
        let _ = writeln!(text, "note: {note}");
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text + &summary(report)
}

/// Returns the counts, one line for each kind of result.
pub(super) fn summary(report: &AuditReport) -> String {
    let mut text = String::new();
    // Requirements alone contain no modules.
    if report.audit.importable().next().is_some() || report.audit.wanted.is_empty() {
        let _ = writeln!(text, "{}", modules(report));
    }
    for line in
        [requirements(report), findings::skipped_count(report), verified(report), index(report)]
            .into_iter()
            .flatten()
    {
        let _ = writeln!(text, "{line}");
    }
    if report.audit.sources > 0 {
        let hazards = counted(report.audit.hazards.len(), "hazard");
        let _ = writeln!(text, "{} read: {hazards}", counted(report.audit.sources, "source file"));
    }
    if report.interrupted {
        text.push_str("Interrupted: the results are incomplete.\n");
    }
    text
}

/// Counts the modules by verdict.
fn modules(report: &AuditReport) -> String {
    let build = report.audit.build;
    let count = |effect| {
        report.audit.importable().filter(|(_, found)| found.enables_gil() == effect).count()
    };
    let (on, off, unknown) = (count(Some(true)), count(Some(false)), count(None));
    let all = on + off + unknown;
    let modules = format!("{} for {build}", counted(all, "extension module"));
    let distributions = &report.audit.distributions;
    if all > 0 {
        let keep = if off == 1 { "keeps" } else { "keep" };
        let enable = if on == 1 { "enables" } else { "enable" };
        return format!("{modules}: {off} {keep} the GIL off, {on} {enable} it, {unknown} unknown");
    }
    if distributions.is_empty() || report.audit.is_empty() {
        return modules;
    }
    // The dependencies of an environment are in it; those of a wheel are not.
    let has_unread_dependencies = distributions
        .iter()
        .any(|one| one.distribution.folder.is_none() && !one.distribution.requires.is_empty());
    let rest = if has_unread_dependencies { "; dependencies were not read" } else { "" };
    format!(
        "{modules}: {} without any, so nothing enables the GIL{rest}",
        counted(distributions.len(), "distribution")
    )
}

/// Counts the requirements by what is known about their wheels.
fn requirements(report: &AuditReport) -> Option<String> {
    let build = report.audit.build;
    let count = |status| findings::applying(report).filter(|one| one.gil == status).count();
    let (pure, unread, without) = (
        count(WheelStatus::NothingCompiled),
        count(WheelStatus::NotRead),
        count(WheelStatus::NoWheel),
    );
    if report.audit.wanted.is_empty() {
        return None;
    }
    let all = counted(pure + unread + without, "requirement");
    Some(format!(
        "{all}: {pure} with a pure Python wheel, {unread} with a compiled wheel for {build} (not \
         read), {without} without a wheel for {build}"
    ))
}

/// Counts the results of importing the modules.
fn verified(report: &AuditReport) -> Option<String> {
    let verified = report.verified.as_ref()?;
    let count = |is: &dyn Fn(&Verified) -> bool| verified.iter().filter(|one| is(one)).count();
    let unseen = count(&|one| one.outcome.switched_on.is_none());
    let agree = count(&|one| one.verdict.is_some() && one.outcome.switched_on == one.verdict);
    let differ = count(&Verified::differs);
    let open = verified.len() - unseen - agree - differ;
    let mut text = format!(
        "{} imported: {agree} as predicted, {differ} not as predicted",
        counted(verified.len(), "module")
    );
    for (count, label) in [(open, "without a verdict"), (unseen, "not verified")] {
        if count > 0 {
            let _ = write!(text, ", {count} {label}");
        }
    }
    Some(text)
}

/// Counts the answers of the index.
fn index(report: &AuditReport) -> Option<String> {
    let index = report.index.as_ref()?;
    let build = report.audit.build;
    let silent = index.iter().filter(|answer| super::index::has_no_answer(answer)).count();
    let without =
        index.iter().filter(|answer| super::index::describe(answer, build).0).count() - silent;
    let with = index.len() - without - silent;
    let mut text = format!(
        "{} looked up in the index: {without} without a wheel for {build}",
        counted(index.len(), "project")
    );
    if silent > 0 {
        let _ = write!(text, ", {silent} without an answer");
    }
    if with > 0 {
        let _ = write!(
            text,
            ", {with} with one (which does not guarantee that its modules leave the GIL off)"
        );
    }
    Some(text)
}

/// Returns the name under which a module is reported.
pub(super) fn name(found: &ExtensionFile) -> &str {
    found.module.as_deref().unwrap_or(&found.path)
}

/// Describes the verdict on a file.
pub(super) fn verdict(found: &ExtensionFile) -> String {
    match (&found.unreadable, found.analysis()) {
        (Some(why), _) => format!("unknown: {}", sanitize(why)),
        (None, Some(one)) => match &one.verdict {
            Verdict::Declares => "keeps the GIL off (declared)".into(),
            Verdict::DoesNotDeclare => "enables the GIL (not declared)".into(),
            Verdict::SwitchesOn => "enables the GIL (requests it)".into(),
            Verdict::Unknown(why) => format!("unknown: {}", sanitize(why)),
        },
        (None, None) => "unknown: it contains no module with the name of the file".into(),
    }
}

fn toolchain(found: &ExtensionFile) -> String {
    let toolchain = found.analysis().and_then(|one| one.toolchain);
    toolchain.map(|one| format!("{one:?}")).unwrap_or_default()
}
