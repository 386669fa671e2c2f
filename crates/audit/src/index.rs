//! Which wheels the index has: asked only when the user asks, through the installer the user has,
//! with its settings, mirrors and credentials. ungil knows no index itself.
//!
//! uv writes a lock file of one package, which lists all its wheels. pip says which wheel it would
//! take.

mod ask_all;
mod child;

pub use ask_all::{IndexAnswer, IndexQuery, ask_all};
pub use child::WaitLimit;

use crate::image::Arch;
use crate::requirements::{self, best_wheel};
use crate::tags::WheelName;
use crate::target::{Build, Platform, System};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Whom to ask.
#[derive(Debug, Clone)]
pub enum Installer {
    /// `uv`, by its path.
    Uv(PathBuf),
    /// A Python that has pip, by its path.
    Pip(PathBuf),
}

/// What the index has of one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Available {
    /// The project's name as asked.
    pub name: String,
    /// The version that was found: the one asked for, or the newest for that build.
    pub version: String,
    /// Its wheels. With pip only the one it would take.
    pub wheels: Vec<WheelName>,
    /// The wheel for the wanted build and platform; `None` if there is none.
    #[serde(serialize_with = "crate::tags::as_name")]
    pub wheel: Option<WheelName>,
    /// These are all its wheels for that version of Python and later ones.
    pub complete: bool,
}

/// Why the index gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The installer could not be started.
    #[error("'{}' could not be started: {why}", program.display())]
    Start {
        /// It.
        program: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
    /// It took longer than it was given.
    #[error("it gave no answer in {0:?}")]
    Timeout(Duration),
    /// The user stopped it.
    #[error("it was interrupted")]
    Interrupted,
    /// pip says the same of both.
    #[error("there is no wheel of it for that build, or no such project")]
    NoWheel,
    /// It failed, and said this.
    #[error("{0}")]
    Failed(String),
    /// Its answer was not understood.
    #[error("its answer was not understood: {0}")]
    Unparsable(String),
    /// The name or version cannot be one, and was not passed on.
    #[error("'{0}' is no project's name or version")]
    InvalidName(String),
}

/// Asks which wheels there are of a project, of a version of it or of its newest.
///
/// The child is killed, and all it started, when `wait` ends.
///
/// # Errors
/// [`IndexError`]; what the installer said is passed on.
pub fn ask(
    installer: &Installer,
    name: &str,
    version: Option<&str>,
    build: Build,
    platform: Platform,
    wait: WaitLimit,
) -> Result<Available, IndexError> {
    // It becomes an argument, or a line of a file: it must not be able to be an option or another
    // line.
    let plain = |text: &str| {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '!');
        text.len() <= 200
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(good)
    };
    if let Some(bad) = [Some(name), version].into_iter().flatten().find(|text| !plain(text)) {
        return Err(IndexError::InvalidName(bad.chars().take(100).collect()));
    }
    let wanted = version.map_or_else(|| name.to_owned(), |version| format!("{name}=={version}"));
    match installer {
        Installer::Uv(uv) => ask_uv(uv, name, &wanted, build, platform, wait),
        Installer::Pip(python) => ask_pip(python, name, &wanted, build, platform, wait),
    }
}

fn ask_uv(
    uv: &Path,
    name: &str,
    wanted: &str,
    build: Build,
    platform: Platform,
    wait: WaitLimit,
) -> Result<Available, IndexError> {
    let start = |why| IndexError::Start { program: uv.to_owned(), why };
    let mut input = tempfile::tempfile().map_err(start)?;
    writeln!(input, "{wanted}").and_then(|()| std::io::Seek::rewind(&mut input)).map_err(start)?;
    let mut command = Command::new(uv);
    command.args([
        "--quiet",
        "--color",
        "never",
        "--no-progress",
        "pip",
        "compile",
        "--no-deps",
        "--no-header",
    ]);
    // Of a universal lock no wheel is left out; and uv needs no interpreter for it.
    command.args([
        "--universal",
        "--python-version",
        &build.version(),
        "--format",
        "pylock.toml",
        "-",
    ]);
    let answer = child::run(command, Some(input), wait)?;
    let odd = |why: String| IndexError::Unparsable(why);
    let wants = requirements::lock(&answer, Path::new("pylock.toml"), build, platform);
    let wants = wants.map_err(|error| odd(error.to_string()))?;
    let is_it = |one: &requirements::Requirement| {
        crate::tags::normalize_name(&one.name) == crate::tags::normalize_name(name)
    };
    // A fork of the resolution has another version, for other Pythons.
    let mut all = wants.wanted.into_iter().filter(is_it);
    let first = all.next().ok_or_else(|| odd(format!("'{name}' is not in it")))?;
    let one = all.fold(first, |best, one| if best.applies == Some(true) { best } else { one });
    Ok(Available {
        name: name.to_owned(),
        version: one.version.clone().unwrap_or_default(),
        wheel: one.wheel_for(build, Some(platform)).cloned(),
        wheels: one.wheels,
        complete: true,
    })
}

