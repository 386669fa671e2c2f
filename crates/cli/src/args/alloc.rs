//! What `ungil profile --mode alloc` takes beyond the other modes.

use clap::Args;

/// How long a process that runs may take to answer, in seconds.
const PATIENCE: f64 = 10.0;
/// Lines in the table.
const LINES: usize = 20;

/// The options of `--mode alloc`; `None` where nothing was given, so that they can be refused in other modes.
#[derive(Debug, Args)]
pub(crate) struct Alloc {
    /// Bytes between two samples, on average; 1 counts every block (default: 64KiB).
    #[arg(long, value_name = "BYTES", value_parser = bytes, conflicts_with_all = ["replay", "diff"],
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
        self.every.unwrap_or(ungil_profile::alloc::EVERY)
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

/// A number of bytes: `1`, `4096`, `64k`, `64KiB`, `1MiB`.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor = match lower.get(digits.len()..).unwrap_or("").trim() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => 0,
    };
    match digits.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)) {
        Some(n) if (1..=1 << 40).contains(&n) => Ok(n),
        _ => Err("write a number of bytes such as 1, 4096, 64KiB or 1MiB".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read() {
        assert_eq!(bytes("1"), Ok(1));
        assert_eq!(bytes("64KiB"), Ok(65536));
        assert_eq!(bytes("1 M"), Ok(1 << 20));
        for wrong in ["", "0", "-1", "64x", "1.5k", "99999999999999999999", "9999999g"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
