//! One access to a part of an object, as an event shows it.
#![allow(unsafe_code)] // Reads operands of the running instruction.

use crate::frame::Frame;
use crate::instruction::Instruction;
use crate::python::{Object, python, type_of};
use crate::stack::Site;

/// Part of an object.
#[derive(Clone, Copy)]
pub(crate) enum CellKey {
    /// An attribute, or a global of a module's dict.
    Name {
        hash: u64,
        name: Object,
    },
    /// An item of a dict or set. `name_hash` is the hash of a str, as in `Name`.
    Item {
        hash: u64,
        name_hash: Option<u64>,
        key: Object,
    },
    Index(i64),
    /// Which items there are: length, order, set of keys.
    Structure,
    /// The content of a closure's cell.
    Content,
}

impl CellKey {
    /// Returns a number that is equal for the same part.
    pub(crate) fn number(self) -> u64 {
        match self {
            CellKey::Name { hash, .. } | CellKey::Item { name_hash: Some(hash), .. } => hash << 2,
            CellKey::Item { hash, .. } => hash << 2 | 1,
            CellKey::Index(index) => (index as u64) << 2 | 2,
            CellKey::Structure => 3,
            CellKey::Content => 7,
        }
    }

    /// Returns the kind of part and its name, for reports.
    pub(crate) fn describe(self) -> (&'static str, String) {
        let python = python();
        // SAFETY: operands of the running instruction.
        unsafe {
            match self {
                CellKey::Name { name, .. } => {
                    ("attribute", python.string(name).unwrap_or_default())
                }
                CellKey::Item { key, .. } => {
                    let text = python.string(key).map(|text| format!("'{text}'"));
                    let number = || python.small_int(key).map(|number| number.to_string());
                    let class = || format!("<{}>", python.type_name(type_of(key)));
                    ("item", text.or_else(number).unwrap_or_else(class))
                }
                CellKey::Index(index) => ("item", index.to_string()),
                CellKey::Structure => ("structure", String::new()),
                CellKey::Content => ("closure", String::new()),
            }
        }
    }
}

/// What is done to a part of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum AccessKind {
    #[default]
    Read,
    /// A read that something is decided by: `in`, `len`, truth.
    Test,
    Iterate,
    Write,
    Remove,
    /// A read and a write in one atomic operation (`setdefault`).
    Update,
    /// Adds an item, whatever there is.
    Append,
    /// Reorders a list, which is empty meanwhile.
    Sort,
}

impl AccessKind {
    pub(crate) fn writes(self) -> bool {
        !matches!(self, AccessKind::Read | AccessKind::Test | AccessKind::Iterate)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            AccessKind::Read => "read",
            AccessKind::Test => "test",
            AccessKind::Iterate => "iteration",
            AccessKind::Write => "write",
            AccessKind::Remove => "removal",
            AccessKind::Update => "atomic update",
            AccessKind::Append => "addition",
            AccessKind::Sort => "sort",
        }
    }
}

/// One access, as an event shows it.
#[derive(Clone)]
pub(crate) struct Access<'a> {
    pub(crate) object: Object,
    pub(crate) key: CellKey,
    pub(crate) kind: AccessKind,
    /// The value written.
    pub(crate) value: Option<Object>,
    pub(crate) frame: Frame,
    pub(crate) site: Site,
    pub(crate) instruction: Option<&'a Instruction>,
    /// It is in a method `__init__`.
    pub(crate) initializes: bool,
}
