//! What each instruction of a code object accesses, found once from its bytecode.
#![allow(unsafe_code)] // Reads a code object through the interpreter's functions.

use crate::python::{Object, python};
use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{OnceLock, RwLock};

/// What an instruction does to shared memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Op {
    None,
    LoadAttribute,
    StoreAttribute,
    DeleteAttribute,
    LoadGlobal,
    StoreGlobal,
    LoadCell,
    StoreCell,
    LoadItem,
    StoreItem,
    DeleteItem,
    Contains,
    Iterate,
    NextItem,
    /// A call of one argument that may be `len` or `list.append`, which the interpreter inlines.
    Call,
    /// A test of the operand's truth.
    Test,
    /// A suspension of a coroutine.
    Await,
    /// A flag of the standard library is set, or read, that orders threads without a lock.
    SendFlag,
    ReceiveFlag,
}

/// Numbers of the opcodes, which differ between releases.
#[derive(Default, Debug)]
pub(crate) struct Opcodes {
    numbers: HashMap<String, u8>,
}

impl Opcodes {
    pub(crate) fn set(&mut self, name: &str, number: u8) {
        self.numbers.insert(name.to_owned(), number);
    }

    /// Returns the number of the opcode `name`.
    ///
    /// # Errors
    /// The interpreter has no such opcode.
    pub(crate) fn get(&self, name: &str) -> Result<u8, String> {
        let number = self.numbers.get(name).copied();
        number.ok_or_else(|| format!("this interpreter has no opcode {name}"))
    }
}

/// The opcodes and paths that decide what is looked at.
pub(crate) struct Scope {
    operations: [Op; 256],
    extended_argument: u8,
    /// Path prefixes of code that is not looked at, unless a prefix of `include` is longer.
    exclude: Vec<String>,
    include: Vec<String>,
}

static SCOPE: OnceLock<Scope> = OnceLock::new();
static TABLES: RwLock<Option<HashMap<usize, &'static CodeTable>>> = RwLock::new(None);

impl Scope {
    /// # Errors
    /// The interpreter lacks an opcode.
    pub(crate) fn new(
        opcodes: &Opcodes,
        exclude: Vec<String>,
        include: Vec<String>,
    ) -> Result<Scope, String> {
        let mut operations = [Op::None; 256];
        let all = [
            ("LOAD_ATTR", Op::LoadAttribute),
            ("STORE_ATTR", Op::StoreAttribute),
            ("DELETE_ATTR", Op::DeleteAttribute),
            ("LOAD_GLOBAL", Op::LoadGlobal),
            ("STORE_GLOBAL", Op::StoreGlobal),
            ("DELETE_GLOBAL", Op::StoreGlobal),
            ("LOAD_DEREF", Op::LoadCell),
            ("STORE_DEREF", Op::StoreCell),
            ("BINARY_OP", Op::LoadItem),
            ("STORE_SUBSCR", Op::StoreItem),
            ("DELETE_SUBSCR", Op::DeleteItem),
            ("CONTAINS_OP", Op::Contains),
            ("GET_ITER", Op::Iterate),
            ("FOR_ITER", Op::NextItem),
            ("CALL", Op::Call),
            ("TO_BOOL", Op::Test),
            ("YIELD_VALUE", Op::Await),
        ];
        for (name, op) in all {
            if let Some(slot) = operations.get_mut(usize::from(opcodes.get(name)?)) {
                *slot = op;
            }
        }
        let extended_argument = opcodes.get("EXTENDED_ARG")?;
        Ok(Scope { operations, extended_argument, exclude, include })
    }

    pub(crate) fn set(self) {
        let _ = SCOPE.set(self);
    }

    fn covers(&self, file: &str) -> bool {
        let longest = |prefixes: &[String]| {
            prefixes
                .iter()
                .filter(|prefix| file.starts_with(prefix.as_str()))
                .map(|p| p.len() + 1)
                .max()
        };
        !file.starts_with('<') && longest(&self.include) >= longest(&self.exclude)
    }
}

/// One instruction.
pub(crate) struct Instruction {
    pub(crate) op: Op,
    pub(crate) opcode: u8,
    pub(crate) argument: u32,
    /// The name that an attribute or global instruction uses, an interned str, and its hash.
    pub(crate) name: Object,
    pub(crate) hash: u64,
    /// Consecutive events that showed nothing of interest.
    pub(crate) dull: AtomicU32,
    /// Whether a write in the same function depended on this read.
    pub(crate) begins_unit: AtomicBool,
    /// Pauses made here.
    pub(crate) pauses: AtomicU32,
}

/// The instructions of a code object, by their offset in code units.
pub(crate) struct CodeTable {
    pub(crate) in_scope: bool,
    /// Whether it is the code of a method `__init__`.
    pub(crate) initializes: bool,
    instructions: Box<[Instruction]>,
}

impl CodeTable {
    #[inline]
    pub(crate) fn at(&self, offset: u32) -> Option<&Instruction> {
        self.instructions.get(offset as usize / 2)
    }
}

// SAFETY: names are interned strings that their code object keeps alive, and are only read.
unsafe impl Send for CodeTable {}
// SAFETY: as above; counters are atomic.
unsafe impl Sync for CodeTable {}

