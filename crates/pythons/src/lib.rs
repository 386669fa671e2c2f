//! Which Pythons are here, what each is, and getting one that is missing.
//!
//! Everything ungil says rests on knowing exactly which interpreter ran: its version, whether it
//! can run without the GIL, and how it was compiled. This room finds interpreters, asks each one
//! (by running it: the file name proves nothing), pairs a GIL build with its free-threaded twin,
//! and installs what is missing. It measures nothing.

mod assemble;
mod candidates;
mod child;
mod error;
mod find;
mod inspect;
mod install;
mod lock;
mod pair;
mod probe;
mod resolve;
mod search;
mod spec;
mod uv;
mod version;

pub use error::Error;
pub use find::{Rejected, Survey, find, survey};
pub use inspect::inspect;
pub use install::{Installed, Installer, install, installed_dir};
pub use pair::{default_pair, pairs, twin};
pub use resolve::{resolve, resolve_all};
pub use search::Search;
use serde::{Deserialize, Serialize};
pub use spec::Spec;
use std::path::PathBuf;

/// A Python version as `sys.version_info` gives it. Ordered as releases are: `3.15.0a1 < 3.15.0rc1
/// < 3.15.0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Version {
    /// 3 in 3.14.2rc1.
    pub major: u8,
    /// 14 in 3.14.2rc1.
    pub minor: u8,
    /// 2 in 3.14.2rc1.
    pub micro: u8,
    /// `a1`, `b3`, `rc1`; `None` for a final release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre: Option<String>,
}

/// Which implementation of Python an executable is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Implementation {
    /// The reference implementation, the only one with a free-threaded build.
    CPython,
    /// PyPy: always has a GIL, no twin.
    PyPy,
    /// GraalPy: no twin.
    GraalPy,
    /// Something else that calls itself Python.
    Other,
}

/// How an interpreter was compiled, as far as it says so itself (`sysconfig`); `None` where it does
/// not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Compiler and its version, as in `platform.python_compiler()`.
    pub compiler: Option<String>,
    /// Profile-guided optimisation (`--enable-optimizations`).
    pub pgo: Option<bool>,
    /// Link-time optimisation (`--with-lto`).
    pub lto: Option<bool>,
    /// A debug build (`Py_DEBUG`).
    pub debug: Option<bool>,
    /// The interpreter lives in a libpython of its own (`--enable-shared`), which costs a few per
    /// cent.
    #[serde(default)]
    pub shared: Option<bool>,
    /// The just-in-time compiler is compiled in (`sys._jit.is_available()`).
    pub jit: Option<bool>,
    /// The compiler's flags the interpreter itself was compiled with, where known.
    pub cflags: Option<String>,
}

/// Where an interpreter was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Named by the user, a path or a venv.
    Path,
    /// A directory of `$UNGIL_PYTHONS`.
    Environment,
    /// Installed by `ungil pythons install`.
    Ungil,
    /// On `$PATH`.
    #[serde(rename = "PATH")]
    SearchPath,
    /// Installed by uv.
    Uv,
    /// Installed by pyenv.
    Pyenv,
    /// A conda, mamba or micromamba environment.
    Conda,
    /// A Debian package (`/usr/bin`).
    Debian,
}

/// One interpreter, as it described itself when it was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// `3.14`, `3.14t`, `pypy3.11`, `graalpy3.12`: what a user types to mean it, and what an arm is
    /// called.
    pub name: String,
    /// The executable to run (not resolved: a venv's link is the venv).
    pub executable: PathBuf,
    /// The executable behind every link, by which duplicates are known.
    pub real: PathBuf,
    /// Its version.
    pub version: Version,
    /// Which implementation.
    pub implementation: Implementation,
    /// Compiled with `--disable-gil`: can run without the GIL (whether it does is an arm's
    /// setting).
    pub free_threaded: bool,
    /// How it was built.
    pub build: Build,
    /// Where from.
    pub origin: Origin,
    /// The venv it belongs to (`sys.prefix` where it differs from `sys.base_prefix`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub venv: Option<PathBuf>,
}

/// A GIL build and its free-threaded twin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// The build with the GIL.
    pub gil: Interpreter,
    /// The build that can run without.
    pub free_threaded: Interpreter,
    /// In words, each way the two were built differently (version, compiler, PGO, LTO, debug,
    /// flags), since that alone can be the difference measured. Empty for true twins.
    pub differences: Vec<String>,
}
