//! `ungil pythons`: what is here, what pairs, and getting what is missing.

use crate::args::{Pythons, PythonsCommand};
use crate::error::{CliError, print};
use std::process::ExitCode;
use ungil_pythons::{Installer, Interpreter, Origin, Search, Survey, install, pairs, survey};

/// Lists or installs.
pub(crate) fn run(args: &Pythons) -> Result<ExitCode, CliError> {
    let search = Search::from_env();
    match &args.command {
        Some(PythonsCommand::Install { versions, with }) => {
            let how = match with.as_str() {
                "auto" => Installer::Auto,
                "uv" => Installer::Uv,
                "assemble" => Installer::Assemble,
                other => {
                    let why = format!("'{other}' is none of auto, uv, assemble");
                    return Err(CliError::usage("cannot install that way", why, "correct --with"));
                }
            };
            get(versions, &search, how)
        }
        None => list(args.json, &survey(&search)),
    }
}

fn get(versions: &[String], search: &Search, how: Installer) -> Result<ExitCode, CliError> {
    for version in versions {
        let done = install(version, search, how, &mut |line| eprintln!("{line}"))
            .map_err(CliError::from_install)?;
        let state = if done.already_there { "is already there" } else { "installed" };
        print(&format!("{version} {state}: {}\n", done.interpreter.executable.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn list(json: bool, survey: &Survey) -> Result<ExitCode, CliError> {
    let pairs = pairs(&survey.interpreters);
    if json {
        let rejected: Vec<_> = survey
            .rejected
            .iter()
            .map(|r| serde_json::json!({"path": r.path, "why": r.why}))
            .collect();
        let all = serde_json::json!({
            "schema": "ungil.pythons/1", "interpreters": survey.interpreters, "pairs": pairs, "rejected": rejected,
        });
        print(&format!("{all:#}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if survey.interpreters.is_empty() {
        print(
            "No Python found on PATH, in uv, pyenv, conda, $UNGIL_PYTHONS or ungil's own folder.\n",
        )?;
        print("Get a pair with: ungil pythons install 3.14 3.14t\n")?;
    }
    let width = survey.interpreters.iter().map(|i| i.name.len()).max().unwrap_or(0);
    for python in &survey.interpreters {
        print(&format!("{:width$}  {}\n", python.name, line(python)))?;
    }
    for pair in &pairs {
        print(&format!("\n{} and {} are a pair", pair.gil.name, pair.free_threaded.name))?;
        match pair.differences.as_slice() {
            [] => print(", built alike.\n")?,
            differences => {
                print(
                    ", but were built differently, which alone can be the difference measured:\n",
                )?;
                differences.iter().try_for_each(|d| print(&format!("  {d}\n")))?;
            }
        }
    }
    if pairs.is_empty() && !survey.interpreters.is_empty() {
        print(
            "\nNo GIL build has its free-threaded twin here. Get one with: ungil pythons install 3.14 3.14t\n",
        )?;
    }
    for rejected in &survey.rejected {
        eprintln!("left out {}: {}", rejected.path.display(), rejected.why);
    }
    Ok(ExitCode::SUCCESS)
}

fn line(python: &Interpreter) -> String {
    let from = match python.origin {
        Origin::Path => "given",
        Origin::Environment => "$UNGIL_PYTHONS",
        Origin::Ungil => "ungil",
        Origin::SearchPath => "PATH",
        Origin::Uv => "uv",
        Origin::Pyenv => "pyenv",
        Origin::Conda => "conda",
        Origin::Debian => "Debian",
    };
    format!("{}  [{from}]  {}", python.describe(), python.executable.display())
}
