//! Module definitions and arrays of slots, and what they say of the GIL_SLOTS.
//!
//! `PyModuleDef` (moduleobject.h) begins with an object head, of 16 bytes in a build with the GIL_SLOTS
//! and of 32 in a free-threaded one, and three words that are zero in a file; then come `m_name`,
//! `m_doc`, `m_size`, `m_methods`, `m_slots`. Two kinds of slots are 16 bytes each, with a value in
//! the last 8: `PyModuleDef_Slot` begins with an `int` id, `PySlot` (slots.h, 3.15) with two 16-bit
//! numbers, id and flags. Every id fits 16 bits, so one reader does for both. `Py_mod_gil` is 4
//! under the headers up to 3.14 and under the limited API up to theirs, and 87 from 3.15 on (PEP
//! 820).

use crate::gil_analysis::memory::{self, Memory};
use crate::gil_analysis::value::Value;
use crate::image::Image;
use crate::model::Evidence;

/// Where `m_name` is with the object head of a build with the GIL_SLOTS, and of a free-threaded one.
const NAME_OFFSETS: [u64; 2] = [40, 56];
/// From `m_name` to `m_slots`.
const NAME_TO_SLOTS: u64 = 32;
/// The most slots of one array, and of all that hang together.
const MAX_SLOTS: u64 = 128;
/// The deepest arrays within arrays; 3.15 takes five.
const MAX_DEPTH: u32 = 8;

const GIL_SLOTS: [u16; 2] = [4, 87];
const SUBSLOTS_SLOT: u16 = 92;
const MODULE_SLOTS_SLOT: u16 = 94;
/// The largest id of 3.15 (`Py_mod_token`), with room for what comes.
const MAX_SLOT_ID: u16 = 512;

/// What slots say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum GilSetting {
    /// Runs without the GIL_SLOTS.
    NotUsed,
    /// Wants the GIL_SLOTS.
    Used,
    /// Nothing.
    Unset,
    /// What cannot be told, because of this.
    Unknown(String),
    /// This is no definition: the way that led here is none that a program goes.
    NotADefinition,
}

/// What was read, and from where.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SlotReading {
    pub(crate) gil: GilSetting,
    pub(crate) evidence: Vec<Evidence>,
    /// Where its slots are, and whether they begin with their end in a variable that nothing was
    /// stored to.
    pub(crate) slots: Option<(u64, bool)>,
    /// The module's name, where the definition has it.
    pub(crate) name: Option<String>,
}

impl SlotReading {
    fn unknown(why: impl Into<String>, evidence: Vec<Evidence>) -> SlotReading {
        SlotReading { gil: GilSetting::Unknown(why.into()), evidence, slots: None, name: None }
    }
}

/// Reads the definition that `PyModuleDef_Init` is given.
pub(crate) fn read_definition(image: &Image, memory: &Memory, definition: Value) -> SlotReading {
    let Value::Known(at) = definition else {
        return SlotReading::unknown(
            "its PyModuleDef is at an address made at run time",
            Vec::new(),
        );
    };
    let word = |offset: u64| at.checked_add(offset).and_then(|at| memory.load(image, at, 8));
    let [with_gil, without] = NAME_OFFSETS;
    // With the smaller head m_name is where the larger one has m_index, zero in a file.
    let offset = match word(with_gil) {
        None => {
            return SlotReading::unknown("its PyModuleDef lies outside of the file", Vec::new());
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
        "builds with the GIL_SLOTS, or for all"
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
        None => SlotReading::unknown("its PyModuleDef runs out of the file", evidence),
    };
    reading.name = name;
    reading
}

/// An address as evidence has it: none, if it is of memory that only a walk has.
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
        return SlotReading::unknown("its slots are at an address made at run time", Vec::new());
    };
    reader.is_built_at_run_time = memory.is_written(at, 16);
    if memory.may_be_indexed(at, at.saturating_add(16 * MAX_SLOTS)) && reader.is_built_or_blank(at)
    {
        return SlotReading::unknown(
            "its slots are filled in at places made at run time",
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
    let made = if reader.is_built_at_run_time { ", as the init function writes it" } else { "" };
    let gil = match reader.found {
        None => {
            let what = format!("its slots have no Py_mod_gil{made}");
            reader.evidence.push(Evidence { what, address: in_file(at) });
            GilSetting::Unset
        }
        Some((id, value, at)) => {
            let (gil, word) = match value {
                Value::Known(1) => (GilSetting::NotUsed, "1 (not used)".to_owned()),
                Value::Known(0) => (GilSetting::Used, "0 (used)".to_owned()),
                Value::Known(other) => (
                    GilSetting::Unknown(format!("its slot Py_mod_gil is {other}")),
                    format!("{other}"),
                ),
                _ => (
                    GilSetting::Unknown(
                        "the value of its slot Py_mod_gil is made at run time".into(),
                    ),
                    "?".into(),
                ),
            };
            let what = format!("slot {id} (Py_mod_gil) is {word}{made}");
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
    /// The arrays that are being read: one that comes again within itself would never end.
    path: Vec<u64>,
    found: Option<(u16, Value, u64)>,
    evidence: Vec<Evidence>,
    is_built_at_run_time: bool,
}

impl SlotReader<'_, '_> {
    /// Whether an array is one that the init function makes.
    fn is_built_or_blank(&self, at: u64) -> bool {
        self.is_built_at_run_time || self.memory.load(self.image, at, 8) == Some(Value::Known(0))
    }

    fn array(&mut self, start: u64, depth: u32) -> Result<(), String> {
        if depth > MAX_DEPTH || self.path.contains(&start) {
            return Err("its slots name each other in a circle or too deeply".into());
        }
        self.path.push(start);
        let mut at = start;
        loop {
            self.left = self.left.checked_sub(1).ok_or("its slots do not end")?;
            let head = self.memory.load(self.image, at, 4);
            let id = match head {
                Some(Value::Known(head)) => (head & 0xffff) as u16,
                Some(_) => return Err("the ids of its slots are made at run time".into()),
                None => return Err("its slots run out of the file".into()),
            };
            if id == 0 {
                break;
            }
            if id > MAX_SLOT_ID {
                return Err(format!("it has a slot {id}, which is none that is known"));
            }
            let value_at = at.checked_add(8).ok_or("its slots run out of the file")?;
            let value = self.memory.load(self.image, value_at, 8);
            if GIL_SLOTS.contains(&id) {
                let value = value.unwrap_or(Value::Symbol(0));
                if self.found.is_some() {
                    return Err("it has more than one slot Py_mod_gil".into());
                }
                self.found = Some((id, value, value_at));
            } else if matches!(id, SUBSLOTS_SLOT | MODULE_SLOTS_SLOT) {
                match value {
                    Some(Value::Known(0)) => {}
                    Some(Value::Known(inner)) => {
                        let what = format!("slot {id} reaches_gil_call to more slots");
                        self.evidence.push(Evidence { what, address: in_file(value_at) });
                        self.array(inner, depth + 1)?;
                    }
                    _ => return Err("it has slots at an address made at run time".into()),
                }
            }
            at = at.checked_add(16).ok_or("its slots run out of the file")?;
        }
        self.path.pop();
        Ok(())
    }
}
