//! Finds, identifies, pairs and installs Python interpreters.
//!
//! A measurement is only meaningful if the interpreter is known exactly: its version, whether it
//! can run without the GIL, and how it was compiled. A file name proves none of this, so every
//! interpreter is run once with a probe script.

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

/// A Python version (`sys.version_info`), ordered as releases are: `3.15.0a1 < 3.15.0rc1 <
/// 3.15.0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Version {
    pub major: u8,
    pub minor: u8,
    pub micro: u8,
    /// `a1`, `b3`, `rc1`; `None` for a final release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre: Option<String>,
}

/// An implementation of Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Implementation {
    /// The only implementation with a free-threaded build.
    CPython,
    PyPy,
    GraalPy,
    /// Any other.
    Other,
}

/// How an interpreter was compiled, according to its `sysconfig`; `None` where that does not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Compiler and its version (`platform.python_compiler()`).
    pub compiler: Option<String>,
    /// Profile-guided optimisation (`--enable-optimizations`).
    pub pgo: Option<bool>,
    /// Link-time optimisation (`--with-lto`).
    pub lto: Option<bool>,
    /// Debug build (`Py_DEBUG`).
    pub debug: Option<bool>,
    /// The interpreter is in a shared libpython (`--enable-shared`), which costs a few per cent.
    #[serde(default)]
    pub shared: Option<bool>,
    /// The JIT compiler is compiled in (`sys._jit.is_available()`).
    pub jit: Option<bool>,
    /// Compiler flags of the interpreter itself.
    pub cflags: Option<String>,
}

/// Where an interpreter was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Given by the user as a path or a virtual environment.
    Path,
    /// A directory of `$UNGIL_PYTHONS`.
    Environment,
    /// Installed by `ungil pythons install`.
    Ungil,
    /// A directory of `$PATH`.
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

/// An interpreter, as it described itself when it was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// The name that users type and that arms are called by: `3.14`, `3.14t`, `pypy3.11`,
    /// `graalpy3.12`.
    pub name: String,
    /// The executable to run. Links are not resolved: running a virtual environment's link is what
    /// activates it.
    pub executable: PathBuf,
    /// The executable behind all links, which identifies duplicates.
    pub real: PathBuf,
    pub version: Version,
    pub implementation: Implementation,
    /// Compiled with `--disable-gil`. Whether the GIL is off is decided at each start.
    pub free_threaded: bool,
    pub build: Build,
    pub origin: Origin,
    /// The virtual environment it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub venv: Option<PathBuf>,
}

/// A GIL build and its free-threaded twin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pair {
    pub gil: Interpreter,
    pub free_threaded: Interpreter,
    /// Describes each other difference between the builds (version, compiler, PGO, LTO, debug,
    /// flags), because any of them can explain a difference measured. Empty for true twins.
    pub differences: Vec<String>,
}
