//! The program `ungil`: parses arguments, calls the other crates, prints their results. Each
//! subcommand is one module, and groups of them are features, all of them enabled by default.

// A build with fewer commands leaves some helpers without a user.
#![cfg_attr(
    not(all(
        feature = "audit",
        feature = "live",
        feature = "shell",
        feature = "stress",
        feature = "suite"
    )),
    allow(dead_code, unused_imports)
)]

mod args;
#[cfg(feature = "audit")]
mod audit;
mod compare;
#[cfg(feature = "live")]
mod dump;
mod error;
#[cfg(feature = "live")]
mod heap;
#[cfg(feature = "live")]
mod profile;
mod progress;
mod pythons;
#[cfg(feature = "suite")]
mod report;
mod sanitize;
mod shell;
mod signals;
#[cfg(feature = "stress")]
mod stress;
#[cfg(feature = "suite")]
mod suite;
#[cfg(feature = "live")]
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
        #[cfg(feature = "audit")]
        Command::Audit(args) => audit::run(&args),
        Command::Compare(args) => compare::run(*args),
        #[cfg(feature = "live")]
        Command::Heap(args) => heap::run(&args),
        #[cfg(feature = "live")]
        Command::Dump(args) => dump::run(&args),
        #[cfg(feature = "live")]
        Command::Profile(args) => profile::run(&args),
        Command::Pythons(args) => pythons::run(&args),
        #[cfg(feature = "suite")]
        Command::Report(args) => report::run(&args),
        #[cfg(feature = "stress")]
        Command::Stress(args) => stress::run(&args),
        #[cfg(feature = "suite")]
        Command::Suite(args) => suite::run(*args),
        #[cfg(feature = "live")]
        Command::Top(args) => top::run(&args),
        #[cfg(feature = "shell")]
        Command::Completions { shell } => shell::completions(shell),
        #[cfg(feature = "shell")]
        Command::Man { dir } => shell::man(&dir),
        Command::Phase => shell::phase(),
    };
    result.unwrap_or_else(|error| error.report())
}
