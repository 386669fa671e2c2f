//! The options of `ungil profile --mode alloc`.

use clap::Args;

/// Default time for a running process to respond, in seconds.
const DEFAULT_PATIENCE_S: f64 = 10.0;
/// Default number of lines in the table.
const DEFAULT_LINES: usize = 20;

/// The options of `--mode alloc`; `None` if not given, so that other modes can reject them.
#[derive(Debug, Args)]
pub(crate) struct Alloc {
    /// Bytes between two samples, on average; 1 counts every block (default: 64KiB).
    #[arg(long, value_name = "BYTES", value_parser = sample_bytes, conflicts_with_all = ["replay", "diff"],
          help_heading = "Allocations")]
    pub(crate) every: Option<u64>,

    /// Time to wait until a running process responds (default: 10s).
    #[arg(long, value_name = "TIME", value_parser = super::duration, conflicts_with_all = ["replay", "diff"],
          help_heading = "Allocations")]
    pub(crate) patience: Option<f64>,

    /// Lines to show (default: 20).
    #[arg(long, value_name = "N", conflicts_with_all = ["replay", "diff"], help_heading = "Allocations")]
    pub(crate) lines: Option<usize>,
}

impl Alloc {
    /// Returns the mean number of bytes between two samples.
    pub(crate) fn every(&self) -> u64 {
        self.every.unwrap_or(ungil_profile::alloc::DEFAULT_SAMPLE_BYTES)
    }

    /// Returns the seconds to wait for a response.
    pub(crate) fn patience(&self) -> f64 {
        self.patience.unwrap_or(DEFAULT_PATIENCE_S)
    }

    /// Returns the number of lines to show.
    pub(crate) fn lines(&self) -> usize {
        self.lines.unwrap_or(DEFAULT_LINES)
    }
}

/// Parses a number of bytes: `1`, `4096`, `64k`, `64KiB`.
fn sample_bytes(text: &str) -> Result<u64, &'static str> {
    let bytes = ungil_format::parse_bytes(text).filter(|n| (1..=1 << 40).contains(n));
    bytes.ok_or("write a number of bytes from 1 to 1TiB, such as 4096 or 64KiB")
}
