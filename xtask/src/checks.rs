//! Checks of everything that is neither compiled nor run by the tests: Python code, workflows,
//! issue forms, the action, the metadata of the package, and the licenses of the dependencies.
//!
//! The tools are Python packages, `cargo-deny` included, at the versions that
//! `xtask/requirements-checks.txt` pins. None of them needs a network once it is installed.

use crate::{Done, root, run, target};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Vendored schemas of `check-jsonschema`, and the files they apply to.
const SCHEMAS: [(&str, &[&str]); 6] = [
    ("vendor.github-workflows", &[".github/workflows"]),
    ("custom.github-workflows-require-timeout", &[".github/workflows"]),
    ("vendor.github-actions", &["action/action.yml"]),
    ("vendor.dependabot", &[".github/dependabot.yml"]),
    ("vendor.github-issue-config", &[".github/ISSUE_TEMPLATE/config.yml"]),
    ("vendor.github-issue-forms", &[".github/ISSUE_TEMPLATE"]),
];

/// Runs every check and prints a line for each; fails if one of them does.
pub(crate) fn checks() -> Done {
    let tools = Tools::install()?;
    let mut failed = Vec::new();
    let mut check = |name: &str, command: &mut Command| -> Done {
        if !passes(name, command)? {
            failed.push(name.to_owned());
        }
        Ok(())
    };
    check("ruff check", tools.command("ruff").args(["check", "--quiet"]))?;
    check("ruff format", tools.command("ruff").args(["format", "--check", "--quiet"]))?;
    for (schema, paths) in SCHEMAS {
        let mut command = tools.command("check-jsonschema");
        command.args(["--quiet", "--builtin-schema", schema]);
        for path in paths {
            command.args(yaml_files(&root().join(path))?);
        }
        check(&format!("check-jsonschema {schema}"), &mut command)?;
    }
    let zizmor = ["--quiet", "--no-online-audits", "--persona", "pedantic", "."];
    check("zizmor", tools.command("zizmor").args(zizmor))?;
    let distributions = target().join("python/checks-dist");
    let _ = fs::remove_dir_all(&distributions);
    let mut build = tools.python();
    build.args(["-m", "build", "--sdist", "--no-isolation", "--outdir"]).arg(&distributions);
    check("source distribution", build.arg(root().join("python")))?;
    let mut twine = tools.command("twine");
    twine.args(["check", "--strict"]).args(files(&distributions)?);
    // The wheels of the tests, if they are built.
    for folder in files(&target().join("python/wheels")).unwrap_or_default() {
        twine.args(files(&folder)?);
    }
    check("twine check", &mut twine)?;
    let deny = ["--log-level", "error", "--locked", "check", "bans", "licenses", "sources"];
    check("cargo-deny", tools.command("cargo-deny").args(deny))?;
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

/// The folder in which pip installs the tools.
struct Tools(PathBuf);

impl Tools {
    /// Installs the pinned versions, unless they are installed.
    fn install() -> Result<Self, String> {
        let folder = target().join("python/checks");
        let wanted = root().join("xtask/requirements-checks.txt");
        let installed = folder.join("requirements-checks.txt");
        let text = fs::read(&wanted).map_err(|e| format!("{}: {e}", wanted.display()))?;
        if fs::read(&installed).ok().as_ref() != Some(&text) {
            let _ = fs::remove_dir_all(&folder);
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
            pip.args(["--only-binary=:all:", "--target"]).arg(&folder);
            run(pip.arg("--requirement").arg(&wanted))?;
            fs::write(&installed, text).map_err(|e| format!("{}: {e}", installed.display()))?;
        }
        Ok(Self(folder))
    }

    /// Returns a command that runs one of the tools at the root of the repository.
    fn command(&self, tool: &str) -> Command {
        self.environment(Command::new(self.0.join("bin").join(tool)))
    }

    /// Returns a Python that can import the tools.
    fn python(&self) -> Command {
        self.environment(Command::new("python3"))
    }

    fn environment(&self, mut command: Command) -> Command {
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([self.0.join("bin")].into_iter().chain(env::split_paths(&path)));
        command.current_dir(root()).env("PYTHONPATH", &self.0).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("PATH", path.unwrap_or_default());
        command
    }
}

/// Runs a check and prints its result, and its output if it fails.
fn passes(name: &str, command: &mut Command) -> Result<bool, String> {
    let start = Instant::now();
    let output = command.output().map_err(|e| format!("{name}: {e}"))?;
    let seconds = start.elapsed().as_secs_f64();
    let passed = output.status.success();
    println!("{} {name} ({seconds:.1} s)", if passed { "ok    " } else { "FAILED" });
    if !passed {
        print!("{}", String::from_utf8_lossy(&output.stdout));
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(passed)
}

/// Returns the file, or the YAML files of the folder except the configuration of issue forms.
fn yaml_files(path: &Path) -> Result<Vec<PathBuf>, String> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = files(path)?;
    found.retain(|file| file.extension().is_some_and(|e| e == "yml"));
    found.retain(|file| file.file_name().is_some_and(|name| name != "config.yml"));
    Ok(found)
}

/// Returns the entries of a folder, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}
