//! `ungil pythons`: lists interpreters and pairs, and installs missing ones.

use crate::args::{Pythons, PythonsCommand};
use crate::error::{CliError, print};
use crate::width::table_width;
use std::process::ExitCode;
use ungil_format::{Align, TextTable};
use ungil_pythons::{Installer, Interpreter, Origin, Search, Survey, install, pairs, survey};

/// Lists or installs interpreters.
pub(crate) fn run(args: &Pythons) -> Result<ExitCode, CliError> {
    let search = Search::from_env();
    match &args.command {
        Some(PythonsCommand::Install { versions, with }) => {
            let how = match with.as_str() {
                "auto" => Installer::Auto,
                "uv" => Installer::Uv,
                "assemble" => Installer::Assemble,
                other => {
                    let what = format!("unknown installer '{other}'");
                    let why = "the installers are auto, uv and assemble";
                    return Err(CliError::usage(what, why, "correct --with"));
                }
            };
            install_all(versions, &search, how)
        }
        None => list(args, &survey(&search)),
    }
}

fn install_all(versions: &[String], search: &Search, how: Installer) -> Result<ExitCode, CliError> {
    for version in versions {
        let done = install(version, search, how, &mut |line| eprintln!("{line}"))
            .map_err(CliError::from_install)?;
        let state = if done.already_there { "is already installed" } else { "installed" };
        print(&format!("{version} {state}: {}\n", done.interpreter.executable.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn list(args: &Pythons, survey: &Survey) -> Result<ExitCode, CliError> {
    let pairs = pairs(&survey.interpreters);
    if args.json {
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
        print("To install a pair: ungil pythons install 3.14 3.14t\n")?;
    }
    if !survey.interpreters.is_empty() {
        let fitted = table(&survey.interpreters).fit(table_width(args.wide));
        print(&format!("{}{}", fitted.text, fitted.note("--wide or --json")))?;
    }
    for pair in &pairs {
        print(&format!("\n{} and {} are a pair", pair.gil.name, pair.free_threaded.name))?;
        match pair.differences.as_slice() {
            [] => print(" with the same build settings.\n")?,
            differences => {
                print(" with different build settings, which can affect a comparison:\n")?;
                differences.iter().try_for_each(|d| print(&format!("  {d}\n")))?;
            }
        }
    }
    if pairs.is_empty() && !survey.interpreters.is_empty() {
        print(
            "\nNo GIL build has a free-threaded twin. To install a pair: ungil pythons install 3.14 3.14t\n",
        )?;
    }
    for rejected in &survey.rejected {
        eprintln!("note: {} is not listed: {}", rejected.path.display(), rejected.why);
    }
    Ok(ExitCode::SUCCESS)
}

fn table(pythons: &[Interpreter]) -> TextTable {
    let column = |cell: &dyn Fn(&Interpreter) -> String| pythons.iter().map(cell).collect();
    let mut table = TextTable::new();
    table.add("name", Align::Left, column(&|p| p.name.clone()));
    let part = |p: &Interpreter, build: bool| {
        let description = p.describe();
        let (version, settings) = description.split_once(", ").unwrap_or((&description, ""));
        if build { settings.to_string() } else { version.to_string() }
    };
    table.add_optional(3, "version", Align::Left, column(&|p| part(p, false)));
    table.add_optional(2, "build", Align::Left, column(&|p| part(p, true)));
    table.add_optional(1, "origin", Align::Left, column(&|p| origin(p.origin).into()));
    table.add("executable", Align::Left, column(&|p| p.executable.display().to_string()));
    table
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Path => "given",
        Origin::Environment => "$UNGIL_PYTHONS",
        Origin::Ungil => "ungil",
        Origin::SearchPath => "PATH",
        Origin::Uv => "uv",
        Origin::Pyenv => "pyenv",
        Origin::Conda => "conda",
        Origin::Debian => "Debian",
    }
}
