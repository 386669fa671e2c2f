//! The target of `dump` and `heap`: a process, or a core file.

use crate::error::CliError;
use clap::{Args, ValueHint};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use ungil_remote::{AttachError, CoreOptions, Python};

/// A process or a core file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A process id.
    Process(u32),
    /// The path of a core file.
    Core(PathBuf),
}

impl Target {
    /// Attaches to the process, or reads the core.
    pub(crate) fn open(&self, files: &CoreFiles) -> Result<Python, AttachError> {
        match self {
            Target::Process(pid) => Python::attach(*pid),
            Target::Core(path) => Python::open_core(path, &files.options()),
        }
    }

    /// Returns whether it is a core.
    pub(crate) fn is_core(&self) -> bool {
        matches!(self, Target::Core(_))
    }
}

impl FromStr for Target {
    type Err = String;

    /// Parses digits as a process id, everything else as the path of a core file.
    fn from_str(text: &str) -> Result<Target, String> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return match text.parse() {
                Ok(pid @ 1..) => Ok(Target::Process(pid)),
                _ => Err(format!("not a valid PID; for a file of this name write ./{text}")),
            };
        }
        let path = PathBuf::from(text);
        if text.contains('/') || path.symlink_metadata().is_ok() {
            return Ok(Target::Core(path));
        }
        Err("neither a PID nor an existing file".into())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Process(pid) => write!(f, "process {pid}"),
            Target::Core(path) => write!(f, "the core {}", path.display()),
        }
    }
}

/// Where the files that a core was mapped from are.
#[derive(Debug, Default, Args)]
pub(crate) struct CoreFiles {
    /// Executable of the core, if it is not at its original path.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) exe: Option<PathBuf>,

    /// Folder that contains all files of the core, such as a container's root file system.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) root: Option<PathBuf>,
}

impl CoreFiles {
    fn options(&self) -> CoreOptions {
        CoreOptions { executable: self.exe.clone(), root: self.root.clone() }
    }

    /// Rejects these options if no core is given.
    pub(crate) fn check(&self, has_core: bool) -> Result<(), CliError> {
        let given = self.exe.as_ref().map(|_| "--exe").or(self.root.as_ref().map(|_| "--root"));
        match given.filter(|_| !has_core) {
            Some(option) => Err(CliError::usage(
                format!("{option} needs a core file"),
                "the files of a live process are known",
                format!("omit {option}, or give a core file"),
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_digits_as_a_process_and_paths_as_cores() {
        assert_eq!("4711".parse(), Ok(Target::Process(4711)));
        assert_eq!("./4711".parse(), Ok(Target::Core("./4711".into())));
        assert_eq!("/nowhere/core".parse(), Ok(Target::Core("/nowhere/core".into())));
        assert_eq!("Cargo.toml".parse(), Ok(Target::Core("Cargo.toml".into())));
        for word in ["", "0", "-1", "python3", "99999999999999999999"] {
            assert!(word.parse::<Target>().is_err(), "{word}");
        }
    }
}
