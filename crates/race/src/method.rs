//! What the wrapped C methods mean: synchronization, and accesses to containers.
#![allow(unsafe_code)] // Reads the arguments of C calls.

use crate::access::{Access, AccessKind, CellKey};
use crate::detector::record;
use crate::frame::Frame;
use crate::instruction::table;
use crate::lock_order;
use crate::monitor::item_key;
use crate::pause::make_pending_pause;
use crate::python::{Object, is_thread_local, python, type_of};
use crate::quiet;
use crate::shadow;
use crate::stack::Site;
use crate::started_thread;
use crate::thread::Thread;

macro_rules! effects {
    ($($(#[$about:meta])* $name:ident)*) => {
        /// What a method does.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Effect { $($(#[$about])* $name,)* }

        const EFFECTS: &[(&str, Effect)] = &[$((stringify!($name), Effect::$name),)*];
    };
}

effects! {
    Nothing
    /// Acquires the lock if the result is true.
    Acquire
    /// Acquires the lock as often as it was held before a wait.
    AcquireRestore
    Release
    /// Releases the lock however often it is held.
    ReleaseSave
    /// Hands something over to whoever receives from the same object.
    Send
    Receive
    /// Waits for the end of a started thread, or asks whether it has ended.
    Join
    /// Starts a thread.
    Start
    ReadItem
    UpdateItem
    RemoveItem
    TestStructure
    AppendItem
    RemoveAny
    AddElement
    RemoveElement
    /// Another tool begins to watch instructions.
    OtherTool
    /// Adds to a queue that others take from, or takes from it.
    SendItem
    ReceiveItem
    Sort
    /// The attribute of the first argument that the second one names.
    TestAttribute
    ReadAttribute
    WriteAttribute
}

impl Effect {
    pub(crate) fn from_name(name: &str) -> Option<Effect> {
        EFFECTS.iter().find(|(known, _)| *known == name).map(|&(_, effect)| effect)
    }

    pub(crate) fn from_number(number: u8) -> Effect {
        EFFECTS.get(usize::from(number)).map_or(Effect::Nothing, |&(_, effect)| effect)
    }
}

/// The positional arguments of a call, in the form of its calling convention.
pub(crate) enum Arguments {
    One(Object),
    Array(*const Object, isize),
    /// Followed by the values of the keywords, whose names are in a tuple or NULL.
    ArrayKeywords(*const Object, isize, Object),
    Tuple(Object),
    TupleKeywords(Object, Object),
}

impl Arguments {
    pub(crate) fn first(&self) -> Option<Object> {
        self.at(0)
    }

    /// Returns the argument `blocking` of an `acquire`.
    fn blocking(&self) -> Option<Object> {
        let python = python();
        let keyword = || {
            // SAFETY: the keywords of the call under way.
            let found = unsafe {
                match *self {
                    Arguments::ArrayKeywords(arguments, count, names) if !names.is_null() => {
                        let index = (0..(python.tuple_size)(names)).find(|&index| {
                            let name = python.string((python.tuple_item)(names, index));
                            name.as_deref() == Some("blocking")
                        })?;
                        *arguments.offset(count + index)
                    }
                    Arguments::TupleKeywords(_, names) if !names.is_null() => {
                        (python.dict_item)(names, c"blocking".as_ptr())
                    }
                    _ => return None,
                }
            };
            (!found.is_null()).then_some(found)
        };
        self.first().or_else(keyword)
    }

    fn at(&self, index: isize) -> Option<Object> {
        // SAFETY: the interpreter's arguments, alive during the call.
        let found = unsafe {
            match *self {
                Arguments::One(argument) if index == 0 => argument,
                Arguments::Array(arguments, count)
                | Arguments::ArrayKeywords(arguments, count, _)
                    if count > index =>
                {
                    *arguments.offset(index)
                }
                Arguments::Tuple(arguments) | Arguments::TupleKeywords(arguments, _)
                    if !arguments.is_null() && (python().tuple_size)(arguments) > index =>
                {
                    (python().tuple_item)(arguments, index)
                }
                _ => return None,
            }
        };
        (!found.is_null()).then_some(found)
    }
}

/// Called before the method.
pub(crate) fn before(effect: Effect, receiver: Object, arguments: &Arguments) {
    if effect != Effect::Nothing {
        Thread::with(|thread| {
            if thread.pause.is_some() {
                make_pending_pause(thread);
            }
        });
    }
    match effect {
        Effect::Acquire => {
            // `acquire(False)` does not wait, so it cannot be part of a deadlock.
            // SAFETY: a live argument; the truth of a bool runs no Python code.
            let waits = arguments.blocking().is_none_or(|first| unsafe {
                crate::python::type_of(first) != python().types.boolean
                    || (python().is_true)(first) != 0
            });
            if waits {
                Thread::with(|thread| lock_order::before_acquire(thread, receiver));
            }
        }
        Effect::Release => {
            Thread::with(|thread| lock_order::released(thread, receiver, false));
        }
        Effect::ReleaseSave => {
            Thread::with(|thread| lock_order::released(thread, receiver, true));
        }
        Effect::Send => {
            Thread::with(|thread| send(thread, receiver));
        }
        Effect::UpdateItem => item(receiver, arguments, AccessKind::Update),
        Effect::RemoveItem => {
            structure(receiver, AccessKind::Remove);
            item(receiver, arguments, AccessKind::Remove);
        }
        Effect::ReadItem => item(receiver, arguments, AccessKind::Read),
        Effect::AddElement => {
            structure(receiver, AccessKind::Append);
            item(receiver, arguments, AccessKind::Append);
        }
        Effect::SendItem => {
            structure(receiver, AccessKind::Append);
            Thread::with(|thread| send(thread, receiver));
        }
        Effect::OtherTool => quiet::share(),
        Effect::ReceiveItem => structure(receiver, AccessKind::Remove),
        Effect::Sort => structure(receiver, AccessKind::Sort),
        Effect::TestAttribute => attribute(arguments, AccessKind::Test),
        Effect::ReadAttribute => attribute(arguments, AccessKind::Read),
        Effect::WriteAttribute => attribute(arguments, AccessKind::Write),
        Effect::RemoveElement => {
            structure(receiver, AccessKind::Remove);
            item(receiver, arguments, AccessKind::Remove);
        }
        Effect::AppendItem => structure(receiver, AccessKind::Append),
        Effect::RemoveAny => structure(receiver, AccessKind::Remove),
        Effect::TestStructure => structure(receiver, AccessKind::Test),
        _ => {}
    }
}

/// Called after the method.
pub(crate) fn after(effect: Effect, receiver: Object, result: Object) {
    if result.is_null() {
        return;
    }
    match effect {
        // SAFETY: the result is a bool, or the lock itself.
        Effect::Acquire if unsafe { (python().is_true)(result) } == 1 => {
            Thread::with(|thread| lock_order::acquired(thread, receiver));
        }
        Effect::AcquireRestore => {
            Thread::with(|thread| lock_order::acquired(thread, receiver));
        }
        Effect::Receive | Effect::ReceiveItem => {
            Thread::with(|thread| receive(thread, receiver));
        }
        Effect::Join => {
            Thread::with(|thread| started_thread::join(thread, receiver));
        }
        _ => {}
    }
}

/// Everything so far happens before what a receiver does next.
pub(crate) fn send(thread: &mut Thread, object: Object) {
    if let Some(record) = shadow::find_or_create(object) {
        record.state().released.all.join(&thread.clocks.all);
        thread.advance();
    }
}

pub(crate) fn receive(thread: &mut Thread, object: Object) {
    if let Some(record) = shadow::find(object) {
        thread.clocks.all.join(&record.state().released.all);
    }
}

fn item(container: Object, arguments: &Arguments, kind: AccessKind) {
    let Some(index) = arguments.first() else { return };
    access(container, kind, || item_key(container, index));
}

fn attribute(arguments: &Arguments, kind: AccessKind) {
    let (Some(object), Some(name)) = (arguments.first(), arguments.at(1)) else { return };
    let python = python();
    // SAFETY: arguments of the call under way; hashing an exact str runs no Python code.
    let hash = unsafe {
        if type_of(name) != python.types.text || !python.is_heap_type(type_of(object)) {
            return;
        }
        (python.hash)(name) as u64
    };
    access(object, kind, || Some(CellKey::Name { hash, name }));
}

fn structure(container: Object, kind: AccessKind) {
    access(container, kind, || Some(CellKey::Structure));
}

/// Records an access that a C method makes for the innermost Python function, if that is looked at.
fn access(container: Object, kind: AccessKind, key: impl FnOnce() -> Option<CellKey>) {
    Thread::with(|thread| {
        // SAFETY: the receiver of the call under way.
        if shadow::find(container).is_none() && unsafe { is_thread_local(container, thread.word) } {
            return;
        }
        let Some(frame) = Frame::current() else { return };
        let Some(code) = frame.code() else { return };
        let table = thread.table(code as usize, || table(code));
        if !table.in_scope {
            return;
        }
        let offset = frame.offset();
        let (Some(key), Some(found)) = (key(), shadow::find_or_create(container)) else { return };
        let access = Access {
            object: container,
            key,
            kind,
            value: None,
            frame,
            site: Site { code: code as usize, offset },
            instruction: table.at(offset),
            initializes: table.initializes,
        };
        record(thread, found, &access);
    });
}
