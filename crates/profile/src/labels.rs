//! One-line labels of functions, frames, threads and locks, the same in every format and in text.

use crate::model::*;
use crate::profile::Profile;
use ungil_remote::{ThreadState, WaitTarget};

impl Profile {
    /// Formats a frame: `put (app.py:31)`, or the name alone if it has no file.
    pub fn frame_label(&self, frame: FrameId) -> String {
        let function = self.function(frame);
        let (name, place) = (self.string(function.name), self.place(frame));
        if place.is_empty() { name.into() } else { format!("{name} ({place})") }
    }

    /// Formats a frame's file and line: `app.py:31`, with the last part of the path; empty if it
    /// has no file.
    pub fn place(&self, frame: FrameId) -> String {
        let function = self.function(frame);
        let file = self.string(function.file);
        let file = file.rsplit('/').next().unwrap_or(file);
        match (file, self.frames[frame.index()].line) {
            ("", _) => String::new(),
            (file, 0) => file.into(),
            (file, line) => format!("{file}:{line}"),
        }
    }

    /// Formats a thread: its name and kernel id.
    pub fn thread_label(&self, thread: &Thread) -> String {
        match self.string(thread.name) {
            "" => format!("thread {}", thread.native_id),
            name if thread.native_id == 0 || thread.native_id >= Thread::TASKS => name.into(),
            name => format!("{name} ({})", thread.native_id),
        }
    }

    /// Formats a lock: ``dict `cache` `` or ``Lock `q.mutex` in worker()``, or its kind and address
    /// if the name is unknown. A runtime mutex is shown by its name alone.
    pub fn lock_label(&self, lock: &Lock) -> String {
        let (kind, name) = (self.string(lock.kind), self.string(lock.name));
        let target = WaitTarget::from_name(kind);
        let label = target.as_ref().map_or(kind.into(), WaitTarget::label);
        if matches!(&target, Some(target @ (WaitTarget::RuntimeMutex(_) | WaitTarget::StopTheWorld)) if !target.is_unnamed())
        {
            return label.into_owned();
        }
        if name.is_empty() {
            return match lock.address {
                0 => label.into_owned(),
                address => format!("{label} 0x{address:x}"),
            };
        }
        let place = [" at ", " in "].iter().filter_map(|word| name.find(word)).min();
        let (what, place) = name.split_at(place.unwrap_or(name.len()));
        format!("{label} `{what}`{place}")
    }

    /// Formats what a waiting thread waited for, in brackets; `None` if it ran.
    pub fn wait_label(&self, key: &RowKey) -> Option<String> {
        match (key.activity, key.lock) {
            (activity, _) if activity.is_busy() => None,
            (Activity::Thread(ThreadState::Lock | ThreadState::Event), Some(lock)) => {
                Some(format!("[waiting for {}]", self.lock_label(&self.locks[lock.index()])))
            }
            (other, _) => Some(format!("[{}]", other.description())),
        }
    }
}
