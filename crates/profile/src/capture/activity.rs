//! What a thread does at a look.
//!
//! A thread that is attached to its interpreter runs, or would if there were a processor free. Of one that is not, the kernel says
//! whether it sleeps and in what: that is a file to read, several times as dear as the rest of a look, so its answer is kept
//! while the thread stays in the same place and is not old.

use crate::model::Activity;
use ungil_remote::Attachment;
use ungil_remote::linux::calls::{Call, CallFile, Doing};
use ungil_remote::sample::Slot;
use ungil_remote::waits::{On, Waiting, Waits};

/// How long an answer of the kernel's holds, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Freshness {
    /// For a thread that has not moved.
    pub(super) at_rest: u64,
    /// For one that has.
    pub(super) moving: u64,
}

/// What a thread was found doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) activity: Activity,
    /// What it sleeps on, where that is something a thread can wait for.
    pub(super) waiting: Option<Waiting>,
    /// The system call it sleeps in.
    pub(super) call: Option<Call>,
}

impl Found {
    fn plain(activity: Activity) -> Found {
        Found { activity, waiting: None, call: None }
    }
}

/// One thread's file, and what it last said.
#[derive(Debug, Default)]
pub(super) struct Asking {
    file: Option<CallFile>,
    /// The file cannot be had.
    refused: bool,
    last: Option<(Found, u64)>,
}

impl Asking {
    /// What the thread does. `at_ns` is the look's time on any clock that does not go back.
    pub(super) fn find(
        &mut self,
        pid: u32,
        slot: &Slot,
        waits: &Waits<'_>,
        fresh: Freshness,
        at_ns: u64,
    ) -> Found {
        match slot.thread.attachment {
            Attachment::Attached => {
                self.last = None;
                return Found::plain(Activity::Running);
            }
            Attachment::Suspended | Attachment::Detached | Attachment::Other(_) => {}
        }
        let age = if slot.rest() > 0 { fresh.at_rest } else { fresh.moving };
        if let Some((found, then)) = self.last
            && at_ns.saturating_sub(then) < age
        {
            return found;
        }
        let found = self.ask(pid, slot, waits);
        self.last = Some((found, at_ns));
        found
    }

    /// The kernel's files cannot be read for this thread: what it does while detached is not known.
    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }

    /// The thread still sleeps in that call, at that place.
    pub(super) fn is_in(&self, call: &Call) -> bool {
        self.file.as_ref().is_some_and(|file| file.read() == Doing::Call(*call))
    }

    fn ask(&mut self, pid: u32, slot: &Slot, waits: &Waits<'_>) -> Found {
        if self.file.is_none() && !self.refused {
            match CallFile::open(pid, slot.thread.native_id) {
                Ok(file) => self.file = Some(file),
                // It has ended meanwhile, or has only just begun and not said its number yet.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(_) => self.refused = true,
            }
        }
        // During a stop-the-world pause threads that sleep anyway are suspended too: what they wait for is still so.
        let is_suspended = slot.thread.attachment == Attachment::Suspended;
        let awake = if is_suspended { Activity::Stopped } else { Activity::Running };
        let Some(file) = &self.file else {
            return Found::plain(if is_suspended { awake } else { Activity::System });
        };
        let doing = file.read();
        let waiting = waits.of(&slot.thread, &doing);
        let waited_for_gil = self.last.is_some_and(|(last, _)| last.activity == Activity::Gil);
        let activity = match (&doing, waiting.map(|waiting| waiting.on)) {
            (_, Some(On::Gil(_))) => Activity::Gil,
            (_, Some(On::World)) => Activity::Stopped,
            (_, Some(On::Parked(_) | On::Ungil(_) | On::Futex(_))) => Activity::Lock,
            // Who waits for the GIL wakes up every few milliseconds to ask for it: it has not got it if it has not moved.
            (Doing::Running, None) if waited_for_gil && slot.rest() > 0 => Activity::Gil,
            (Doing::Running, None) => awake,
            // In a futex and waited for nothing: it has just been woken.
            (Doing::Call(call), None) if call.is_futex() => awake,
            (Doing::Asleep | Doing::Unknown, None) if is_suspended => awake,
            (Doing::Unknown, None) => {
                self.refused = true;
                Activity::System
            }
            _ => Activity::System,
        };
        let call = match doing {
            Doing::Call(call) if activity != awake => Some(call),
            _ => None,
        };
        Found { activity, waiting, call }
    }
}
