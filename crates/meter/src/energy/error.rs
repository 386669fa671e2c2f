//! Why there are no joules, each said as what, why and what to do.
//!
//! Every error here voids something (a sensor, or one window of it) and none is ever turned into a
//! zero. The three lines are kept apart because the terminal, the record and the report place them
//! differently.

/// An error of a sensor. `Display` is the *what*, [`Error::why`] and [`Error::help`] the other two
/// lines.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The machine has no such sensor.
    #[error("no {sensor} energy sensor")]
    Absent {
        /// Which sensor.
        sensor: &'static str,
        /// Why.
        why: String,
    },
    /// The sensor is there and may not be read.
    #[error("{sensor}: permission denied")]
    Denied {
        /// Which sensor.
        sensor: &'static str,
        /// What refused, and the system's reason.
        why: String,
        /// The smallest change that would let it be read.
        help: String,
    },
    /// A counter that was there is gone.
    #[error("{sensor}: {domain} vanished")]
    Vanished {
        /// Which sensor.
        sensor: &'static str,
        /// Which domain of it.
        domain: String,
        /// What the system said.
        why: String,
    },
    /// A counter is there and the system fails to read it.
    #[error("{sensor}: {domain} cannot be read")]
    Unreadable {
        /// Which sensor.
        sensor: &'static str,
        /// Which domain or file of it.
        domain: String,
        /// What the system said.
        why: String,
    },
    /// What was read is not what the interface promises.
    #[error("{sensor}: {domain} does not make sense")]
    Malformed {
        /// Which sensor.
        sensor: &'static str,
        /// Which domain or file of it.
        domain: String,
        /// What was read and what was expected.
        why: String,
    },
    /// A counter moved in a way that is neither consumption nor a wrap.
    #[error("{sensor}: {domain} jumped, this window has no figure")]
    Jumped {
        /// Which sensor.
        sensor: &'static str,
        /// Which domain of it.
        domain: String,
        /// From where to where, in how long, and why that is impossible.
        why: String,
    },
    /// The command of an external meter could not be started or ended.
    #[error("meter: the command ended")]
    MeterEnded {
        /// The command as given.
        command: String,
        /// Exit status and last words.
        why: String,
    },
    /// The external meter said nothing that is of use for the window.
    #[error("meter: no figure for this window")]
    MeterSilent {
        /// The command as given.
        command: String,
        /// How many readings and when.
        why: String,
    },
    /// A window was closed that was never opened.
    #[error("{sensor}: no window is open")]
    NoWindow {
        /// Which sensor.
        sensor: &'static str,
    },
    /// `--energy` was given something that it does not know or that contradicts itself.
    #[error("--energy {given}: not understood")]
    Request {
        /// What was given.
        given: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Error {
    /// The second line: why.
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
            Self::NoWindow { .. } => "the window's beginning failed or never happened".to_owned(),
        }
    }

    /// The third line: what to do about it.
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
                "was a driver unloaded or a processor taken offline? The next window reads {sensor} afresh"
            ),
            Self::Unreadable { sensor, .. } | Self::Malformed { sensor, .. } => {
                format!("see what the file holds; another source: --energy {}", other(sensor))
            }
            Self::Jumped { .. } => "measure again; a suspend, a driver reload or a virtual machine's migration \
                                    in the window does this"
                .to_owned(),
            Self::MeterEnded { .. } => {
                "run the command by hand: it must keep printing lines such as `12.5 W` or `1234.5 J`".to_owned()
            }
            Self::MeterSilent { .. } => {
                "make the command print more often than a window is long, unbuffered, a line a reading such as \
                 `12.5 W` or `1234.5 J`"
                    .to_owned()
            }
            Self::NoWindow { .. } => "see the error of the window's beginning".to_owned(),
            Self::Request { .. } => "one of: auto, off, powercap[=DIR], perf[=DIR], nvml[=LIBRARY], \
                                     model[:idle=W,busy=W,band=PERCENT,cpus=N], meter=COMMAND; \
                                     powercap or perf or model may be followed by ,nvml"
                .to_owned(),
        }
    }
}

/// The other way to the same counters, for the third line of an error.
fn other(sensor: &str) -> &'static str {
    match sensor {
        "powercap" => "perf",
        "perf" => "powercap",
        _ => "model",
    }
}
