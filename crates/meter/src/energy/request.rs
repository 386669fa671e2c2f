//! The value of `--energy`.

use super::model::Parameters;
use super::{EnergyError, perf, powercap};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The value of `--energy`.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Request {
    /// The best available sensor: powercap, else perf, else the model; in addition NVML if
    /// available.
    #[default]
    Auto,
    /// No sensor.
    Off,
    /// Exactly these sensors; a missing one is an error.
    Sensors(Vec<Choice>),
}

/// A requested sensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// RAPL through powercap under this root.
    Powercap(PathBuf),
    /// RAPL through perf under this root.
    Perf(PathBuf),
    /// NVIDIA GPUs, through this library or the driver's.
    Nvml(Option<PathBuf>),
    /// The output of this shell command.
    Meter(String),
    /// The model.
    Model(Parameters),
}

impl Choice {
    fn kind(&self) -> &'static str {
        match self {
            Self::Powercap(_) => "powercap",
            Self::Perf(_) => "perf",
            Self::Nvml(_) => "nvml",
            Self::Meter(_) => "meter",
            Self::Model(_) => "model",
        }
    }
}

impl FromStr for Request {
    type Err = EnergyError;

    /// Parses `auto`, `off`, or sensors separated by commas: `powercap[=DIR]`, `perf[=DIR]`,
    /// `nvml[=LIBRARY]`, `model[:idle=W,busy=W,band=PERCENT,cpus=N]`, `meter=COMMAND`. A command
    /// may contain commas, so `meter=` takes the rest; directories and libraries may not.
    fn from_str(given: &str) -> Result<Self, EnergyError> {
        let wrong = |why: String| EnergyError::Request { given: given.to_owned(), why };
        match given.trim() {
            "auto" => return Ok(Self::Auto),
            "off" => return Ok(Self::Off),
            "" => return Err(wrong("it is empty".to_owned())),
            _ => {}
        }
        let mut choices: Vec<Choice> = Vec::new();
        let mut rest = Some(given.trim());
        while let Some(text) = rest {
            if let Some(command) = text.strip_prefix("meter=") {
                if command.trim().is_empty() {
                    return Err(wrong("meter needs a command: meter=COMMAND".to_owned()));
                }
                choices.push(Choice::Meter(command.to_owned()));
                break;
            }
            let (item, after) =
                text.split_once(',').map_or((text, None), |(item, after)| (item, Some(after)));
            rest = after;
            let choice = if let Some(first) = item.strip_prefix("model:") {
                let mut parameters = Parameters::default();
                set(&mut parameters, first).map_err(wrong)?;
                // The following items belong to the model as long as they are its parameters.
                while let Some(text) = rest {
                    let (item, after) = text
                        .split_once(',')
                        .map_or((text, None), |(item, after)| (item, Some(after)));
                    if !is_parameter(item) {
                        break;
                    }
                    set(&mut parameters, item).map_err(wrong)?;
                    rest = after;
                }
                parameters.check().map_err(wrong)?;
                Choice::Model(parameters)
            } else {
                plain(item.trim()).map_err(wrong)?
            };
            choices.push(choice);
        }
        conflict(&choices).map_or(Ok(Self::Sensors(choices)), |why| Err(wrong(why)))
    }
}

/// Parses `powercap`, `powercap=DIR` and similar items.
fn plain(item: &str) -> Result<Choice, String> {
    let (name, value) =
        item.split_once('=').map_or((item, None), |(name, value)| (name, Some(value)));
    if value == Some("") {
        return Err(format!("`{item}` has no value"));
    }
    let path = value.map(PathBuf::from);
    match (name, value) {
        ("powercap", _) => Ok(Choice::Powercap(path.unwrap_or_else(|| powercap::ROOT.into()))),
        ("perf", _) => Ok(Choice::Perf(path.unwrap_or_else(|| perf::ROOT.into()))),
        ("nvml", _) => Ok(Choice::Nvml(path)),
        ("model", None) => Ok(Choice::Model(Parameters::default())),
        ("model", Some(_)) => {
            Err("the model's parameters follow a colon: model:idle=0.74".to_owned())
        }
        ("meter", None) => Err("meter needs a command: meter=COMMAND".to_owned()),
        ("auto" | "off", None) => Err(format!("`{name}` cannot be combined with other sensors")),
        _ => Err(format!("`{item}` is not a sensor")),
    }
}

fn is_parameter(item: &str) -> bool {
    item.trim()
        .split_once('=')
        .is_some_and(|(key, _)| ["idle", "busy", "band", "cpus"].contains(&key))
}

fn set(parameters: &mut Parameters, item: &str) -> Result<(), String> {
    let item = item.trim();
    let (key, value) = item.split_once('=').ok_or_else(|| format!("`{item}` is not KEY=NUMBER"))?;
    let number =
        || value.parse::<f64>().map_err(|_| format!("`{value}` in `{item}` is not a number"));
    match key {
        "idle" => parameters.idle = number()?,
        "busy" => parameters.busy = number()?,
        "band" => parameters.band = number()?,
        "cpus" => {
            parameters.cpus =
                Some(value.parse().map_err(|_| format!("`{value}` in `{item}` is not a count"))?);
        }
        _ => return Err(format!("the model has no parameter `{key}`")),
    }
    Ok(())
}

/// Returns why these sensors cannot be combined. Each joule must be counted once, so there can be
/// one source for the processors (or the whole machine) and one for the GPUs.
fn conflict(choices: &[Choice]) -> Option<String> {
    for (i, one) in choices.iter().enumerate() {
        for other in &choices[i + 1..] {
            let (a, b) = (one.kind(), other.kind());
            if a == b {
                return Some(format!("`{a}` is given twice"));
            }
            let why = match (a, b) {
                ("powercap", "perf") | ("perf", "powercap") => "read the same counters",
                ("meter", _) | (_, "meter") => {
                    "cover the same joules: a meter measures the whole machine"
                }
                ("nvml", _) | (_, "nvml") => continue,
                _ => "cover the same processors",
            };
            return Some(format!("`{a}` and `{b}` {why}; use one"));
        }
    }
    None
}

impl fmt::Display for Request {
    /// Formats the value as the user would write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Off => f.write_str("off"),
            Self::Sensors(choices) => {
                for (i, choice) in choices.iter().enumerate() {
                    if i > 0 {
                        f.write_str(",")?;
                    }
                    write!(f, "{choice}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Powercap(root) if root.as_os_str() == powercap::ROOT => f.write_str("powercap"),
            Self::Powercap(root) => write!(f, "powercap={}", root.display()),
            Self::Perf(root) if root.as_os_str() == perf::ROOT => f.write_str("perf"),
            Self::Perf(root) => write!(f, "perf={}", root.display()),
            Self::Nvml(None) => f.write_str("nvml"),
            Self::Nvml(Some(library)) => write!(f, "nvml={}", library.display()),
            Self::Meter(command) => write!(f, "meter={command}"),
            Self::Model(parameters) => write!(f, "model:{parameters}"),
        }
    }
}
