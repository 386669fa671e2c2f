//! Reads module definitions and arrays of slots, and what they declare about the GIL.
//!
//! `PyModuleDef` (moduleobject.h) starts with an object head of 16 bytes (builds with the GIL) or
//! 32 bytes (free-threaded builds) and three words that are zero in the file, followed by `m_name`,
//! `m_doc`, `m_size`, `m_methods` and `m_slots`. Both slot types have 16 bytes with the value in
//! the last 8: `PyModuleDef_Slot` starts with an `int` id, `PySlot` (slots.h, 3.15) with a 16-bit
//! id and 16-bit flags. Every id fits in 16 bits, so the same code reads both. `Py_mod_gil` is 4 in
//! the headers up to 3.14 and in their limited API, and 87 from 3.15 on (PEP 820).

use crate::gil_analysis::memory::{self, Memory};
use crate::gil_analysis::value::Value;
use crate::image::Image;
use crate::model::Evidence;

/// Offset of `m_name` with the object head of a build with the GIL, and of a free-threaded build.
const NAME_OFFSETS: [u64; 2] = [40, 56];
/// Distance from `m_name` to `m_slots`.
const NAME_TO_SLOTS: u64 = 32;
/// Maximum number of slots, including nested arrays.
const MAX_SLOTS: u64 = 128;
/// Maximum nesting depth of arrays; CPython 3.15 allows five.
const MAX_DEPTH: u32 = 8;

const GIL_SLOTS: [u16; 2] = [4, 87];
const SUBSLOTS: u16 = 92;
const MODULE_SLOTS: u16 = 94;
/// Upper bound for slot ids. The largest id of 3.15 is `Py_mod_token`; the rest is reserve for
/// later versions.
const MAX_SLOT_ID: u16 = 512;

/// What slots declare about the GIL.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum GilSetting {
    /// `Py_MOD_GIL_NOT_USED`.
    NotUsed,
    /// `Py_MOD_GIL_USED`.
    Used,
    /// No `Py_mod_gil` slot.
    Unset,
    /// Undetermined, with the reason.
    Unknown(String),
    /// The memory is not a definition, so no real execution takes this path.
    NotADefinition,
}

/// A definition or an array of slots, with evidence.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SlotReading {
    pub(crate) gil: GilSetting,
    pub(crate) evidence: Vec<Evidence>,
    /// Address of the slots, and whether the array is blank: it starts with the end marker, in a
    /// variable that was not stored to on this path.
    pub(crate) slots: Option<(u64, bool)>,
    /// Name of the module, if the definition has it.
    pub(crate) name: Option<String>,
}

impl SlotReading {
    fn unknown(why: impl Into<String>, evidence: Vec<Evidence>) -> SlotReading {
        SlotReading { gil: GilSetting::Unknown(why.into()), evidence, slots: None, name: None }
    }
}

/// Reads the definition passed to `PyModuleDef_Init`.
pub(crate) fn read_definition(image: &Image, memory: &Memory, definition: Value) -> SlotReading {
    let Value::Known(at) = definition else {
        return SlotReading::unknown(
            "the address of its PyModuleDef is computed at run time",
            Vec::new(),
        );
    };
    let word = |offset: u64| at.checked_add(offset).and_then(|at| memory.load(image, at, 8));
    let [with_gil, without] = NAME_OFFSETS;
    // With the smaller head, m_name is where the larger head has m_index, which is zero in the
    // file.
    let offset = match word(with_gil) {
        None => {
            return SlotReading::unknown("its PyModuleDef lies outside the file", Vec::new());
        }
        Some(Value::Known(0)) => without,
        Some(_) => with_gil,
    };
    let (name, slots) = (word(offset), word(offset + NAME_TO_SLOTS));
    if name == Some(Value::Known(0)) {
        return SlotReading {
            gil: GilSetting::NotADefinition,
            evidence: Vec::new(),
            slots: None,
            name: None,
        };
    }
    let name = name.and_then(Value::known).and_then(|name| image.text(name)).map(str::to_owned);
    let layout = if offset == without {
        "free-threaded builds"
    } else {
        "builds with the GIL, or for all builds"
    };
    let mut evidence = vec![Evidence {
        what: format!("a PyModuleDef laid out for {layout}"),
        address: in_file(at),
    }];
    let mut reading = match slots {
        Some(Value::Known(0)) => {
            evidence.push(Evidence {
                what: "it has no slots".into(),
                address: at.checked_add(offset + NAME_TO_SLOTS).and_then(in_file),
            });
            SlotReading { gil: GilSetting::Unset, evidence, slots: None, name: None }
        }
        Some(value) => {
            let mut reading = read_slots(image, memory, value);
            evidence.append(&mut reading.evidence);
            SlotReading { evidence, ..reading }
        }
        None => SlotReading::unknown("its PyModuleDef extends beyond the file", evidence),
    };
    reading.name = name;
    reading
}

