//! The callback of `sys.monitoring` for INSTRUCTION events.
#![allow(unsafe_code)] // A C function of the interpreter's calling convention; reads operands.

use crate::access::{Access, AccessKind, CellKey};
use crate::detector::record;
use crate::frame::Frame;
use crate::instruction::{CodeTable, Instruction, Op, table};
use crate::lock_order;
use crate::method::{receive, send};
use crate::pause::{make_pending_pause, pause_in_initializer};
use crate::python::{Container, HEADER, MethodDef, Object, is_thread_local, python, type_of, word};
use crate::quiet;
use crate::shadow;
use crate::stack::Site;
use crate::thread::Thread;
use std::ffi::{c_int, c_void};
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

/// Dull events after which an instruction becomes quiet.
const DULL_LIMIT: u32 = 16;
/// As above, for reads of something shared that nobody writes.
const UNWRITTEN_LIMIT: u32 = 4096;
/// `METH_FASTCALL`.
const FASTCALL: c_int = 0x80;

/// Objects and types that instructions are compared with.
#[derive(Default, Debug)]
pub(crate) struct Known {
    pub(crate) len: usize,
    pub(crate) append: usize,
    pub(crate) list_iterator: usize,
    pub(crate) dict_iterators: [usize; 3],
    pub(crate) set_iterator: usize,
    pub(crate) reentrant_lock: usize,
    /// `threading.local`, whose attributes each thread has for itself.
    pub(crate) local: usize,
}

pub(crate) static KNOWN: OnceLock<Known> = OnceLock::new();

/// The definition of the callback.
pub(crate) static CALLBACK: MethodDef = MethodDef {
    name: c"ungil_instruction".as_ptr(),
    function: on_instruction as *mut c_void,
    flags: FASTCALL,
    doc: std::ptr::null(),
};

/// What an event showed.
enum Seen {
    /// Nothing that may ever matter.
    Nothing,
    /// An object that only this thread can reach, or that has no parts of its own. The topic wakes
    /// the instruction again.
    Dull(quiet::Topic),
    /// A read of something that nobody has written since it is shared.
    Unwritten(quiet::Topic),
    Interesting,
}

/// Called before each marked instruction, with its code object and offset.
unsafe extern "C" fn on_instruction(_: Object, arguments: *const Object, count: isize) -> Object {
    let none = python().types.none as Object;
    if count < 2 {
        return none;
    }
    Thread::with(|thread| {
        // SAFETY: the interpreter passes two arguments, a code object and an int.
        let (code, offset) = unsafe { (*arguments, *arguments.add(1)) };
        let Some(frame) = Frame::current().filter(|frame| frame.code() == Some(code)) else {
            return;
        };
        // SAFETY: as above.
        let offset = unsafe { python().small_int(offset) }.unwrap_or(0) as u32;
        let table = thread.table(code as usize, || table(code));
        let Some(instruction) = table.at(offset) else { return };
        thread.quiet.check();
        if instruction.op != Op::None && thread.pause.is_some() {
            make_pending_pause(thread);
        }
        let site = Site { code: code as usize, offset };
        let seen = if instruction.op == Op::None {
            Seen::Nothing
        } else {
            look(thread, table, instruction, frame, site).unwrap_or(Seen::Dull(0))
        };
        let (limit, topic) = match seen {
            Seen::Nothing => {
                quiet::unmark(frame.instruction(), instruction.opcode);
                return;
            }
            Seen::Interesting => {
                instruction.dull.store(0, Ordering::Relaxed);
                return;
            }
            Seen::Dull(topic) => (DULL_LIMIT, topic),
            Seen::Unwritten(topic) => (UNWRITTEN_LIMIT, topic),
        };
        if instruction.dull.fetch_add(1, Ordering::Relaxed) >= limit {
            thread.quiet.add(frame.instruction(), instruction.opcode, topic);
        }
    });
    none
}

