//! The arguments of `ungil profile --mode alloc`.

use clap::{Args, ValueHint};
use std::ffi::OsString;
use std::path::PathBuf;

/// What of `ungil profile` a profile of allocations uses.
#[derive(Debug, Args)]
pub(crate) struct AllocArgs {
    /// A module to run as `python -m MODULE`.
    #[arg(short = 'm', long, value_name = "MODULE", conflicts_with = "target")]
    pub(crate) module: Option<OsString>,

    /// The number of a process that runs, or a Python script to start, and the script's or the module's arguments.
    #[arg(value_name = "PID|SCRIPT", value_hint = ValueHint::FilePath, required_unless_present = "module")]
    pub(crate) target: Option<OsString>,

    /// Arguments of the script or module.
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) args: Vec<OsString>,

    /// The Python to start it with: a version, a path or a venv.
    #[arg(long, value_name = "PYTHON")]
    pub(crate) python: Option<String>,

    /// Bytes between two samples, on average; 1 counts every block.
    #[arg(long, value_name = "BYTES", default_value = "64KiB", value_parser = bytes)]
    pub(crate) every: u64,

    /// How long to watch a process that runs (default: until Ctrl-C, or its end).
    #[arg(long, value_name = "TIME", value_parser = super::duration)]
    pub(crate) duration: Option<f64>,

    /// How long to wait for a process that runs to take the request.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = super::duration)]
    pub(crate) patience: f64,

    /// Lines to show.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) lines: usize,

    /// Write the profile to a file; its name says in which format.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,

    /// Print everything as JSON.
    #[arg(long)]
    pub(crate) json: bool,
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
