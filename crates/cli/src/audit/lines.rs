//! Findings as lines, the same for a terminal and for Markdown.

use super::{Report, index};
use crate::sanitize::sanitize;
use ungil_audit::audit::Weighty;
use ungil_audit::claims::Standing;
use ungil_audit::found::{Found, SkipReason};
use ungil_audit::requirements::{Wanted, WheelSays};
use ungil_format::counted;

/// Lines of one kind that are printed; JSON has all.
const MOST: usize = 10;

/// A finding, with the mark that a terminal shows before it: `!` is bad, `?` is not known, `-` is a
/// remark.
pub(super) type Line = (char, String);

/// Everything that has a line of its own; with `all`, also what is in order.
pub(super) fn findings(report: &Report, all: bool) -> Vec<Line> {
    let mut lines = claims(report);
    lines.extend(verified(report));
    lines.extend(wanted(report));
    for answer in report.index.iter().flatten() {
        let (is_bad, words) = index::words(answer, report.audit.build);
        if all || is_bad || answer.newest.is_some() {
            lines.push((if is_bad { '!' } else { '-' }, words));
        }
    }
    lines.extend(skipped(report, all));
    lines
}

fn claims(report: &Report) -> Vec<Line> {
    let broken =
        report.audit.distributions.iter().filter(|one| one.weighed.standing == Standing::Broken);
    broken.map(|one| ('!', claim(one))).collect()
}

/// Says that a distribution does not do what it claims.
pub(super) fn claim(one: &Weighty) -> String {
    let claims = one.weighed.claims.join(" and ");
    let name = sanitize(&one.distribution.name);
    format!("{name} claims to run without the GIL ({}), and does not", sanitize(&claims))
}

fn verified(report: &Report) -> Vec<Line> {
    let mut lines = Vec::new();
    for verified in report.verified.iter().flatten() {
        let (module, outcome) = (sanitize(&verified.module), &verified.outcome);
        if verified.differs() {
            let did = if outcome.switched_on == Some(true) {
                "switched the GIL on"
            } else {
                "left the GIL off"
            };
            lines.push(('!', format!("{module} {did} when it was imported, against the verdict")));
        } else if let (None, Some(error)) = (outcome.switched_on, &outcome.error) {
            lines.push(('?', format!("{module} could not be verified: {}", sanitize(error))));
        }
    }
    lines
}

/// What is wanted on the build and is not known to leave the GIL off: without a wheel, or with one
/// that was not read.
fn wanted(report: &Report) -> Vec<Line> {
    let here = || applying(report);
    let mut lines: Vec<Line> = here().filter_map(|one| without_wheel(report, one)).collect();
    let unread: Vec<String> =
        here().filter(|one| one.gil == WheelSays::NotRead).map(named).collect();
    if !unread.is_empty() {
        lines.push(('?', unread_wheels(report, &unread)));
    }
    lines
}

/// Requirements that may apply to the build on this machine.
pub(super) fn applying(report: &Report) -> impl Iterator<Item = &Wanted> {
    report.audit.wanted.iter().filter(|one| one.applies != Some(false))
}

/// `lxml 6.1`.
pub(super) fn named(one: &Wanted) -> String {
    format!(
        "{} {}",
        sanitize(&one.name),
        sanitize(one.version.as_deref().unwrap_or("(any version)"))
    )
}

/// Says that wheels are no promise, and names their projects.
pub(super) fn unread_wheels(report: &Report, names: &[String]) -> String {
    format!(
        "{} for {} not read, and a wheel is no promise that its modules leave the GIL off; install and audit the \
         environment: {}",
        counted(names.len(), "compiled wheel"),
        report.audit.build,
        some_of(names)
    )
}

/// Says of a project that it has no wheel for the build, if so.
pub(super) fn without_wheel(report: &Report, one: &Wanted) -> Option<Line> {
    if one.gil != WheelSays::NoWheel {
        return None;
    }
    let name = named(one);
    if one.wheels.is_empty() {
        // Then the index has said so.
        if report.index.is_some() {
            return None;
        }
        let why = if one.sdist {
            "only its sources are listed"
        } else {
            "no wheels are listed; --index asks for them"
        };
        return Some(('?', format!("{name}: {why}")));
    }
    let count = counted(one.wheels.len(), "wheel");
    Some(('!', format!("{name}: none of its {count} is for {}", report.audit.build)))
}

/// Files that are named like extension modules and were not judged, each with the reason.
fn skipped(report: &Report, all: bool) -> Vec<Line> {
    let mut files: Vec<&Found> = report.audit.skipped().map(|(_, found)| found).collect();
    files.sort_by_key(|found| found.skipped.as_ref().map(|one| one.reason));
    let most = if all { usize::MAX } else { MOST };
    let line = |found: &&Found| {
        let why = found.skipped.as_ref().map_or("", |one| &one.why);
        ('-', format!("{} was not judged: {}", sanitize(&found.path), sanitize(why)))
    };
    let mut lines: Vec<Line> = files.iter().take(most).map(line).collect();
    if files.len() > most {
        lines.push(('-', format!("{} more were not judged; --all shows them", files.len() - most)));
    }
    lines
}

/// Counts the files that were not judged, by reason; `None` if every one was.
pub(super) fn skipped_count(report: &Report) -> Option<String> {
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
        (SkipReason::NoImportName, "that no import can name"),
    ];
    let counts = kinds.iter().filter_map(|(kind, words)| {
        let count = reasons.iter().filter(|one| *one == kind).count();
        (count > 0).then(|| format!("{count} {words}"))
    });
    let all = counted(reasons.len(), "file");
    Some(format!(
        "{all} named like extension modules not judged: {}",
        counts.collect::<Vec<_>>().join(", ")
    ))
}

/// What was odd or could not be read: of the whole, then of each distribution.
pub(super) fn all_notes(report: &Report) -> Vec<String> {
    let own = report.audit.notes.iter().map(|note| sanitize(note).into_owned());
    let theirs = report.audit.distributions.iter().flat_map(|one| {
        let name = sanitize(&one.distribution.name);
        one.distribution.notes.iter().map(move |note| format!("{name}: {}", sanitize(note)))
    });
    own.chain(theirs).collect()
}

/// The first of them.
pub(super) fn notes(report: &Report) -> Vec<String> {
    let mut notes = all_notes(report);
    let more = notes.len().saturating_sub(MOST);
    if more > 0 {
        notes.truncate(MOST);
        notes.push(format!("{more} more; --json has them"));
    }
    notes
}

/// A list of names, cut to a readable length.
fn some_of(names: &[String]) -> String {
    let more = names.len().saturating_sub(MOST);
    let shown = names.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