/// Returns the table of a code object, made at its first event. The code object is kept alive, so
/// that its address stays its own.
pub(crate) fn table(code: Object) -> &'static CodeTable {
    let known =
        TABLES.read().ok().and_then(|tables| tables.as_ref()?.get(&(code as usize)).copied());
    known.unwrap_or_else(|| {
        // SAFETY: the frame that runs it keeps it alive.
        unsafe { (python().keep)(code) };
        let table = Box::leak(Box::new(analyze(code)));
        if let Ok(mut tables) = TABLES.write() {
            tables.get_or_insert_default().insert(code as usize, table);
        }
        table
    })
}

/// Returns an attribute of a code object, which the code object keeps alive.
fn attribute(code: Object, name: &CStr) -> Option<Object> {
    let python = python();
    // SAFETY: a live object and a C string. The attributes read are stored in the code object or
    // equal to what it stores, so that the reference may be given back.
    unsafe {
        let value = (python.attribute)(code, name.as_ptr());
        if value.is_null() {
            (python.clear_error)();
            return None;
        }
        (python.release)(value);
        Some(value)
    }
}

fn analyze(code: Object) -> CodeTable {
    let python = python();
    let nothing =
        |in_scope| CodeTable { in_scope, initializes: false, instructions: Box::default() };
    let Some(scope) = SCOPE.get() else { return nothing(false) };
    let text = |name| {
        attribute(code, name).and_then(|value| {
            // SAFETY: as in `attribute`.
            unsafe { python.string(value) }
        })
    };
    let in_scope = text(c"co_filename").is_some_and(|file| scope.covers(&file));
    let is_flag = !in_scope
        && text(c"co_qualname").is_some_and(|name| name == "Event.set" || name == "Event.is_set")
        && text(c"co_filename").is_some_and(|file| file.ends_with("/threading.py"));
    let names = attribute(code, c"co_names");
    let flags = attribute(code, c"co_flags").map_or(0, |value| {
        // SAFETY: `co_flags` is an int.
        unsafe { python.small_int(value) }.unwrap_or(0)
    });
    let is_coroutine = flags & 0x80 != 0;
    let name = |index: u32| -> Option<Object> {
        // SAFETY: `co_names` is a tuple of interned strings, kept alive by the code object.
        let found = unsafe { (python.tuple_item)(names?, index as isize) };
        (!found.is_null()).then_some(found)
    };
    // SAFETY: a new bytes object with the instructions as compiled, without caches.
    let bytes = unsafe { (python.code_bytes)(code) };
    if bytes.is_null() {
        // SAFETY: clears the error that the call left.
        unsafe { (python.clear_error)() };
        return nothing(in_scope);
    }
    // SAFETY: the bytes of the object above, which is released only below.
    let units = unsafe {
        std::slice::from_raw_parts(
            (python.bytes)(bytes),
            (python.bytes_size)(bytes).max(0) as usize,
        )
    };
    let mut extended = 0u32;
    let mut inlined_calls = false;
    let mut instructions: Vec<Instruction> = Vec::with_capacity(units.len() / 2);
    for unit in units.chunks_exact(2) {
        let &[opcode, argument] = unit else { continue };
        let argument = extended << 8 | u32::from(argument);
        let is_extended = opcode == scope.extended_argument;
        let mut op = scope.operations.get(usize::from(opcode)).copied().unwrap_or(Op::None);
        let mut index = None;
        match op {
            // The lowest bit says that the attribute is called as a method.
            Op::LoadAttribute if argument & 1 != 0 => {
                let method = name(argument >> 1);
                // SAFETY: an interned str.
                inlined_calls |=
                    method.and_then(|method| unsafe { python.string(method) }).as_deref()
                        == Some("append");
                op = Op::None;
            }
            Op::LoadAttribute => index = Some(argument >> 1),
            Op::LoadGlobal => index = Some(argument >> 1),
            Op::StoreAttribute | Op::DeleteAttribute | Op::StoreGlobal => index = Some(argument),
            // 26 is `NB_SUBSCR`.
            Op::LoadItem if argument != 26 => op = Op::None,
            Op::Call if argument != 1 => op = Op::None,
            Op::Await if !is_coroutine => op = Op::None,
            _ => {}
        }
        let name = index.and_then(name).unwrap_or(std::ptr::null_mut());
        let hash = if name.is_null() {
            0
        } else {
            // SAFETY: an interned str.
            unsafe {
                inlined_calls |=
                    op == Op::LoadGlobal && python.string(name).as_deref() == Some("len");
                (python.hash)(name) as u64
            }
        };
        instructions.push(Instruction {
            op: match op {
                _ if is_extended => Op::None,
                Op::LoadAttribute if is_flag => Op::ReceiveFlag,
                Op::StoreAttribute if is_flag => Op::SendFlag,
                op if in_scope => op,
                _ => Op::None,
            },
            opcode,
            argument,
            name,
            hash,
            dull: AtomicU32::new(0),
            begins_unit: AtomicBool::new(false),
            pauses: AtomicU32::new(0),
        });
        extended = if is_extended { argument } else { 0 };
    }
    // SAFETY: the only reference to the bytes object made above.
    unsafe { (python.release)(bytes) };
    if !inlined_calls {
        instructions.iter_mut().filter(|i| i.op == Op::Call).for_each(|i| i.op = Op::None);
    }
    CodeTable {
        in_scope,
        initializes: text(c"co_name").as_deref() == Some("__init__"),
        instructions: instructions.into(),
    }
}