/// Returns the address for evidence: `None` if it is synthetic.
fn in_file(address: u64) -> Option<u64> {
    (!memory::is_synthetic(address)).then_some(address)
}

/// Reads an array of slots.
pub(crate) fn read_slots(image: &Image, memory: &Memory, slots: Value) -> SlotReading {
    let mut reader = SlotReader {
        image,
        memory,
        left: MAX_SLOTS,
        path: Vec::new(),
        found: None,
        evidence: Vec::new(),
        is_built_at_run_time: false,
    };
    let Value::Known(at) = slots else {
        return SlotReading::unknown(
            "the address of its slots is computed at run time",
            Vec::new(),
        );
    };
    reader.is_built_at_run_time = memory.is_written(at, 16);
    if memory.may_be_indexed(at, at.saturating_add(16 * MAX_SLOTS)) && reader.is_built_or_blank(at)
    {
        return SlotReading::unknown(
            "its slots are written at addresses computed at run time",
            Vec::new(),
        );
    }
    if let Err(why) = reader.array(at, 0) {
        return SlotReading {
            gil: GilSetting::Unknown(why),
            evidence: reader.evidence,
            slots: None,
            name: None,
        };
    }
    let origin = if reader.is_built_at_run_time { ", as written by the init function" } else { "" };
    let gil = match reader.found {
        None => {
            let what = format!("its slots have no Py_mod_gil{origin}");
            reader.evidence.push(Evidence { what, address: in_file(at) });
            GilSetting::Unset
        }
        Some((id, value, at)) => {
            let (gil, shown) = match value {
                Value::Known(1) => (GilSetting::NotUsed, "1 (not used)".to_owned()),
                Value::Known(0) => (GilSetting::Used, "0 (used)".to_owned()),
                Value::Known(other) => (
                    GilSetting::Unknown(format!(
                        "its Py_mod_gil slot has the invalid value {other}"
                    )),
                    format!("{other}"),
                ),
                _ => (
                    GilSetting::Unknown(
                        "the value of its Py_mod_gil slot is computed at run time".into(),
                    ),
                    "?".into(),
                ),
            };
            let what = format!("slot {id} (Py_mod_gil) is {shown}{origin}");
            reader.evidence.push(Evidence { what, address: in_file(at) });
            gil
        }
    };
    let blank = !reader.is_built_at_run_time && memory.load(image, at, 8) == Some(Value::Known(0));
    SlotReading { gil, evidence: reader.evidence, slots: Some((at, blank)), name: None }
}

struct SlotReader<'r, 'i> {
    image: &'r Image<'i>,
    memory: &'r Memory,
    left: u64,
    /// Start addresses of the arrays being read, to detect cycles.
    path: Vec<u64>,
    found: Option<(u16, Value, u64)>,
    evidence: Vec<Evidence>,
    is_built_at_run_time: bool,
}

impl SlotReader<'_, '_> {
    /// Returns whether the init function fills in the array.
    fn is_built_or_blank(&self, at: u64) -> bool {
        self.is_built_at_run_time || self.memory.load(self.image, at, 8) == Some(Value::Known(0))
    }

    fn array(&mut self, start: u64, depth: u32) -> Result<(), String> {
        if depth > MAX_DEPTH || self.path.contains(&start) {
            return Err("its slots form a cycle or are nested too deeply".into());
        }
        self.path.push(start);
        let mut at = start;
        loop {
            self.left = self.left.checked_sub(1).ok_or("its slots do not end")?;
            let head = self.memory.load(self.image, at, 4);
            let id = match head {
                Some(Value::Known(head)) => (head & 0xffff) as u16,
                Some(_) => return Err("the ids of its slots are computed at run time".into()),
                None => return Err("its slots extend beyond the file".into()),
            };
            if id == 0 {
                break;
            }
            if id > MAX_SLOT_ID {
                return Err(format!("it has the unknown slot {id}"));
            }
            let value_at = at.checked_add(8).ok_or("its slots extend beyond the file")?;
            let value = self.memory.load(self.image, value_at, 8);
            if GIL_SLOTS.contains(&id) {
                let value = value.unwrap_or(Value::Symbol(0));
                if self.found.is_some() {
                    return Err("it has more than one Py_mod_gil slot".into());
                }
                self.found = Some((id, value, value_at));
            } else if matches!(id, SUBSLOTS | MODULE_SLOTS) {
                match value {
                    Some(Value::Known(0)) => {}
                    Some(Value::Known(inner)) => {
                        let what = format!("slot {id} refers to more slots");
                        self.evidence.push(Evidence { what, address: in_file(value_at) });
                        self.array(inner, depth + 1)?;
                    }
                    _ => return Err("the address of nested slots is computed at run time".into()),
                }
            }
            at = at.checked_add(16).ok_or("its slots extend beyond the file")?;
        }
        self.path.pop();
        Ok(())
    }
}
