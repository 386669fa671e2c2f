//! The program `ungil`: parses arguments, calls the other crates, prints their results. Each
//! subcommand is one module.

mod args;
mod audit;
mod clean;
mod compare;
mod dump;
mod failure;
mod heap;
mod profile;
mod progress;
mod pythons;
mod report;
mod shell;
mod signals;
mod suite;
mod top;
mod width;

use args::{Cli, Verb};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse_from(shell::without_help_flags(std::env::args_os())) {
        Ok(cli) => cli,
        Err(error) => return failure::Edge::of_arguments(&error),
    };
    let result = match cli.verb {
        Verb::Audit(args) => audit::run(&args),
        Verb::Compare(args) => compare::run(*args),
        Verb::Heap(args) => heap::run(&args),
        Verb::Dump(args) => dump::run(&args),
        Verb::Profile(args) => profile::run(&args),
        Verb::Pythons(args) => pythons::run(&args),
        Verb::Report(args) => report::run(&args),
        Verb::Suite(args) => suite::run(*args),
        Verb::Top(args) => top::run(&args),
        Verb::Completions { shell } => shell::completions(shell),
        Verb::Man { dir } => shell::man(&dir),
        Verb::Phase => shell::phase(),
    };
    result.unwrap_or_else(|error| error.report())
}
