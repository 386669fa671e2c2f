//! Arguments of `ungil report`.

use clap::{Args, ValueEnum, ValueHint};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(
    after_help = "Two records or two folders are compared with each other. One folder, or more than two records, are shown one after the other.\n\nExit codes: 0 success, 1 a record cannot be read or the report cannot be written, 2 usage error."
)]
pub(crate) struct Report {
    /// Records, or folders of records (*.jsonl).
    #[arg(value_name = "RECORD", required = true, value_hint = ValueHint::AnyPath)]
    pub(crate) records: Vec<PathBuf>,

    /// Output file (for svg a folder); `-` is standard output (default: RECORD.html next to the
    /// record, or report.html in the folder; svg: RECORD-charts; md and csv: standard output).
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub(crate) output: Option<PathBuf>,

    /// Output format (default: by the extension of FILE, or html).
    #[arg(long, value_enum)]
    pub(crate) format: Option<Form>,
}

/// Output format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// One self-contained page.
    Html,
    /// Sentences and tables, for a pull request or documentation.
    Md,
    /// Every run with its figures, one line each.
    Csv,
    /// The charts, one file each, in a folder.
    Svg,
}
