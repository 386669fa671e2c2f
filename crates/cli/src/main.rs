//! The program `ungil`: parses arguments, calls the other crates, prints their results. Each
//! subcommand is one module.

mod args;
mod audit;
mod compare;
mod dump;
mod error;
mod heap;
mod profile;
mod progress;
mod pythons;
mod report;
mod sanitize;
mod shell;
mod signals;
mod suite;
mod top;
mod width;

use args::{Cli, Command};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse_from(shell::without_help_flags(std::env::args_os())) {
        Ok(cli) => cli,
        Err(error) => return error::CliError::report_arguments(&error),
    };
    let result = match cli.command {
        Command::Audit(args) => audit::run(&args),
        Command::Compare(args) => compare::run(*args),
        Command::Heap(args) => heap::run(&args),
        Command::Dump(args) => dump::run(&args),
        Command::Profile(args) => profile::run(&args),
        Command::Pythons(args) => pythons::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Suite(args) => suite::run(*args),
        Command::Top(args) => top::run(&args),
        Command::Completions { shell } => shell::completions(shell),
        Command::Man { dir } => shell::man(&dir),
        Command::Phase => shell::phase(),
    };
    result.unwrap_or_else(|error| error.report())
}
