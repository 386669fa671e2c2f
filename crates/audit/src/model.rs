//! The words of an audit: what a module says about the GIL, what made it, and how that is known.

use serde::Serialize;

/// What an extension module does to the GIL of a free-threaded interpreter that imports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict", content = "because")]
pub enum Verdict {
    /// It says that it runs without the GIL (`Py_MOD_GIL_NOT_USED`).
    Declares,
    /// It says nothing, so the interpreter switches the GIL on.
    DoesNotDeclare,
    /// It says that it wants the GIL (`Py_MOD_GIL_USED`).
    SwitchesOn,
    /// That cannot be told, because of this.
    Unknown(String),
}

impl Verdict {
    /// Whether importing it switches the GIL on; `None` where that is unknown.
    #[must_use]
    pub fn enables_gil(&self) -> Option<bool> {
        match self {
            Verdict::Declares => Some(false),
            Verdict::DoesNotDeclare | Verdict::SwitchesOn => Some(true),
            Verdict::Unknown(_) => None,
        }
    }
}

/// How an extension module is made and initialised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// `PyInit_X` gives a `PyModuleDef` with slots (PEP 489).
    MultiPhase,
    /// `PyModExport_X` gives slots (PEP 793, 3.15 and later).
    ModExport,
    /// `PyInit_X` makes the module itself.
    SinglePhase,
}

/// What made a module, where that shows in its binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Toolchain {
    /// Rust with `PyO3`.
    PyO3,
    /// Cython.
    Cython,
    /// pybind11.
    Pybind11,
    /// nanobind.
    Nanobind,
    /// cffi's API mode.
    Cffi,
    /// numpy's f2py.
    F2py,
    /// Pythran.
    Pythran,
    /// mypyc.
    Mypyc,
    /// SWIG.
    Swig,
    /// Boost.Python.
    Boost,
    /// C or C++ against Python's headers, as far as it shows.
    C,
}

/// One fact a verdict rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// What was found, in words: `slot 4 (Py_mod_gil) is 1 (not used)`.
    pub what: String,
    /// Where in the image, as its own addresses count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<u64>,
}

/// What a binary says of one extension module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModuleAnalysis {
    /// The module's name, as its init function's symbol has it: the last part of the dotted name.
    pub name: String,
    /// What it does to the GIL.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How it is initialised; `None` where that does not show.
    pub init: Option<Init>,
    /// What made it.
    pub toolchain: Option<Toolchain>,
    /// What the verdict rests on.
    pub evidence: Vec<Evidence>,
}
