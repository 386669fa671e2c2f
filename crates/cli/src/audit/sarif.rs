//! An audit for code scanning: SARIF 2.1.0.

use super::Report;
use super::table::{name, verdict};
use serde_json::{Value, json};
use std::path::Path;
use ungil_audit::source::{Confidence, Kind};

const SWITCHES: &str = "ungil/gil-switched-on";
const UNKNOWN: &str = "ungil/gil-unknown";

/// The log: one run, with every rule, and a result for each module that is not in order and for each hazard.
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
    rules.extend(Kind::ALL.map(|kind| rule(kind.id(), kind.title(), &kind.help())));
    let modules = report.ordered().into_iter().filter(|(_, found)| found.switches_on() != Some(false));
    let modules = modules.map(|(_, found)| {
        let (id, level) =
            if found.switches_on().is_some() { (SWITCHES, "error") } else { (UNKNOWN, "warning") };
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
        result(hazard.kind.id(), level, &hazard.what, &hazard.file, Some(region))
    });
    let results: Vec<Value> = modules.chain(hazards).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "ungil", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results
        }]
    })
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
