//! Runs each tool as its users do and converts its output to a common form.

use crate::ObservedModule;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use ungil_bench::install::Installer;
use ungil_bench::{AnyResult, ungil as program};

/// Names of the tools, in the order of the arms.
pub(crate) const NAMES: [&str; 3] = ["ungil audit", "abi3t-doctor env", "ft-readiness --import"];

/// The result of a tool: for each module or, if it does not judge modules, for each package.
pub(crate) enum Findings {
    /// By module: whether it switches the GIL on; `None` if unknown.
    Modules(BTreeMap<String, Option<bool>>),
    /// The packages that the tool reports as blocking.
    Packages(BTreeSet<String>),
}

impl Findings {
    fn finding(&self, module: &ObservedModule) -> Option<bool> {
        match self {
            Findings::Modules(modules) => modules.get(&module.name).copied().flatten(),
            Findings::Packages(packages) => Some(packages.contains(&module.package)),
        }
    }

    /// Returns the counts as cells of a Markdown table.
    pub(crate) fn table_cells(&self, modules: &[ObservedModule]) -> String {
        let count = |finding: Option<bool>, seen: bool| {
            modules
                .iter()
                .filter(|one| one.switches == Some(seen) && self.finding(one) == finding)
                .count()
        };
        let unknown = count(None, true) + count(None, false);
        let (finds, misses, wrong) =
            (count(Some(true), true), count(Some(false), true), count(Some(true), false));
        format!("{finds} | {misses} | {wrong} | {unknown} |")
    }

    /// Returns the packages that the tool is wrong about, with the number of wrong modules.
    pub(crate) fn wrong_packages(&self, modules: &[ObservedModule]) -> Vec<String> {
        let mut counts: BTreeMap<(&str, bool), usize> = BTreeMap::new();
        for one in modules {
            let differs = |(finding, seen): &(bool, bool)| finding != seen;
            if let Some((finding, _)) = self.finding(one).zip(one.switches).filter(differs) {
                *counts.entry((&one.package, finding)).or_default() += 1;
            }
        }
        let words = |finding: bool| if finding { "false" } else { "missed" };
        counts
            .into_iter()
            .map(|((package, finding), n)| format!("{package} ({n} {})", words(finding)))
            .collect()
    }
}

/// Returns the elements of an array; none for any other value.
pub(crate) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Runs `ungil audit` on an environment and returns its JSON report.
pub(crate) fn report(environment: &Path, build: &str) -> AnyResult<Value> {
    json(Command::new(program()?).arg("audit").arg(environment).args(["--for", build, "--json"]))
}

/// Returns the verdicts of `ungil audit`.
pub(crate) fn ungil(environment: &Path, build: &str) -> AnyResult<Findings> {
    let report = report(environment, build)?;
    let found = items(&report["distributions"])
        .flat_map(|one| items(&one["modules"]))
        .chain(items(&report["loose"]));
    let modules = found.filter_map(|one| {
        let name = one["module"].as_str()?;
        let own = items(&one["judgements"])
            .find(|judged| judged["name"].as_str() == name.rsplit('.').next());
        let verdict = own.or_else(|| items(&one["judgements"]).next())?["verdict"].as_str()?;
        let switches = match verdict {
            "declares" => Some(false),
            "unknown" => None,
            _ => Some(true),
        };
        Some((name.to_owned(), switches))
    });
    Ok(Findings::Modules(modules.collect()))
}

/// The other tools, installed in one folder.
pub(crate) struct OtherTools {
    python: PathBuf,
    folder: PathBuf,
}

impl OtherTools {
    /// Installs the tools if they are missing.
    pub(crate) fn new(scratch: &Path, python: &Path) -> AnyResult<OtherTools> {
        let folder = scratch.join("neighbours");
        if !folder.join("bin/ft-readiness").is_file() {
            let tools = ["abi3t-doctor==0.1.0", "ft-readiness==0.1.0"].map(str::to_owned);
            Installer::new(scratch)?.install_all(python, &folder, &tools)?;
        }
        Ok(OtherTools { python: python.to_owned(), folder })
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(&self.python);
        command
            .arg(self.folder.join("bin").join(name))
            .env_remove("PYTHON_GIL")
            .current_dir(&self.folder);
        command
    }

    /// Runs abi3t-doctor on an environment.
    pub(crate) fn abi3t_doctor(&self, environment: &Path, build: &str) -> AnyResult<Findings> {
        let mut command = self.tool("abi3t-doctor");
        command.env("PYTHONPATH", &self.folder).arg("env").arg("--path").arg(environment);
        let report = json(command.args(["--format", "json", "--all", "--target", build]))?;
        let blocking = items(&report["distributions"])
            .filter(|one| one["blocks_migration"].as_bool() == Some(true));
        Ok(Findings::Packages(
            blocking.filter_map(|one| one["name"].as_str()).map(str::to_owned).collect(),
        ))
    }

    /// Runs ft-readiness on each module.
    pub(crate) fn ft_readiness(
        &self,
        environment: &Path,
        modules: &[ObservedModule],
    ) -> AnyResult<Findings> {
        let mut command = self.tool("ft-readiness");
        let path = std::env::join_paths([self.folder.as_path(), environment])?;
        command.env("PYTHONPATH", path).args(["--format", "json"]);
        for module in modules {
            command.args(["--import", &module.name]);
        }
        let report = json(&mut command)?;
        let findings = items(&report["runtime_checks"]).filter_map(|one| {
            let switches = match one["status"].as_str()? {
                "ok" => Some(false),
                "gil_reenabled" => Some(true),
                _ => None,
            };
            Some((one["module"].as_str()?.to_owned(), switches))
        });
        Ok(Findings::Modules(findings.collect()))
    }
}

/// Runs a command and parses its output. The exit code is ignored because it reports findings.
fn json(command: &mut Command) -> AnyResult<Value> {
    let output = command.stdin(Stdio::null()).output()?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let words = String::from_utf8_lossy(&output.stderr);
        format!("{:?} gave no JSON: {}", command.get_program(), words.trim()).into()
    })
}
