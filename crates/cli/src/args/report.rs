//! The arguments of `ungil report`.

use clap::{Args, ValueEnum, ValueHint};
use std::path::PathBuf;

/// `ungil report`.
#[derive(Debug, Args)]
#[command(
    after_help = "Two records, or two folders, are set side by side: what differs, by how much. One folder or more than two records are shown one after the other.\n\nExit codes: 0 done, 1 a record could not be read or the result not written, 2 usage."
)]
pub(crate) struct Report {
    /// Records, or folders of records (*.jsonl).
    #[arg(value_name = "RECORD", required = true, value_hint = ValueHint::AnyPath)]
    pub(crate) records: Vec<PathBuf>,

    /// The file to write (svg: the folder); `-` is standard output (default: RECORD.html beside the
    /// record, report.html in the folder; svg: RECORD-charts; md and csv: standard output).
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub(crate) output: Option<PathBuf>,

    /// What to write (default: as FILE ends, else html).
    #[arg(long, value_enum)]
    pub(crate) format: Option<Form>,
}

/// What a report may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// One page that needs nothing but itself.
    Html,
    /// Markdown: words and tables, for a pull request or documentation.
    Md,
    /// Every run with its figures, a line each.
    Csv,
    /// The charts, a file each, in a folder.
    Svg,
}
