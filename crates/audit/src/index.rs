//! Looks up wheels in the package index, only on request, through the user's installer with its
//! settings, mirrors and credentials. ungil contacts no index itself.
//!
//! uv writes a lock file for one package, which lists all its wheels. pip reports only the wheel
//! that it would install.

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

/// The installer to use.
#[derive(Debug, Clone)]
pub enum Installer {
    /// Path of `uv`.
    Uv(PathBuf),
    /// Path of a Python with pip.
    Pip(PathBuf),
}

/// Wheels of one version in the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Available {
    /// Name of the project, as requested.
    pub name: String,
    /// The requested version, or the newest for the build.
    pub version: String,
    /// Its wheels; with pip only the one it would install.
    pub wheels: Vec<WheelName>,
    /// The wheel for the build and platform, if there is one.
    #[serde(serialize_with = "crate::tags::as_name")]
    pub wheel: Option<WheelName>,
    /// `wheels` lists all wheels for that version of Python and later ones.
    pub complete: bool,
}

/// Why the index gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The installer could not be started.
    #[error("'{}' could not be started: {why}", program.display())]
    Start { program: PathBuf, why: std::io::Error },
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The user interrupted it.
    #[error("interrupted")]
    Interrupted,
    /// pip does not distinguish the two.
    #[error("no such project, or no wheel for that build")]
    NoWheel,
    /// It failed, with its own message.
    #[error("{0}")]
    Failed(String),
    /// Its output was not understood.
    #[error("unexpected output of the installer: {0}")]
    Unparsable(String),
    /// The name or version is invalid and was not passed on.
    #[error("'{0}' is not a valid project name or version")]
    InvalidName(String),
}

/// Looks up the wheels of a project, for one version or the newest.
///
/// The installer and all its children are killed when `wait` expires.
///
/// # Errors
///
/// [`IndexError`], with the message of the installer.
pub fn ask(
    installer: &Installer,
    name: &str,
    version: Option<&str>,
    build: Build,
    platform: Platform,
    wait: WaitLimit,
) -> Result<Available, IndexError> {
    // It becomes a command-line argument or a line of a file, so it must not contain an option or
    // another line.
    let is_valid = |text: &str| {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '!');
        text.len() <= 200
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(good)
    };
    if let Some(bad) = [Some(name), version].into_iter().flatten().find(|text| !is_valid(text)) {
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
    // A universal lock file lists all wheels, and uv needs no interpreter for it.
    command.args([
        "--universal",
        "--python-version",
        &build.version(),
        "--format",
        "pylock.toml",
        "-",
    ]);
    let answer = child::run(command, Some(input), wait)?;
    let unparsable = |why: String| IndexError::Unparsable(why);
    let requirements = requirements::lock(&answer, Path::new("pylock.toml"), build, platform);
    let requirements = requirements.map_err(|error| unparsable(error.to_string()))?;
    let is_it = |one: &requirements::Requirement| {
        crate::tags::normalize_name(&one.name) == crate::tags::normalize_name(name)
    };
    // A forked resolution has other versions for other Pythons.
    let mut all = requirements.wanted.into_iter().filter(is_it);
    let first = all.next().ok_or_else(|| unparsable(format!("'{name}' is missing from it")))?;
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
    // Nothing is installed, but pip requires a target folder when it resolves for another Python
    // than its own.
    command.arg(folder.path()).args([
        "--implementation",
        "cp",
        "--python-version",
        &build.version(),
    ]);
    // pip compares Requires-Python with its own Python instead of the requested one; the tags
    // decide.
    command.arg("--ignore-requires-python");
    let stable = if build.free_threaded { "abi3t" } else { "abi3" };
    command.args(["--abi", &build.abi(), "--abi", stable, "--abi", "none"]);
    for tag in platform_tags(platform) {
        command.args(["--platform", &tag]);
    }
    let answer = child::run(command.arg(wanted), None, wait);
    let answer = match answer {
        Ok(answer) => answer,
        // pip found the project but no wheel for the build.
        Err(IndexError::Failed(message))
            if message.contains("No matching distribution found")
                && !message.contains("(from versions: none)") =>
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
        Err(IndexError::Failed(message)) if message.contains("(from versions: none)") => {
            return Err(IndexError::NoWheel);
        }
        Err(error) => return Err(error),
    };
    let wheels: Vec<WheelName> = wheel_names(&answer);
    let wheel = best_wheel(&wheels, build, Some(platform)).cloned();
    let version = wheels.first().map(|wheel| wheel.version.clone());
    let version =
        version.ok_or_else(|| IndexError::Unparsable("its report lists no wheel".to_owned()))?;
    Ok(Available { name: name.to_owned(), version, wheels, wheel, complete: false })
}

/// Returns the wheels in pip's report: strings that end in a wheel's name.
fn wheel_names(report: &str) -> Vec<WheelName> {
    let mut names: Vec<WheelName> = report
        .split('"')
        .filter(|text| text.ends_with(".whl"))
        .filter_map(|url| WheelName::parse(&url.rsplit('/').next()?.replace("%2B", "+")))
        .collect();
    names.dedup();
    names
}

/// Returns the platform tags to pass to pip, which needs every one: newer tags that a wheel may
/// require, and older ones that it may have.
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