fn ask_pip(
    python: &Path,
    name: &str,
    wanted: &str,
    build: Build,
    platform: Platform,
    wait: WaitLimit,
) -> Result<Available, IndexError> {
    let start = |why| IndexError::Start { program: python.to_owned(), why };
    let folder = tempfile::tempdir().map_err(start)?;
    let mut command = Command::new(python);
    command.args([
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--no-input",
        "install",
        "--dry-run",
        "--quiet",
    ]);
    command.args([
        "--ignore-installed",
        "--no-deps",
        "--only-binary=:all:",
        "--report",
        "-",
        "--target",
    ]);
    // Nothing is installed; pip demands a folder of its own when it is asked about another Python
    // than its own.
    command.arg(folder.path()).args([
        "--implementation",
        "cp",
        "--python-version",
        &build.version(),
    ]);
    // pip holds Requires-Python against the Python it runs in, not the one it is asked about; the
    // tags decide.
    command.arg("--ignore-requires-python");
    let stable = if build.free_threaded { "abi3t" } else { "abi3" };
    command.args(["--abi", &build.abi(), "--abi", stable, "--abi", "none"]);
    for tag in platform_tags(platform) {
        command.args(["--platform", &tag]);
    }
    let answer = child::run(command.arg(wanted), None, wait);
    let answer = match answer {
        Ok(answer) => answer,
        // This is an answer: no wheel of it is for that build.
        Err(IndexError::Failed(said))
            if said.contains("No matching distribution found")
                && !said.contains("(from versions: none)") =>
        {
            let version =
                wanted.split_once("==").map(|(_, version)| version.to_owned()).unwrap_or_default();
            return Ok(Available {
                name: name.to_owned(),
                version,
                wheels: Vec::new(),
                wheel: None,
                complete: false,
            });
        }
        Err(IndexError::Failed(said)) if said.contains("(from versions: none)") => {
            return Err(IndexError::NoWheel);
        }
        Err(error) => return Err(error),
    };
    let wheels: Vec<WheelName> = wheel_names(&answer);
    let wheel = best_wheel(&wheels, build, Some(platform)).cloned();
    let version = wheels.first().map(|wheel| wheel.version.clone());
    let version =
        version.ok_or_else(|| IndexError::Unparsable("its report names no wheel".to_owned()))?;
    Ok(Available { name: name.to_owned(), version, wheels, wheel, complete: false })
}

/// The wheels whose URLs are in pip's report: strings that end in a wheel's name.
fn wheel_names(report: &str) -> Vec<WheelName> {
    let mut names: Vec<WheelName> = report
        .split('"')
        .filter(|text| text.ends_with(".whl"))
        .filter_map(|url| WheelName::parse(&url.rsplit('/').next()?.replace("%2B", "+")))
        .collect();
    names.dedup();
    names
}

/// Tags that pip takes for a platform. It must be told every one; newer ones are those a wheel may
/// need, older ones what it may have.
fn platform_tags(platform: Platform) -> Vec<String> {
    let arch = match (platform.system, platform.arch) {
        (System::MacOs, Arch::Aarch64) => "arm64",
        (_, Arch::X86_64) => "x86_64",
        (_, Arch::Aarch64) => "aarch64",
    };
    match platform.system {
        System::Linux => {
            let old =
                ["manylinux1", "manylinux2010", "manylinux2014"].map(|tag| format!("{tag}_{arch}"));
            (5..=42).rev().map(|minor| format!("manylinux_2_{minor}_{arch}")).chain(old).collect()
        }
        System::LinuxMusl => {
            (1..=3).rev().map(|minor| format!("musllinux_1_{minor}_{arch}")).collect()
        }
        System::MacOs => {
            let versions = (11..=26)
                .rev()
                .map(|major| format!("{major}_0"))
                .chain(["10_15".to_owned(), "10_9".to_owned()]);
            versions
                .flat_map(|version| {
                    [arch, "universal2"].map(|arch| format!("macosx_{version}_{arch}"))
                })
                .collect()
        }
        System::Windows => {
            vec![if platform.arch == Arch::X86_64 { "win_amd64" } else { "win_arm64" }.to_owned()]
        }
    }
}