/// Looks at one access.
fn look(
    thread: &mut Thread,
    table: &CodeTable,
    instruction: &Instruction,
    frame: Frame,
    site: Site,
) -> Option<Seen> {
    let python = python();
    let at = |object, key, kind, value| Access {
        object,
        key,
        kind,
        value,
        frame,
        site,
        instruction: Some(instruction),
        initializes: table.initializes,
    };
    let named = CellKey::Name { hash: instruction.hash, name: instruction.name };
    match instruction.op {
        Op::None => None,
        Op::LoadAttribute => {
            attribute(thread, at(frame.operand(1)?, named, AccessKind::Read, None))
        }
        Op::StoreAttribute => {
            attribute(thread, at(frame.operand(1)?, named, AccessKind::Write, frame.operand(2)))
        }
        Op::DeleteAttribute => {
            attribute(thread, at(frame.operand(1)?, named, AccessKind::Remove, None))
        }
        Op::LoadGlobal => {
            let globals = frame.globals()?;
            // SAFETY: the frame's globals and an interned str: no Python code runs.
            if unsafe { (python.dict_contains)(globals, instruction.name) } != 1 {
                return Some(Seen::Dull(instruction.hash));
            }
            shared(thread, at(globals, named, AccessKind::Read, None), instruction.hash)
        }
        Op::StoreGlobal => shared(
            thread,
            at(frame.globals()?, named, AccessKind::Write, frame.operand(1)),
            instruction.hash,
        ),
        Op::LoadCell => {
            let cell = frame.local(instruction.argument as usize)?;
            shared(thread, at(cell, CellKey::Content, AccessKind::Read, None), cell as u64)
        }
        Op::StoreCell => {
            let cell = frame.local(instruction.argument as usize)?;
            shared(
                thread,
                at(cell, CellKey::Content, AccessKind::Write, frame.operand(1)),
                cell as u64,
            )
        }
        Op::LoadItem => {
            let key = item_key(frame.operand(2)?, frame.operand(1)?)?;
            shared_container(thread, at(frame.operand(2)?, key, AccessKind::Read, None))
        }
        Op::StoreItem => {
            let (container, index) = (frame.operand(2)?, frame.operand(1)?);
            let key = item_key(container, index)?;
            note_new_key(
                thread,
                &at(container, CellKey::Structure, AccessKind::Append, None),
                index,
            );
            shared_container(thread, at(container, key, AccessKind::Write, frame.operand(3)))
        }
        Op::DeleteItem => {
            let (container, index) = (frame.operand(2)?, frame.operand(1)?);
            let key = item_key(container, index)?;
            shared_container(thread, at(container, CellKey::Structure, AccessKind::Remove, None));
            shared_container(thread, at(container, key, AccessKind::Remove, None))
        }
        Op::Contains => {
            let (container, item) = (frame.operand(1)?, frame.operand(2)?);
            // SAFETY: the operand of the running instruction is alive.
            let key = match unsafe { python.container(container) } {
                Container::List | Container::Deque => CellKey::Structure,
                _ => item_key(container, item)?,
            };
            shared_container(thread, at(container, key, AccessKind::Test, None))
        }
        Op::Iterate => {
            let container = viewed(frame.operand(1)?)?;
            shared_container(thread, at(container, CellKey::Structure, AccessKind::Iterate, None))
        }
        Op::NextItem => {
            let container = iterated(frame)?;
            shared_container(thread, at(container, CellKey::Structure, AccessKind::Iterate, None))
        }
        Op::Call => {
            let (called, known) = (frame.operand(3)? as usize, KNOWN.get()?);
            if called == known.len {
                let container = viewed(frame.operand(1)?)?;
                shared_container(thread, at(container, CellKey::Structure, AccessKind::Test, None))
            } else if called == known.append {
                let list = frame.operand(2)?;
                shared_container(thread, at(list, CellKey::Structure, AccessKind::Append, None))
            } else {
                None
            }
        }
        Op::Test => {
            let container = viewed(frame.operand(1)?)?;
            shared_container(thread, at(container, CellKey::Structure, AccessKind::Test, None))
        }
        Op::SendFlag => {
            send(thread, frame.operand(1)?);
            Some(Seen::Interesting)
        }
        Op::ReceiveFlag => {
            receive(thread, frame.operand(1)?);
            Some(Seen::Interesting)
        }
        Op::Await => {
            lock_order::on_await(thread, frame, site);
            Some(Seen::Interesting)
        }
    }
}

