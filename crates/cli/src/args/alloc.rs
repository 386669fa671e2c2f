//! What `ungil profile --mode alloc` takes beyond the other modes.

use clap::Args;

/// How long a process that runs may take to answer, in seconds.
const PATIENCE: f64 = 10.0;
/// Lines in the table.
const LINES: usize = 20;

/// The options of `--mode alloc`; `None` where nothing was given, so that they can be refused in
/// other modes.
#[derive(Debug, Args)]
pub(crate) struct Alloc {
    /// Bytes between two samples, on average; 1 counts every block (default: 64KiB).
    #[arg(long, value_name = "BYTES", value_parser = every, conflicts_with_all = ["replay", "diff"],
          help_heading = "Allocations")]
    pub(crate) every: Option<u64>,

    /// How long to wait for a process that runs to take the request (default: 10s).
    #[arg(long, value_name = "TIME", value_parser = super::duration, conflicts_with_all = ["replay", "diff"],
          help_heading = "Allocations")]
    pub(crate) patience: Option<f64>,

    /// Lines to show (default: 20).
    #[arg(long, value_name = "N", conflicts_with_all = ["replay", "diff"], help_heading = "Allocations")]
    pub(crate) lines: Option<usize>,
}

impl Alloc {
    /// Bytes between two samples.
    pub(crate) fn every(&self) -> u64 {
        self.every.unwrap_or(ungil_profile::alloc::DEFAULT_SAMPLE_BYTES)
    }

    /// Seconds to wait for an answer.
    pub(crate) fn patience(&self) -> f64 {
        self.patience.unwrap_or(PATIENCE)
    }

    /// Lines to show.
    pub(crate) fn lines(&self) -> usize {
        self.lines.unwrap_or(LINES)
    }
}

/// A number of bytes between two samples: `1`, `4096`, `64k`, `64KiB`.
fn every(text: &str) -> Result<u64, &'static str> {
    let bytes = ungil_format::parse_bytes(text).filter(|n| (1..=1 << 40).contains(n));
    bytes.ok_or("write a number of bytes from 1 to 1TiB, such as 4096 or 64KiB")
}
