//! The builder's tables: each thing once, what comes when a table is full as one thing that says
//! so.

use super::Builder;
use crate::header::cut;
use crate::model::*;

/// Longest string that is kept whole, in bytes.
const LONGEST_STRING: usize = 4096;

/// What stands where there was no room.
const LEFT_OUT: &str = "(left out: more than ungil keeps)";

impl Builder {
    /// Interns a string.
    pub fn string(&mut self, text: &str) -> StringId {
        let text = cut(text, LONGEST_STRING);
        if let Some(id) = self.strings.get(text) {
            return *id;
        }
        let full = self.strings.len() >= self.limits.names
            || self.string_bytes + text.len() > self.limits.string_bytes;
        let text = if full { LEFT_OUT } else { text };
        if full && let Some(id) = self.strings.get(text) {
            return *id;
        }
        let id = StringId(self.strings.len() as u32);
        self.string_bytes += text.len();
        self.strings.insert(text.into(), id);
        self.profile.strings.push(text.into());
        self.tell(|to| to.string(text));
        id
    }

    /// Interns a function: `name` qualified, `first_line` 0 if it has none.
    pub fn function(&mut self, name: &str, file: &str, first_line: u32, kind: Kind) -> FunctionId {
        let function =
            Function { name: self.string(name), file: self.string(file), first_line, kind };
        self.intern_function(function)
    }

    pub(crate) fn intern_function(&mut self, mut function: Function) -> FunctionId {
        if !self.functions.contains_key(&function) && self.functions.len() >= self.limits.names {
            let name = self.string(LEFT_OUT);
            function = Function { name, file: StringId::EMPTY, first_line: 0, kind: Kind::Note };
        }
        let next = FunctionId(self.profile.functions.len() as u32);
        let id = *self.functions.entry(function).or_insert(next);
        if id == next {
            self.profile.functions.push(function);
            self.tell(|to| to.function(function));
        }
        id
    }

    /// Interns a line of a function; 0 if the line is unknown.
    pub fn frame(&mut self, function: FunctionId, line: u32) -> FrameId {
        let mut frame = Frame { function, line };
        if !self.frames.contains_key(&frame) && self.frames.len() >= self.limits.names {
            frame = Frame { function: self.function(LEFT_OUT, "", 0, Kind::Note), line: 0 };
        }
        let next = FrameId(self.profile.frames.len() as u32);
        let id = *self.frames.entry(frame).or_insert(next);
        if id == next {
            self.profile.frames.push(frame);
            self.tell(|to| to.frame(frame));
        }
        id
    }

    /// The stack in which `parent` calls `frame`: stacks are built from the root
    /// ([`StackId::EMPTY`]) towards the leaf.
    pub fn stack(&mut self, parent: StackId, frame: FrameId) -> StackId {
        let mut stack = Stack { parent, frame };
        let grown = self.grown[parent.index()];
        if grown != StackId::EMPTY && self.profile.stacks[grown.index()] == stack {
            return grown;
        }
        if self.stacks.len() >= self.limits.stacks && !self.stacks.contains_key(&stack) {
            stack = self.left_out();
        }
        let next = StackId(self.profile.stacks.len() as u32);
        let id = *self.stacks.entry(stack).or_insert(next);
        if id == next {
            self.profile.stacks.push(stack);
            self.grown.push(StackId::EMPTY);
            self.tell(|to| to.stack(stack));
        }
        self.grown[stack.parent.index()] = id;
        id
    }

    /// The stack that stands for those there was no room for.
    pub(super) fn left_out(&mut self) -> Stack {
        let function = self.function(LEFT_OUT, "", 0, Kind::Note);
        Stack { parent: StackId::EMPTY, frame: self.frame(function, 0) }
    }

    /// Interns a thread by its process and the kernel's id. A name that is not empty replaces an
    /// older one.
    pub fn thread(&mut self, pid: u32, native_id: u32, name: &str) -> ThreadId {
        let name = self.string(name);
        self.intern_thread(Thread { pid, native_id, name })
    }

    pub(crate) fn intern_thread(&mut self, mut thread: Thread) -> ThreadId {
        let full = self.threads.len() >= self.limits.threads;
        if full && !self.threads.contains_key(&(thread.pid, thread.native_id)) {
            thread = Thread { pid: 0, native_id: 0, name: self.string(LEFT_OUT) };
        }
        let next = ThreadId(self.profile.threads.len() as u32);
        let id = *self.threads.entry((thread.pid, thread.native_id)).or_insert(next);
        if id == next {
            self.profile.threads.push(thread);
            self.last.push(None);
            self.tell(|to| to.thread(thread));
        } else if thread.name != StringId::EMPTY
            && self.profile.threads[id.index()].name != thread.name
        {
            self.profile.threads[id.index()].name = thread.name;
            self.tell(|to| to.thread_name(id, thread.name));
        }
        id
    }

    /// Interns a lock by its process, address and kind. A name that is not empty replaces an older
    /// one.
    pub fn lock(&mut self, pid: u32, address: u64, kind: &str, name: &str) -> LockId {
        let lock = Lock { pid, address, kind: self.string(kind), name: self.string(name) };
        self.intern_lock(lock)
    }

    pub(crate) fn intern_lock(&mut self, mut lock: Lock) -> LockId {
        let full = self.locks.len() >= self.limits.names;
        if full && !self.locks.contains_key(&(lock.pid, lock.address, lock.kind)) {
            lock = Lock { pid: 0, address: 0, kind: self.string(LEFT_OUT), name: StringId::EMPTY };
        }
        let next = LockId(self.profile.locks.len() as u32);
        let id = *self.locks.entry((lock.pid, lock.address, lock.kind)).or_insert(next);
        if id == next {
            self.profile.locks.push(lock);
            self.tell(|to| to.lock(lock));
        } else if lock.name != StringId::EMPTY && self.profile.locks[id.index()].name != lock.name {
            self.profile.locks[id.index()].name = lock.name;
            self.tell(|to| to.lock_name(id, lock.name));
        }
        id
    }
}
