//! An audit for a terminal.

use super::{Report, index, ways};
use crate::clean::clean;
use std::fmt::Write;
use ungil_audit::claims::Standing;
use ungil_audit::found::Found;
use ungil_audit::model::Verdict;
use ungil_audit::source::Confidence;
use ungil_format::counted;

/// Notes that are printed; JSON has all.
const NOTES: usize = 10;

/// All of it: with `all`, also what is in order.
pub(super) fn report(report: &Report, all: bool) -> String {
    let mut text = String::new();
    let mut modules = Vec::new();
    for (distribution, found) in report.ordered() {
        if all || found.switches_on() != Some(false) {
            let of = distribution.map(|one| format!("{} {}", clean(&one.name), clean(&one.version)));
            modules.push([
                clean(name(found)).into_owned(),
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
    for one in &report.audit.distributions {
        if one.weighed.standing == Standing::Broken {
            let claims = one.weighed.claims.join(" and ");
            let name = clean(&one.distribution.name);
            let _ =
                writeln!(text, "! {name} claims to run without the GIL ({}), and does not", clean(&claims));
        }
    }
    for verified in report.verified.iter().flatten() {
        let (module, outcome) = (clean(&verified.module), &verified.outcome);
        if verified.differs() {
            let did =
                if outcome.switched_on == Some(true) { "switched the GIL on" } else { "left the GIL off" };
            let _ = writeln!(text, "! {module} {did} when it was imported, against the verdict");
        } else if let (None, Some(error)) = (outcome.switched_on, &outcome.error) {
            let _ = writeln!(text, "? {module} could not be verified: {}", clean(error));
        }
    }
    wanted(&mut text, report);
    for answer in report.index.iter().flatten() {
        let (is_bad, words) = index::words(answer, report.audit.build);
        if all || is_bad || answer.newest.is_some() {
            let _ = writeln!(text, "{} {words}", if is_bad { "!" } else { "-" });
        }
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
            clean(&file),
            hazard.line,
            hazard.kind.id(),
            clean(&hazard.what)
        );
        let _ = writeln!(text, "    {}", clean(&hazard.instead));
    }
    for note in report.audit.notes.iter().take(NOTES) {
        let _ = writeln!(text, "note: {}", clean(note));
    }
    if let Some(more) = report.audit.notes.len().checked_sub(NOTES).filter(|&more| more > 0) {
        let _ = writeln!(text, "note: {more} more; --json has them");
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text + &summary(report)
}

/// The counts.
pub(super) fn summary(report: &Report) -> String {
    let count = |wanted| report.audit.taken().filter(|(_, found)| found.switches_on() == wanted).count();
    let (on, off, unknown) = (count(Some(true)), count(Some(false)), count(None));
    let build = report.audit.build;
    let mut text = String::new();
    // Of requirements alone there is nothing to count yet.
    if on + off + unknown > 0 || report.audit.wanted.is_empty() {
        let modules = counted(on + off + unknown, "extension module");
        let _ = writeln!(
            text,
            "{modules} for {build}: {off} declare that they run without the GIL, {on} switch it on, {unknown} unknown"
        );
    }
    let wanted = report.audit.wanted.iter().filter(|one| one.applies != Some(false));
    let (with, without): (Vec<_>, Vec<_>) =
        wanted.partition(|one| one.wheel_for(build, ungil_audit::target::Platform::here()).is_some());
    if !(with.is_empty() && without.is_empty()) {
        let all = counted(with.len() + without.len(), "project");
        let _ = writeln!(
            text,
            "{all} wanted: {} with a wheel for {build} listed, {} without",
            with.len(),
            without.len()
        );
    }
    let others = report.audit.modules().filter(|(_, found)| !found.is_taken_by(build)).count();
    if others > 0 {
        let _ = writeln!(text, "{} of other builds, which {build} does not import", counted(others, "file"));
    }
    if let Some(verified) = &report.verified {
        let agree = verified
            .iter()
            .filter(|one| one.verdict.is_some() && one.outcome.switched_on == one.verdict)
            .count();
        let differ = verified.iter().filter(|one| one.differs()).count();
        let _ = writeln!(
            text,
            "{} imported: {agree} as the verdict says, {differ} otherwise",
            counted(verified.len(), "module")
        );
    }
    if let Some(index) = &report.index {
        let bad = index.iter().filter(|answer| index::words(answer, build).0).count();
        let _ = writeln!(
            text,
            "{} asked for at the index: {bad} without a wheel for {build}",
            counted(index.len(), "project")
        );
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

/// What lock files want and have no wheel for.
fn wanted(text: &mut String, report: &Report) {
    let build = report.audit.build;
    let platform = ungil_audit::target::Platform::here();
    for one in report.audit.wanted.iter().filter(|one| one.applies != Some(false)) {
        let version = one.version.as_deref().unwrap_or("(any version)");
        let (name, version) = (clean(&one.name), clean(version));
        if one.wheels.is_empty() {
            // Then the index has said so.
            if report.index.is_some() {
                continue;
            }
            let why = if one.sdist {
                "only its sources are listed"
            } else {
                "no wheels are listed; --index asks for them"
            };
            let _ = writeln!(text, "? {name} {version}: {why}");
        } else if one.wheel_for(build, platform).is_none() {
            let _ = writeln!(
                text,
                "! {name} {version}: none of its {} is for {build}",
                counted(one.wheels.len(), "wheel")
            );
        }
    }
}

/// What a module is called.
pub(super) fn name(found: &Found) -> &str {
    found.module.as_deref().unwrap_or(&found.path)
}

/// The verdict on a file, in words.
pub(super) fn verdict(found: &Found) -> String {
    match (&found.unreadable, found.judgement()) {
        (Some(why), _) => format!("unknown: {}", clean(why)),
        (None, Some(one)) => match &one.verdict {
            Verdict::Declares => "declares".into(),
            Verdict::DoesNotDeclare => "does not declare: switches the GIL on".into(),
            Verdict::SwitchesOn => "asks for the GIL: switches it on".into(),
            Verdict::Unknown(why) => format!("unknown: {}", clean(why)),
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
