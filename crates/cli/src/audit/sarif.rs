//! An audit for code scanning: SARIF 2.1.0. What was not judged or not read is in the run's
//! notifications: an empty list of results must not read as a clean bill.

use super::table::{name, verdict};
use super::{Report, findings};
use serde_json::{Value, json};
use std::path::Path;
use ungil_audit::audit::AuditedDistribution;
use ungil_audit::claims::Standing;
use ungil_audit::requirements::{Requirement, WheelStatus};
use ungil_audit::source::{Confidence, Rule};

const SWITCHES: &str = "ungil/gil-switched-on";
const UNKNOWN: &str = "ungil/gil-unknown";
const CLAIM: &str = "ungil/claim-broken";
const NO_WHEEL: &str = "ungil/no-wheel";
const NOT_READ: &str = "ungil/wheel-not-read";

/// The log: one run, with every rule, and a result for each module that is not in order, each
/// hazard, each broken claim, and what lock files leave open.
pub(super) fn report(report: &Report) -> Value {
    let mut rules = vec![
        rule(
            SWITCHES,
            "Extension module that switches the GIL on",
            "Importing it switches the GIL on for the whole process.",
        ),
        rule(
            UNKNOWN,
            "Extension module whose effect on the GIL is unknown",
            "It could not be told from the binary.",
        ),
    ];
    rules.push(rule(
        CLAIM,
        "Distribution whose claim to run without the GIL is broken",
        "It claims to run without the GIL, and one of its modules switches the GIL on.",
    ));
    rules.push(rule(
        NO_WHEEL,
        "Requirement without a wheel for the build",
        "No wheel for the free-threaded build is listed, so nothing is known of its modules.",
    ));
    rules.push(rule(
        NOT_READ,
        "Requirements whose compiled wheels were not read",
        "A wheel for a free-threaded build is no promise that its modules leave the GIL off. Audit the installed environment.",
    ));
    rules.extend(Rule::ALL.map(|one| rule(one.id(), one.title(), &one.help())));
    let modules =
        report.ordered().into_iter().filter(|(_, found)| found.enables_gil() != Some(false));
    let modules = modules.map(|(_, found)| {
        let (id, level) =
            if found.enables_gil().is_some() { (SWITCHES, "error") } else { (UNKNOWN, "warning") };
        result(id, level, &format!("{}: {}", name(found), verdict(found)), &found.file, None)
    });
    let hazards = report.audit.hazards.iter().map(|hazard| {
        let level = match hazard.confidence {
            Confidence::High => "error",
            Confidence::Medium => "warning",
            Confidence::Low => "note",
        };
        let region = json!({
            "startLine": hazard.line, "startColumn": hazard.column, "endLine": hazard.end.0, "endColumn": hazard.end.1
        });
        result(hazard.rule.id(), level, &hazard.what, &hazard.file, Some(region))
    });
    let mut results: Vec<Value> = modules.chain(hazards).collect();
    results.extend(claims(report));
    results.extend(wanted(report));
    let skipped = report.audit.skipped().map(|(_, found)| {
        let why = found.skipped.as_ref().map_or("", |one| &one.why);
        notification("note", &format!("not judged: {why}"), Some(&found.file))
    });
    let notes =
        findings::all_notes(report).into_iter().map(|note| notification("warning", &note, None));
    let notifications: Vec<Value> = notes.chain(skipped).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "ungil", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": !report.interrupted && !report.audit.is_empty(),
                "toolExecutionNotifications": notifications
            }],
            "results": results
        }]
    })
}

/// A result for each claim that a module breaks, at that module.
fn claims(report: &Report) -> Vec<Value> {
    let broken = report
        .audit
        .distributions
        .iter()
        .filter(|one| one.claim_check.standing == Standing::Broken);
    let at = |one: &AuditedDistribution| {
        let mut modules = one.distribution.modules.iter();
        let bad =
            modules.find(|found| found.skipped.is_none() && found.enables_gil() == Some(true))?;
        Some(result(CLAIM, "error", &findings::claim(one), &bad.file, None))
    };
    broken.filter_map(at).collect()
}

/// A result for each requirement without a wheel, and one for each file whose compiled wheels were
/// not read.
fn wanted(report: &Report) -> Vec<Value> {
    let region = |one: &Requirement| one.line.map(|line| json!({ "startLine": line }));
    let mut results: Vec<Value> = findings::applying(report)
        .filter_map(|one| Some((one, findings::without_wheel(report, one)?.1)))
        .map(|(one, words)| result(NO_WHEEL, "warning", &words, &one.file, region(one)))
        .collect();
    let unread: Vec<&Requirement> =
        findings::applying(report).filter(|one| one.gil == WheelStatus::NotRead).collect();
    for of_file in unread.chunk_by(|a, b| a.file == b.file) {
        let names: Vec<String> = of_file.iter().map(|one| findings::named(one)).collect();
        let words = findings::unread_wheels(report, &names);
        results.extend(
            of_file.first().map(|one| result(NOT_READ, "note", &words, &one.file, region(one))),
        );
    }
    results
}

/// Something that the tool has to say of its own work.
fn notification(level: &str, message: &str, file: Option<&Path>) -> Value {
    let mut value = json!({"level": level, "message": {"text": message}});
    if let Some(file) = file {
        value["locations"] =
            json!([{"physicalLocation": {"artifactLocation": {"uri": uri(file)}}}]);
    }
    value
}

fn rule(id: &str, title: &str, help: &str) -> Value {
    json!({"id": id, "shortDescription": {"text": title}, "help": {"text": help}})
}

fn result(id: &str, level: &str, message: &str, file: &Path, region: Option<Value>) -> Value {
    let mut place = json!({"artifactLocation": {"uri": uri(file)}});
    if let Some(region) = region {
        place["region"] = region;
    }
    json!({"ruleId": id, "level": level, "message": {"text": message}, "locations": [{"physicalLocation": place}]})
}

/// A path as a URI reference: relative ones stay relative, as code scanning wants them.
fn uri(file: &Path) -> String {
    let text = file.to_string_lossy();
    let text = text.strip_prefix("./").unwrap_or(&text);
    let mut uri = String::from(if file.is_absolute() { "file://" } else { "" });
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                uri.push(byte.into())
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