/// Looks at an attribute of an object, class or module.
fn attribute(thread: &mut Thread, mut access: Access) -> Option<Seen> {
    let python = python();
    let topic = access.instruction.map_or(0, |instruction| instruction.hash);
    // SAFETY: the operand of the running instruction is alive.
    unsafe {
        let class = type_of(access.object);
        if class == python.types.module {
            let dict = (python.module_dict)(access.object);
            if dict.is_null() {
                return None;
            }
            access.object = dict;
        } else {
            let owner = if python.is_class(access.object) { access.object as usize } else { class };
            if !python.is_heap_type(owner) {
                return Some(Seen::Dull(0));
            }
        }
    }
    shared(thread, access, topic)
}

fn shared_container(thread: &mut Thread, access: Access) -> Option<Seen> {
    // SAFETY: the operand of the running instruction is alive.
    let topic = unsafe { type_of(access.object) } as u64;
    shared(thread, access, topic)
}

/// Records an access, unless only this thread has the object.
fn shared(thread: &mut Thread, access: Access, topic: quiet::Topic) -> Option<Seen> {
    let found = match shadow::find(access.object) {
        Some(found) => found,
        // SAFETY: the operand of the running instruction is alive.
        None if unsafe { is_thread_local(access.object, thread.word) } => {
            if access.initializes && access.kind == AccessKind::Write {
                pause_in_initializer(thread, &access);
            }
            return Some(Seen::Dull(topic));
        }
        None => {
            // SAFETY: as above.
            let class = unsafe { type_of(access.object) };
            if KNOWN.get().is_some_and(|known| python().is_subclass(class, known.local)) {
                return Some(Seen::Dull(0));
            }
            let new = shadow::find_or_create(access.object)?;
            quiet::wake(topic);
            new
        }
    };
    if access.kind.writes() {
        quiet::wake(topic);
    }
    let written = record(thread, found, &access);
    Some(if written { Seen::Interesting } else { Seen::Unwritten(topic) })
}

/// Records that an assignment adds a key to a shared dict.
fn note_new_key(thread: &mut Thread, access: &Access, key: Object) {
    let python = python();
    // SAFETY: operands of the running instruction; hashing an exact str or int runs no Python code.
    unsafe {
        if shadow::find(access.object).is_none() && is_thread_local(access.object, thread.word) {
            return;
        }
        let plain = [python.types.text, python.types.integer].contains(&type_of(key));
        if type_of(access.object) == python.types.dict
            && plain
            && (python.dict_contains)(access.object, key) == 0
        {
            shared_container(thread, access.clone());
        }
    }
}

/// Returns the part of a container that an item operation concerns; `None` for other objects.
pub(crate) fn item_key(container: Object, index: Object) -> Option<CellKey> {
    let python = python();
    // SAFETY: operands of the running instruction; hashing exact types runs no Python code.
    unsafe {
        match python.container(container) {
            Container::List => python.small_int(index).map(CellKey::Index),
            Container::Dict | Container::Set => Some(CellKey::Item {
                hash: python.signature(index).number,
                // An attribute of a module is the same cell as the item of its dict.
                name_hash: (type_of(index) == python.types.text)
                    .then(|| (python.hash)(index) as u64),
                key: index,
            }),
            Container::Deque | Container::Other => None,
        }
    }
}

/// Returns the list, dict or set that a value is, or that it is a view of.
fn viewed(object: Object) -> Option<Object> {
    let python = python();
    // SAFETY: an operand of the running instruction; the first field of a view is its dict.
    unsafe {
        let class = type_of(object);
        let container = if python.types.dict_views.contains(&class) {
            word(object, HEADER) as Object
        } else {
            object
        };
        (!container.is_null() && python.container(container) != Container::Other)
            .then_some(container)
    }
}

/// Returns what a `for` loop iterates over.
fn iterated(frame: Frame) -> Option<Object> {
    let known = KNOWN.get()?;
    // From 3.15 on, lists are iterated by a tagged index over the list itself.
    let Some(iterator) = frame.operand(1) else { return viewed(frame.operand(2)?) };
    // SAFETY: the operand of the running instruction; the layouts are those of the iterator types:
    // a list's has its index first, the others the container.
    unsafe {
        let class = type_of(iterator);
        let at = if class == known.list_iterator {
            HEADER + 8
        } else if known.dict_iterators.contains(&class) || class == known.set_iterator {
            HEADER
        } else {
            return None;
        };
        let container = word(iterator, at) as Object;
        (!container.is_null()).then_some(container)
    }
}
