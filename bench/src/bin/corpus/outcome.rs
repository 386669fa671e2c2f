//! Checks one package on one build: installs it, audits it and imports its modules.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use ungil_bench::corpus::Package;
use ungil_bench::install::{Installed, Installer};
use ungil_bench::{AnyResult, ungil};

/// The result of a package on a build.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) build: String,
    pub(crate) what: PackageStatus,
}

/// How far the check of a package got. The variant names are part of the kept files.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum PackageStatus {
    /// The index has no wheel for this build.
    NoWheel,
    /// Why it could not be installed.
    Failed(String),
    /// The package was audited.
    Audited {
        /// Python and ABI tags of its wheel.
        tags: String,
        /// Extension modules.
        modules: Vec<CheckedModule>,
        /// Why its dependencies could not be installed.
        missing: Option<String>,
    },
}

/// An extension module. The field names are part of the kept files.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CheckedModule {
    /// Dotted name.
    pub(crate) name: String,
    /// Whether it switches the GIL on, according to the audit; `None` if unknown.
    pub(crate) verdict: Option<bool>,
    /// Why the verdict is unknown.
    pub(crate) because: Option<String>,
    /// Whether importing it switched the GIL on; `None` if it could not be imported.
    pub(crate) seen: Option<bool>,
    /// Why it could not be imported.
    pub(crate) error: Option<String>,
}

impl Outcome {
    /// Returns the modules; none unless the package was audited.
    pub(crate) fn modules(&self) -> &[CheckedModule] {
        match &self.what {
            PackageStatus::Audited { modules, .. } => modules,
            _ => &[],
        }
    }

    /// Returns a few words for the progress output.
    pub(crate) fn summary(&self) -> String {
        let differ = self.modules().iter().filter(|one| one.differs()).count();
        let unseen = self.modules().iter().filter(|one| one.seen.is_none()).count();
        match &self.what {
            PackageStatus::NoWheel => "no wheel".into(),
            PackageStatus::Failed(why) => why.clone(),
            PackageStatus::Audited { modules, .. } => {
                format!("{} modules, {differ} differ, {unseen} not imported", modules.len())
            }
        }
    }
}

impl CheckedModule {
    /// Returns whether the verdict matches the import.
    pub(crate) fn agrees(&self) -> bool {
        self.verdict.is_some() && self.verdict == self.seen
    }

    /// Returns whether verdict and import are both known and differ.
    pub(crate) fn differs(&self) -> bool {
        self.verdict.zip(self.seen).is_some_and(|(verdict, seen)| verdict != seen)
    }
}

/// Installs a package, audits it and imports its modules.
pub(crate) fn measure(
    package: &Package,
    build: &str,
    python: &Path,
    installer: &Installer,
) -> AnyResult<Outcome> {
    let what = match installer.install(package, build, python)? {
        Installed::NoWheel => PackageStatus::NoWheel,
        Installed::Failed(why) => PackageStatus::Failed(why),
        Installed::Done { own, others, missing } => {
            let mut audit = Command::new(ungil()?);
            audit
                .arg("audit")
                .arg(&own)
                .args(["--for", build, "--verify", "--json", "--python"])
                .arg(python);
            let output = audit.env("PYTHONPATH", others).output()?;
            if !output.status.success() {
                let words = String::from_utf8_lossy(&output.stderr);
                return Err(format!("ungil audit of {} failed: {words}", package.name).into());
            }
            let report: Value = serde_json::from_slice(&output.stdout)?;
            PackageStatus::Audited { tags: tags(&report), modules: modules(&report, &own), missing }
        }
    };
    installer.remove(package, build)?;
    let (name, version) = (package.name.clone(), package.version.clone());
    Ok(Outcome { name, version, build: build.into(), what })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Returns the tags, such as `cp314-cp314t` or `cp315-abi3.abi3t`.
fn tags(report: &Value) -> String {
    let Some(distribution) = items(&report["distributions"]).next() else { return String::new() };
    let mut parts: Vec<(String, Vec<String>)> = Vec::new();
    for tag in items(&distribution["wheel_tags"]).filter_map(Value::as_str) {
        let mut words = tag.split('-').map(str::to_owned);
        let (python, abi) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match parts.iter_mut().find(|(known, _)| *known == python) {
            Some((_, abis)) if abis.contains(&abi) => {}
            Some((_, abis)) => abis.push(abi),
            None => parts.push((python, vec![abi])),
        }
    }
    let parts: Vec<String> =
        parts.iter().map(|(python, abis)| format!("{python}-{}", abis.join("."))).collect();
    parts.join(", ")
}

/// Returns the modules that the build would import, with verdict and observed behaviour.
fn modules(report: &Value, own: &Path) -> Vec<CheckedModule> {
    // Paths are removed, so that the table is the same on every machine.
    let folder = format!("{}/", own.display());
    let found = items(&report["distributions"]).flat_map(|one| items(&one["modules"]));
    let found: Vec<&Value> = found.chain(items(&report["loose"])).collect();
    let verified = items(&report["verified"]).map(|seen| {
        let name = text(&seen["module"]);
        let verdict = seen["verdict"].as_bool();
        let because = || {
            let one = found.iter().find(|one| one["file"] == seen["file"])?;
            let last = name.rsplit('.').next();
            let judged = items(&one["judgements"]).find(|judged| judged["name"].as_str() == last);
            let judged = judged.or_else(|| items(&one["judgements"]).next());
            let because = judged.map_or(&one["unreadable"], |judged| &judged["because"]);
            Some(because.as_str().unwrap_or("no reason is given").to_owned())
        };
        CheckedModule {
            verdict,
            because: if verdict.is_none() { because() } else { None },
            seen: seen["switched_on"].as_bool(),
            error: seen["error"].as_str().map(|words| words.replace(&folder, "")),
            name,
        }
    });
    verified.collect()
}
