//! Verdicts about extension modules, with their evidence.

use serde::Serialize;

/// Effect of an extension module on the GIL of a free-threaded interpreter that imports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict", content = "because")]
pub enum Verdict {
    /// It declares that it runs without the GIL (`Py_MOD_GIL_NOT_USED`).
    Declares,
    /// It declares nothing, so the interpreter enables the GIL.
    DoesNotDeclare,
    /// It requests the GIL (`Py_MOD_GIL_USED`).
    SwitchesOn,
    /// Undetermined, with the reason.
    Unknown(String),
}

impl Verdict {
    /// Returns whether importing the module enables the GIL, or `None` if that is unknown.
    #[must_use]
    pub fn enables_gil(&self) -> Option<bool> {
        match self {
            Verdict::Declares => Some(false),
            Verdict::DoesNotDeclare | Verdict::SwitchesOn => Some(true),
            Verdict::Unknown(_) => None,
        }
    }
}

/// How an extension module is initialized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// `PyInit_X` returns a `PyModuleDef` with slots (PEP 489).
    MultiPhase,
    /// `PyModExport_X` returns slots (PEP 793, 3.15 and later).
    ModExport,
    /// `PyInit_X` creates the module itself.
    SinglePhase,
}

/// The toolchain that built a module, if its binary shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Toolchain {
    /// Rust with `PyO3`.
    PyO3,
    Cython,
    Pybind11,
    Nanobind,
    /// cffi in API mode.
    Cffi,
    /// f2py of numpy.
    F2py,
    Pythran,
    Mypyc,
    Swig,
    Boost,
    /// C or C++ with Python's headers, or an undetected toolchain.
    C,
}

/// A fact that a verdict is based on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Description of the fact: `slot 4 (Py_mod_gil) is 1 (not used)`.
    pub what: String,
    /// Address in the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<u64>,
}

/// Result of analyzing one extension module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModuleAnalysis {
    /// Name in the init function's symbol: the last part of the dotted name.
    pub name: String,
    /// Effect on the GIL.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How it is initialized, if that is known.
    pub init: Option<Init>,
    pub toolchain: Option<Toolchain>,
    /// Facts that the verdict is based on.
    pub evidence: Vec<Evidence>,
}
