//! The builder's tables: each entry is stored once. When a table is full, a placeholder stands for
//! further entries.

use super::Builder;
use crate::header::cut;
use crate::model::*;

/// Maximum length of a string, in bytes.
const MAX_STRING: usize = 4096;

/// The placeholder for entries beyond a bound.
const LEFT_OUT: &str = "(left out: more than ungil keeps)";

impl Builder {
    /// Interns a string.
    pub fn string(&mut self, text: &str) -> StringId {
        let text = cut(text, MAX_STRING);
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
        self.record_with(|to| to.string(text));
        id
    }

    /// Interns a function. `name` is the qualified name; `first_line` is 0 if it has none.
    pub fn function(
        &mut self,
        name: &str,
        file: &str,
        first_line: u32,
        kind: FrameKind,
    ) -> FunctionId {
        let function =
            Function { name: self.string(name), file: self.string(file), first_line, kind };
        self.intern_function(function)
    }

    pub(crate) fn intern_function(&mut self, mut function: Function) -> FunctionId {
        if !self.functions.contains_key(&function) && self.functions.len() >= self.limits.names {
            let name = self.string(LEFT_OUT);
            function =
                Function { name, file: StringId::EMPTY, first_line: 0, kind: FrameKind::Note };
        }
        let next = FunctionId(self.profile.functions.len() as u32);
        let id = *self.functions.entry(function).or_insert(next);
        if id == next {
            self.profile.functions.push(function);
            self.record_with(|to| to.function(function));
        }
        id
    }

    /// Interns a line of a function; 0 if the line is unknown.
    pub fn frame(&mut self, function: FunctionId, line: u32) -> FrameId {
        let mut frame = Frame { function, line };
        if !self.frames.contains_key(&frame) && self.frames.len() >= self.limits.names {
            frame = Frame { function: self.function(LEFT_OUT, "", 0, FrameKind::Note), line: 0 };
        }
        let next = FrameId(self.profile.frames.len() as u32);
        let id = *self.frames.entry(frame).or_insert(next);
        if id == next {
            self.profile.frames.push(frame);
            self.record_with(|to| to.frame(frame));
        }
        id
    }

    /// Interns the stack in which `parent` calls `frame`. Stacks are built from the root
    /// ([`StackId::EMPTY`]) towards the leaf.
    pub fn stack(&mut self, parent: StackId, frame: FrameId) -> StackId {
        let mut stack = Stack { parent, frame };
        let last_child = self.last_child[parent.index()];
        if last_child != StackId::EMPTY && self.profile.stacks[last_child.index()] == stack {
            return last_child;
        }
        if self.stacks.len() >= self.limits.stacks && !self.stacks.contains_key(&stack) {
            stack = self.left_out_stack();
        }
        let next = StackId(self.profile.stacks.len() as u32);
        let id = *self.stacks.entry(stack).or_insert(next);
        if id == next {
            self.profile.stacks.push(stack);
            self.last_child.push(StackId::EMPTY);
            self.record_with(|to| to.stack(stack));
        }
        self.last_child[stack.parent.index()] = id;
        id
    }

    /// Returns the placeholder for stacks beyond the bound.
    pub(super) fn left_out_stack(&mut self) -> Stack {
        let function = self.function(LEFT_OUT, "", 0, FrameKind::Note);
        Stack { parent: StackId::EMPTY, frame: self.frame(function, 0) }
    }

    /// Interns a thread by its process and kernel id. A non-empty name replaces an older one.
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
            self.record_with(|to| to.thread(thread));
        } else if thread.name != StringId::EMPTY
            && self.profile.threads[id.index()].name != thread.name
        {
            self.profile.threads[id.index()].name = thread.name;
            self.record_with(|to| to.thread_name(id, thread.name));
        }
        id
    }

    /// Interns a lock by its process, address and kind. A non-empty name replaces an older one.
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
            self.record_with(|to| to.lock(lock));
        } else if lock.name != StringId::EMPTY && self.profile.locks[id.index()].name != lock.name {
            self.profile.locks[id.index()].name = lock.name;
            self.record_with(|to| to.lock_name(id, lock.name));
        }
        id
    }
}
