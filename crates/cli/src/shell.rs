//! The commands `completions`, `man` and `phase`.

use crate::args::Cli;
use crate::error::{CliError, print};
use clap::CommandFactory;
use std::ffi::OsString;
use std::process::ExitCode;

/// Removes `-h` and `--help` after the command `help`: clap takes them for unknown subcommands.
pub(crate) fn without_help_flags(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut command = Cli::command();
    let mut args: Vec<OsString> = args.collect();
    let mut at = 1;
    while let Some(next) = args.get(at).and_then(|arg| command.find_subcommand(arg)).cloned() {
        command = next;
        at += 1;
    }
    if command.has_subcommands() && args.get(at).is_some_and(|arg| arg == "help") {
        let is_flag = |arg: &OsString| arg == "-h" || arg == "--help";
        let rest: Vec<OsString> = args.drain(at..).filter(|arg| !is_flag(arg)).collect();
        args.extend(rest);
    }
    args
}

#[cfg(feature = "shell")]
/// Prints the completion script of a shell.
pub(crate) fn completions(shell: clap_complete::Shell) -> Result<ExitCode, CliError> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ungil", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(feature = "shell")]
/// Writes man pages for the program and for each command into `dir`.
pub(crate) fn man(dir: &std::path::Path) -> Result<ExitCode, CliError> {
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(dir)?;
        clap_mangen::generate_to(Cli::command(), dir)
    };
    write().map_err(|e| {
        CliError::failed(
            format!("cannot write man pages to {}", dir.display()),
            e,
            "give a writable folder",
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Prints `ungil_phase.py`.
pub(crate) fn phase() -> Result<ExitCode, CliError> {
    print(ungil_experiment::phase::MODULE)?;
    Ok(ExitCode::SUCCESS)
}
