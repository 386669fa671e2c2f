//! Parsing of what a user types for an interpreter.
//!
//! The grammar is in one place, so that all commands, `install` and error messages read a
//! specification the same way.

use crate::version::parse_parts;
use crate::{Implementation, Interpreter};
use std::fmt;
use std::path::PathBuf;

/// A requested interpreter. Parsing never fails: a word that is not a version is the name of a
/// command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// `3`, `3.14`, `3.14t`, `3.14.2`, `3.15.0rc1t`, `pypy`, `pypy3.11`, `graalpy`.
    Version {
        /// The implementation; CPython unless another is named.
        implementation: Implementation,
        /// `None` only for an implementation without a version.
        major: Option<u8>,
        minor: Option<u8>,
        micro: Option<u8>,
        pre: Option<String>,
        /// Whether the version ends in `t`. Without it, only builds with the GIL match.
        free_threaded: bool,
    },
    /// `python3.14t`, `python`, `my-python`: a command on the search path.
    Command(String),
    /// An executable, a virtual environment or an installation's prefix: a text that contains `/`,
    /// or starts with `.` or `~`.
    Path(PathBuf),
}

impl Spec {
    /// Parses what a user typed.
    pub fn parse(text: &str) -> Spec {
        if text.contains('/') || text.starts_with('.') || text.starts_with('~') {
            return Spec::Path(PathBuf::from(text));
        }
        Spec::version(text).unwrap_or_else(|| Spec::Command(text.to_owned()))
    }

    /// Returns the version that a command's name stands for if there is no such command: `3.14t`
    /// for `python3.14t`, none for `python`.
    pub(crate) fn of_command(name: &str) -> Option<Spec> {
        name.strip_prefix("python").and_then(Spec::version)
    }

    fn version(text: &str) -> Option<Spec> {
        let (implementation, rest) = [
            ("pypy", Implementation::PyPy),
            ("graalpy", Implementation::GraalPy),
            ("cpython", Implementation::CPython),
        ]
        .iter()
        .find_map(|(word, implementation)| Some((*implementation, text.strip_prefix(word)?)))
        .unwrap_or((Implementation::CPython, text));
        let named = rest.len() != text.len();
        let rest = if named { rest.strip_prefix(['-', '@']).unwrap_or(rest) } else { rest };
        if rest.is_empty() {
            return named.then_some(Spec::Version {
                implementation,
                major: None,
                minor: None,
                micro: None,
                pre: None,
                free_threaded: false,
            });
        }
        let (digits, free_threaded) = match rest.strip_suffix('t') {
            Some(digits) if implementation == Implementation::CPython => (digits, true),
            _ => (rest, false),
        };
        let (major, minor, micro, pre) = parse_parts(digits)?;
        Some(Spec::Version { implementation, major: Some(major), minor, micro, pre, free_threaded })
    }

    /// Returns whether an interpreter matches a requested version; always `false` for commands and
    /// paths.
    pub fn matches(&self, candidate: &Interpreter) -> bool {
        let Spec::Version { implementation, major, minor, micro, pre, free_threaded } = self else {
            return false;
        };
        let version = &candidate.version;
        candidate.implementation == *implementation
            && candidate.free_threaded == *free_threaded
            && major.is_none_or(|major| version.major == major)
            && minor.is_none_or(|minor| version.minor == minor)
            && micro.is_none_or(|micro| version.micro == micro && version.pre == *pre)
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spec::Path(path) => write!(f, "{}", path.display()),
            Spec::Command(name) => f.write_str(name),
            Spec::Version { implementation, major, minor, micro, pre, free_threaded } => {
                f.write_str(match implementation {
                    Implementation::PyPy => "pypy",
                    Implementation::GraalPy => "graalpy",
                    _ if major.is_none() => "cpython",
                    _ => "",
                })?;
                let numbers: Vec<String> =
                    [major, minor, micro].into_iter().flatten().map(u8::to_string).collect();
                write!(f, "{}{}", numbers.join("."), pre.as_deref().unwrap_or(""))?;
                f.write_str(if *free_threaded { "t" } else { "" })
            }
        }
    }
}
