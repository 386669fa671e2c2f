//! Errors of energy sensors. Each has three lines: what, why and what to do.
//!
//! Every error invalidates something (a sensor, or one window of it); none is turned into zero. The
//! three lines are separate because the terminal, the record and the report display them
//! differently.

/// An error of a sensor. `Display` is the first line (what), [`EnergyError::why`] and
/// [`EnergyError::help`] are the other two.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EnergyError {
    /// The machine has no such sensor.
    #[error("no {sensor} energy sensor")]
    Absent {
        /// The sensor.
        sensor: &'static str,
        /// The reason.
        why: String,
    },
    /// The sensor exists but may not be read.
    #[error("{sensor}: permission denied")]
    Denied {
        /// The sensor.
        sensor: &'static str,
        /// The system's error.
        why: String,
        /// How to permit reading it.
        help: String,
    },
    /// A counter no longer exists.
    #[error("{sensor}: {domain} vanished")]
    Vanished {
        /// The sensor.
        sensor: &'static str,
        /// The domain.
        domain: String,
        /// The system's error.
        why: String,
    },
    /// A counter exists but reading it fails.
    #[error("{sensor}: {domain} cannot be read")]
    Unreadable {
        /// The sensor.
        sensor: &'static str,
        /// The domain or file.
        domain: String,
        /// The system's error.
        why: String,
    },
    /// The content is not what the interface specifies.
    #[error("{sensor}: {domain} has an unexpected value")]
    Malformed {
        /// The sensor.
        sensor: &'static str,
        /// The domain or file.
        domain: String,
        /// What was read and what was expected.
        why: String,
    },
    /// A counter changed in a way that is neither consumption nor a wrap.
    #[error("{sensor}: {domain} jumped, so this window has no figure")]
    Jumped {
        /// The sensor.
        sensor: &'static str,
        /// The domain.
        domain: String,
        /// The two values, the time between them, and why the change is impossible.
        why: String,
    },
    /// The command of an external meter could not be started, or it exited.
    #[error("meter: the command exited")]
    MeterEnded {
        /// The command as given.
        command: String,
        /// Exit status and last line of standard error.
        why: String,
    },
    /// The external meter gave no usable reading for the window.
    #[error("meter: no figure for this window")]
    MeterSilent {
        /// The command as given.
        command: String,
        /// Number and time of the readings.
        why: String,
    },
    /// A window was closed that was not open.
    #[error("{sensor}: no window is open")]
    NoWindow {
        /// The sensor.
        sensor: &'static str,
    },
    /// The value of `--energy` is invalid.
    #[error("--energy {given}: invalid value")]
    Request {
        /// The value.
        given: String,
        /// What is wrong with it.
        why: String,
    },
}

impl EnergyError {
    /// Returns the second line: why.
    #[must_use]
    pub fn why(&self) -> String {
        match self {
            Self::Absent { why, .. }
            | Self::Denied { why, .. }
            | Self::Vanished { why, .. }
            | Self::Unreadable { why, .. }
            | Self::Malformed { why, .. }
            | Self::Jumped { why, .. }
            | Self::Request { why, .. } => why.clone(),
            Self::MeterEnded { command, why } | Self::MeterSilent { command, why } => {
                format!("`{command}`: {why}")
            }
            Self::NoWindow { .. } => "the window was not opened, or opening it failed".to_owned(),
        }
    }

    /// Returns the third line: what to do.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Absent { sensor, .. } => match *sensor {
                "powercap" => "a virtual machine has none; on bare metal: sudo modprobe intel_rapl_msr; \
                               otherwise --energy model (an estimate) or --energy meter=COMMAND",
                "perf" => "a virtual machine has none; on bare metal: sudo modprobe rapl; \
                           otherwise --energy model (an estimate) or --energy meter=COMMAND",
                "nvml" => "install NVIDIA's driver, or name its library with --energy nvml=LIBRARY",
                _ => "--energy model (an estimate) or --energy meter=COMMAND",
            }
            .to_owned(),
            Self::Denied { help, .. } => help.clone(),
            Self::Vanished { sensor, .. } => format!(
                "check whether a driver was unloaded or a processor taken offline; the next window reads {sensor} again"
            ),
            Self::Unreadable { sensor, .. } | Self::Malformed { sensor, .. } => {
                format!("inspect the file, or use another source: --energy {}", other(sensor))
            }
            Self::Jumped { .. } => "measure again; a suspend, a driver reload or the migration of a virtual machine \
                                    in the window causes this"
                .to_owned(),
            Self::MeterEnded { .. } => {
                "run the command by hand: it must keep printing lines such as `12.5 W` or `1234.5 J`".to_owned()
            }
            Self::MeterSilent { .. } => {
                "make the command print more often than the length of a window, unbuffered, one reading per line such as \
                 `12.5 W` or `1234.5 J`"
                    .to_owned()
            }
            Self::NoWindow { .. } => "see the error that was reported when the window was opened".to_owned(),
            Self::Request { .. } => "one of: auto, off, powercap[=DIR], perf[=DIR], nvml[=LIBRARY], \
                                     model[:idle=W,busy=W,band=PERCENT,cpus=N], meter=COMMAND; \
                                     powercap or perf or model may be followed by ,nvml"
                .to_owned(),
        }
    }
}

/// Returns the other interface to the same counters, for the third line.
fn other(sensor: &str) -> &'static str {
    match sensor {
        "powercap" => "perf",
        "perf" => "powercap",
        _ => "model",
    }
}
