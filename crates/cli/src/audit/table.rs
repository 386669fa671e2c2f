//! An audit for a terminal.

use super::verify::Verified;
use super::{Report, lines, ways};
use crate::sanitize::sanitize;
use std::fmt::Write;
use ungil_audit::found::Found;
use ungil_audit::model::Verdict;
use ungil_audit::requirements::WheelSays;
use ungil_audit::source::Confidence;
use ungil_format::counted;

/// All of it: with `all`, also what is in order.
pub(super) fn report(report: &Report, all: bool) -> String {
    let mut text = String::new();
    let mut modules = Vec::new();
    for (distribution, found) in report.ordered() {
        if all || found.switches_on() != Some(false) {
            let of = distribution
                .map(|one| format!("{} {}", sanitize(&one.name), sanitize(&one.version)));
            modules.push([
                sanitize(name(found)).into_owned(),
                verdict(found),
                made(found),
                of.unwrap_or_default(),
            ]);
        }
    }
    columns(&mut text, &modules);
    for line in ways::lines(report) {
        let _ = writeln!(text, "imported by {line}");
    }
    for (mark, line) in lines::findings(report, all) {
        let _ = writeln!(text, "{mark} {line}");
    }
    for hazard in &report.audit.hazards {
        let sure = match hazard.confidence {
            Confidence::High => "high",
            Confidence::Medium => "medium",
            Confidence::Low => "low",
        };
        let file = hazard.file.to_string_lossy();
        let _ = writeln!(
            text,
            "{}:{}: {} ({sure}): {}",
            sanitize(&file),
            hazard.line,
            hazard.kind.id(),
            sanitize(&hazard.what)
        );
        let _ = writeln!(text, "    {}", sanitize(&hazard.instead));
    }
    for note in lines::notes(report) {
        let _ = writeln!(text, "note: {note}");
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text + &summary(report)
}

/// The counts.
pub(super) fn summary(report: &Report) -> String {
    let mut text = String::new();
    // Of requirements alone there is nothing to count yet.
    if report.audit.taken().next().is_some() || report.audit.wanted.is_empty() {
        let _ = writeln!(text, "{}", modules(report));
    }
    for line in [wanted(report), lines::skipped_count(report), verified(report), index(report)]
        .into_iter()
        .flatten()
    {
        let _ = writeln!(text, "{line}");
    }
    if report.audit.sources > 0 {
        let hazards = counted(report.audit.hazards.len(), "hazard");
        let _ = writeln!(text, "{} read: {hazards}", counted(report.audit.sources, "source"));
    }
    if report.interrupted {
        text.push_str("It was interrupted: not all that was asked was done.\n");
    }
    text
}

/// Counts the modules by verdict, or says why having none is no fault.
fn modules(report: &Report) -> String {
    let build = report.audit.build;
    let count =
        |wanted| report.audit.taken().filter(|(_, found)| found.switches_on() == wanted).count();
    let (on, off, unknown) = (count(Some(true)), count(Some(false)), count(None));
    let all = on + off + unknown;
    let modules = format!("{} for {build}", counted(all, "extension module"));
    let distributions = &report.audit.distributions;
    if all > 0 {
        return format!(
            "{modules}: {off} declare that they run without the GIL, {on} switch it on, {unknown} unknown"
        );
    }
    if distributions.is_empty() || report.audit.is_empty() {
        return modules;
    }
    // What an environment requires is in it; what a wheel requires is not.
    let is_open = distributions
        .iter()
        .any(|one| one.distribution.folder.is_none() && !one.distribution.requires.is_empty());
    let rest = if is_open { "; what is required beside was not read" } else { "" };
    format!(
        "{modules}: {} without one, and so nothing that switches the GIL on{rest}",
        counted(distributions.len(), "distribution")
    )
}

/// Counts the wanted projects by what is known of their wheels.
fn wanted(report: &Report) -> Option<String> {
    let build = report.audit.build;
    let count = |says| lines::applying(report).filter(|one| one.gil == says).count();
    let (pure, unread, without) =
        (count(WheelSays::NothingCompiled), count(WheelSays::NotRead), count(WheelSays::NoWheel));
    if report.audit.wanted.is_empty() {
        return None;
    }
    let all = counted(pure + unread + without, "project");
    Some(format!(
        "{all} wanted: {pure} with a wheel without compiled modules, {unread} with a compiled wheel for {build} that was \
         not read, {without} without a wheel for {build}"
    ))
}

/// Summarises the result of importing the modules.
fn verified(report: &Report) -> Option<String> {
    let verified = report.verified.as_ref()?;
    let count = |is: &dyn Fn(&Verified) -> bool| verified.iter().filter(|one| is(one)).count();
    let unseen = count(&|one| one.outcome.switched_on.is_none());
    let agree = count(&|one| one.verdict.is_some() && one.outcome.switched_on == one.verdict);
    let differ = count(&Verified::differs);
    let open = verified.len() - unseen - agree - differ;
    let mut text = format!(
        "{} imported: {agree} as the verdict says, {differ} otherwise",
        counted(verified.len(), "module")
    );
    for (count, words) in [(open, "without a verdict"), (unseen, "not verified")] {
        if count > 0 {
            let _ = write!(text, ", {count} {words}");
        }
    }
    Some(text)
}

/// Summarises the answers of the index.
fn index(report: &Report) -> Option<String> {
    let index = report.index.as_ref()?;
    let build = report.audit.build;
    let silent = index.iter().filter(|answer| super::index::is_silent(answer)).count();
    let bad = index.iter().filter(|answer| super::index::words(answer, build).0).count() - silent;
    let with = index.len() - bad - silent;
    let mut text = format!(
        "{} asked for at the index: {bad} without a wheel for {build}",
        counted(index.len(), "project")
    );
    if silent > 0 {
        let _ = write!(text, ", {silent} without an answer");
    }
    if with > 0 {
        let _ = write!(
            text,
            ", {with} with one, which is no promise that its modules leave the GIL off"
        );
    }
    Some(text)
}

/// What a module is called.
pub(super) fn name(found: &Found) -> &str {
    found.module.as_deref().unwrap_or(&found.path)
}

/// The verdict on a file, in words.
pub(super) fn verdict(found: &Found) -> String {
    match (&found.unreadable, found.judgement()) {
        (Some(why), _) => format!("unknown: {}", sanitize(why)),
        (None, Some(one)) => match &one.verdict {
            Verdict::Declares => "declares".into(),
            Verdict::DoesNotDeclare => "does not declare: switches the GIL on".into(),
            Verdict::SwitchesOn => "asks for the GIL: switches it on".into(),
            Verdict::Unknown(why) => format!("unknown: {}", sanitize(why)),
        },
        (None, None) => "unknown: no module of the file's name is in it".into(),
    }
}

/// What made it.
fn made(found: &Found) -> String {
    let toolchain = found.judgement().and_then(|one| one.toolchain);
    toolchain.map(|one| format!("{one:?}")).unwrap_or_default()
}

fn columns(text: &mut String, rows: &[[String; 4]]) {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    for row in rows {
        let [name, verdict, made, of] = row;
        let line = format!(
            "{name:0$}  {verdict:1$}  {made:2$}  {of}",
            widths[0].min(60),
            widths[1].min(80),
            widths[2]
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
}
