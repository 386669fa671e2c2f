//! Renders an audit as SARIF 2.1.0 for code scanning.
//!
//! Notes and files that were not analyzed become notifications of the run, so that an empty list of
//! results does not look like a clean audit.

use super::table::name;
use super::{AuditReport, findings};
use serde_json::{Value, json};
use std::path::Path;
use ungil_audit::audit::AuditedDistribution;
use ungil_audit::claims::Standing;
use ungil_audit::inventory::ExtensionFile;
use ungil_audit::model::Verdict;
use ungil_audit::requirements::{Requirement, WheelStatus};
use ungil_audit::source::{Confidence, Rule};

const SWITCHES: &str = "ungil/gil-switched-on";
const UNKNOWN: &str = "ungil/gil-unknown";
const CLAIM: &str = "ungil/claim-broken";
const NO_WHEEL: &str = "ungil/no-wheel";
const NOT_READ: &str = "ungil/wheel-not-read";

/// Returns a log with one run: all rules, and a result for each module that enables the GIL or is
/// unknown, each hazard, each broken claim, and each requirement without a known effect.
pub(super) fn report(report: &AuditReport) -> Value {
    let mut rules = vec![
        rule(
            SWITCHES,
            "Extension module that enables the GIL",
            "Importing it enables the GIL for the whole process, so threads no longer run in \
             parallel. Update or replace the package, or import it only where it is needed.",
        ),
        rule(
            UNKNOWN,
            "Extension module with an unknown effect on the GIL",
            "The binary does not show whether importing it enables the GIL. Run the audit with \
             --verify to import it and see.",
        ),
    ];
    rules.push(rule(
        CLAIM,
        "Distribution that contradicts its claim to run without the GIL",
        "Its classifier or wheel tag claims that it runs without the GIL, but one of its modules \
         enables it. AuditReport this to its maintainers.",
    ));
    rules.push(rule(
        NO_WHEEL,
        "Requirement without a wheel for the build",
        "No wheel for the free-threaded build is listed, so nothing is known about its modules. \
         Install it and audit the environment, or look for another version with --index.",
    ));
    rules.push(rule(
        NOT_READ,
        "Requirement with a compiled wheel that was not read",
        "A wheel for a free-threaded build does not guarantee that its modules leave the GIL off. \
         Install the requirements and audit the environment.",
    ));
    rules.extend(Rule::ALL.map(|one| rule(one.id(), one.title(), &one.help())));
    let modules =
        report.ordered().into_iter().filter(|(_, found)| found.enables_gil() != Some(false));
    let modules = modules.map(|(_, found)| {
        let (id, level) =
            if found.enables_gil().is_some() { (SWITCHES, "error") } else { (UNKNOWN, "warning") };
        result(id, level, &message(found), &found.file, None)
    });
    let hazards = report.audit.hazards.iter().map(|hazard| {
        let level = match hazard.confidence {
            Confidence::High => "error",
            Confidence::Medium => "warning",
            Confidence::Low => "note",
        };
        let region = json!({
            "startLine": hazard.line,
            "startColumn": hazard.column,
            "endLine": hazard.end.0,
            "endColumn": hazard.end.1
        });
        result(hazard.rule.id(), level, &hazard.what, &hazard.file, Some(region))
    });
    let mut results: Vec<Value> = modules.chain(hazards).collect();
    results.extend(claims(report));
    results.extend(requirements(report));
    let skipped = report.audit.skipped().map(|(_, found)| {
        let why = found.skipped.as_ref().map_or("", |one| &one.why);
        notification("note", &format!("not analyzed: {why}"), Some(&found.file))
    });
    let notes =
        findings::all_notes(report).into_iter().map(|note| notification("warning", &note, None));
    let notifications: Vec<Value> = notes.chain(skipped).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {"name": "ungil", "version": env!("CARGO_PKG_VERSION"), "rules": rules}
            },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": !report.interrupted && !report.audit.is_empty(),
                "toolExecutionNotifications": notifications
            }],
            "results": results
        }]
    })
}

/// Describes a module that enables the GIL or has an unknown effect.
fn message(found: &ExtensionFile) -> String {
    let name = name(found);
    let unknown = |why: &str| format!("It is unknown whether {name} enables the GIL: {why}.");
    let enables = |why: &str| format!("Importing {name} enables the GIL: {why}.");
    match (&found.unreadable, found.analysis().map(|one| &one.verdict)) {
        (Some(why), _) | (None, Some(Verdict::Unknown(why))) => unknown(why),
        (None, Some(Verdict::SwitchesOn)) => enables("it requests the GIL (Py_MOD_GIL_USED)"),
        (None, Some(_)) => enables("it does not declare that it runs without it"),
        (None, None) => unknown("it contains no module with the name of the file"),
    }
}

/// Returns a result for each broken claim, located at the module that breaks it.
fn claims(report: &AuditReport) -> Vec<Value> {
    let broken = report
        .audit
        .distributions
        .iter()
        .filter(|one| one.claim_check.standing == Standing::Broken);
    let at = |one: &AuditedDistribution| {
        let mut modules = one.distribution.modules.iter();
        let module =
            modules.find(|found| found.skipped.is_none() && found.enables_gil() == Some(true))?;
        Some(result(CLAIM, "error", &findings::claim(one), &module.file, None))
    };
    broken.filter_map(at).collect()
}

/// Returns a result for each requirement without a wheel, and one for each file with compiled
/// wheels that were not read.
fn requirements(report: &AuditReport) -> Vec<Value> {
    let region = |one: &Requirement| one.line.map(|line| json!({ "startLine": line }));
    let mut results: Vec<Value> = findings::applying(report)
        .filter_map(|one| Some((one, findings::without_wheel(report, one)?.1)))
        .map(|(one, message)| result(NO_WHEEL, "warning", &message, &one.file, region(one)))
        .collect();
    let unread: Vec<&Requirement> =
        findings::applying(report).filter(|one| one.gil == WheelStatus::NotRead).collect();
    for of_file in unread.chunk_by(|a, b| a.file == b.file) {
        let names: Vec<String> =
            of_file.iter().map(|one| findings::name_and_version(one)).collect();
        let message = findings::unread_wheels(report, &names);
        results.extend(
            of_file.first().map(|one| result(NOT_READ, "note", &message, &one.file, region(one))),
        );
    }
    results
}

/// Returns a notification about the run itself.
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
    let mut location = json!({"artifactLocation": {"uri": uri(file)}});
    if let Some(region) = region {
        location["region"] = region;
    }
    json!({
        "ruleId": id,
        "level": level,
        "message": {"text": message},
        "locations": [{"physicalLocation": location}]
    })
}

/// Returns a path as a URI reference. Relative paths stay relative, as code scanning requires.
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
