//! The tools, each run as its users run it, and what each says put in the same words.

use crate::Module;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use ungil_bench::install::Installer;
use ungil_bench::{Any, ungil as program};

/// Their names, in the order of the arms.
pub(crate) const NAMES: [&str; 3] = ["ungil audit", "abi3t-doctor env", "ft-readiness --import"];

/// What a tool says: of each module or, if it judges no modules, of each package.
pub(crate) enum Said {
    /// By module: it switches the GIL on, or not, or that is unknown.
    Modules(BTreeMap<String, Option<bool>>),
    /// The packages that it says stand in the way.
    Packages(BTreeSet<String>),
}

impl Said {
    fn of(&self, module: &Module) -> Option<bool> {
        match self {
            Said::Modules(modules) => modules.get(&module.name).copied().flatten(),
            Said::Packages(packages) => Some(packages.contains(&module.package)),
        }
    }

    /// Cells of a table.
    pub(crate) fn against(&self, modules: &[Module]) -> String {
        let count = |said: Option<bool>, seen: bool| {
            modules.iter().filter(|one| one.switches == Some(seen) && self.of(one) == said).count()
        };
        let unknown = count(None, true) + count(None, false);
        let (finds, misses, wrong) =
            (count(Some(true), true), count(Some(false), true), count(Some(true), false));
        format!("{finds} | {misses} | {wrong} | {unknown} |")
    }

    /// The packages it is wrong about, and how often.
    pub(crate) fn wrong(&self, modules: &[Module]) -> Vec<String> {
        let mut counts: BTreeMap<(&str, bool), usize> = BTreeMap::new();
        for one in modules {
            let differs = |(said, seen): &(bool, bool)| said != seen;
            if let Some((said, _)) = self.of(one).zip(one.switches).filter(differs) {
                *counts.entry((&one.package, said)).or_default() += 1;
            }
        }
        let words = |said: bool| if said { "false" } else { "missed" };
        counts
            .into_iter()
            .map(|((package, said), n)| format!("{package} ({n} {})", words(said)))
            .collect()
    }
}

/// The members of an array, if it is one.
pub(crate) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// What `ungil audit` says of an environment.
pub(crate) fn report(environment: &Path, build: &str) -> Any<Value> {
    json(Command::new(program()?).arg("audit").arg(environment).args(["--for", build, "--json"]))
}

/// Its verdicts.
pub(crate) fn ungil(environment: &Path, build: &str) -> Any<Said> {
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
    Ok(Said::Modules(modules.collect()))
}

/// Where the others are installed.
pub(crate) struct Neighbours {
    python: PathBuf,
    folder: PathBuf,
}

impl Neighbours {
    /// Installs them once.
    pub(crate) fn new(scratch: &Path, python: &Path) -> Any<Neighbours> {
        let folder = scratch.join("neighbours");
        if !folder.join("bin/ft-readiness").is_file() {
            let tools = ["abi3t-doctor==0.1.0", "ft-readiness==0.1.0"].map(str::to_owned);
            Installer::new(scratch)?.together(python, &folder, &tools)?;
        }
        Ok(Neighbours { python: python.to_owned(), folder })
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(&self.python);
        command
            .arg(self.folder.join("bin").join(name))
            .env_remove("PYTHON_GIL")
            .current_dir(&self.folder);
        command
    }

    /// What abi3t-doctor says of an environment.
    pub(crate) fn abi3t_doctor(&self, environment: &Path, build: &str) -> Any<Said> {
        let mut command = self.tool("abi3t-doctor");
        command.env("PYTHONPATH", &self.folder).arg("env").arg("--path").arg(environment);
        let report = json(command.args(["--format", "json", "--all", "--target", build]))?;
        let blocking = items(&report["distributions"])
            .filter(|one| one["blocks_migration"].as_bool() == Some(true));
        Ok(Said::Packages(
            blocking.filter_map(|one| one["name"].as_str()).map(str::to_owned).collect(),
        ))
    }

    /// What ft-readiness says of each module.
    pub(crate) fn ft_readiness(&self, environment: &Path, modules: &[Module]) -> Any<Said> {
        let mut command = self.tool("ft-readiness");
        let path = std::env::join_paths([self.folder.as_path(), environment])?;
        command.env("PYTHONPATH", path).args(["--format", "json"]);
        for module in modules {
            command.args(["--import", &module.name]);
        }
        let report = json(&mut command)?;
        let said = items(&report["runtime_checks"]).filter_map(|one| {
            let switches = match one["status"].as_str()? {
                "ok" => Some(false),
                "gil_reenabled" => Some(true),
                _ => None,
            };
            Some((one["module"].as_str()?.to_owned(), switches))
        });
        Ok(Said::Modules(said.collect()))
    }
}

/// Runs it; its exit code says what it found, so only what it prints is asked for.
fn json(command: &mut Command) -> Any<Value> {
    let output = command.stdin(Stdio::null()).output()?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let words = String::from_utf8_lossy(&output.stderr);
        format!("{:?} gave no JSON: {}", command.get_program(), words.trim()).into()
    })
}
