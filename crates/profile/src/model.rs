//! What a profile is made of: functions, lines of them, stacks, threads, locks, pauses, samples,
//! and the ids by which they name each other. Ids are made by [`crate::Builder`] and hold in its
//! profile.

use serde::{Deserialize, Serialize, Serializer};
use ungil_remote::ThreadState;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) u32);

        impl $name {
            /// Its row in the profile's table.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

ids! {
    /// A string of the profile.
    StringId,
    /// A row of [`Profile::functions`].
    FunctionId,
    /// A row of [`Profile::frames`].
    FrameId,
    /// A row of [`Profile::stacks`].
    StackId,
    /// A row of [`Profile::threads`].
    ThreadId,
    /// A row of [`Profile::locks`].
    LockId,
}

impl StringId {
    /// The empty string.
    pub const EMPTY: StringId = StringId(0);
}

impl StackId {
    /// The stack with no frame: every stack's root.
    pub const EMPTY: StackId = StackId(0);
}

/// What sort of thing a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A Python function.
    Python,
    /// A function of machine code: file is its library, line 0.
    Native,
    /// The garbage collector, at the leaf of the thread that runs it.
    Gc,
    /// An asyncio task that the frames above (towards the leaf) run in.
    Task,
    /// A type, as the leaf of an allocation.
    Type,
    /// Said by ungil itself, such as what it stands for is left out.
    Note,
}

impl Kind {
    /// Every kind; a kind's place here is its number in a recording.
    pub const ALL: [Kind; 6] =
        [Kind::Python, Kind::Native, Kind::Gc, Kind::Task, Kind::Type, Kind::Note];
}

/// What a sample is of: a thread in a state, or memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Activity {
    /// A thread.
    Thread(ThreadState),
    /// Memory that was allocated and is in use at the end (profiles of allocations).
    Live,
    /// Memory that was allocated and freed again.
    Freed,
}

impl Activity {
    /// A thread that runs Python code.
    pub const RUNNING: Activity = Activity::Thread(ThreadState::Running);
    /// A thread that waits for a lock.
    pub const LOCK: Activity = Activity::Thread(ThreadState::Lock);
    /// A thread that waits for the GIL.
    pub const GIL: Activity = Activity::Thread(ThreadState::Gil);
    /// A thread that sleeps in a system call.
    pub const SYSCALL: Activity = Activity::Thread(ThreadState::Syscall);
    /// A thread that waits for something to happen.
    pub const EVENT: Activity = Activity::Thread(ThreadState::Event);
    /// A thread suspended by a stop-the-world pause.
    pub const SUSPENDED: Activity = Activity::Thread(ThreadState::Suspended);

    /// Every activity; an activity's place here is its number in a recording. New ones are added at
    /// the end.
    pub const ALL: [Activity; 10] = [
        Activity::Thread(ThreadState::Running),
        Activity::Thread(ThreadState::Lock),
        Activity::Thread(ThreadState::Gil),
        Activity::Thread(ThreadState::Suspended),
        Activity::Thread(ThreadState::Syscall),
        Activity::Live,
        Activity::Freed,
        Activity::Thread(ThreadState::Native),
        Activity::Thread(ThreadState::Event),
        Activity::Thread(ThreadState::Ending),
    ];

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Activity::Thread(state) => state.name(),
            Activity::Live => "live",
            Activity::Freed => "freed",
        }
    }

    /// In words.
    pub fn description(self) -> &'static str {
        match self {
            Activity::Thread(state) => state.description(),
            Activity::Live | Activity::Freed => self.name(),
        }
    }

    /// Returns whether a thread was on a processor, or ready to be.
    pub fn is_busy(self) -> bool {
        matches!(self, Activity::Thread(ThreadState::Running | ThreadState::Native))
    }

    /// Its place in [`Activity::ALL`].
    pub(crate) fn number(self) -> u8 {
        Activity::ALL.iter().position(|&activity| activity == self).unwrap_or(0) as u8
    }
}

impl Serialize for Activity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Function {
    /// Qualified name.
    pub name: StringId,
    /// Its file as the interpreter has it.
    pub file: StringId,
    /// Line on which it begins; 0 if there is none.
    pub first_line: u32,
    /// What sort of thing it is.
    pub kind: Kind,
}

/// A line of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The function.
    pub function: FunctionId,
    /// The line; 0 if unknown.
    pub line: u32,
}

/// A stack: its caller's stack and one frame more. [`StackId::EMPTY`]'s own row stands for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stack {
    /// The stack without its leaf.
    pub parent: StackId,
    /// The leaf.
    pub frame: FrameId,
}

/// A thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its process.
    pub pid: u32,
    /// The kernel's id of it.
    pub native_id: u32,
    /// Its name; empty if unknown.
    pub name: StringId,
}

impl Thread {
    /// From here on [`Thread::native_id`] is no thread's: the row is of the tasks that wait in the
    /// thread with the number that is this much less. The kernel's own go up to 2^22.
    pub const TASKS: u32 = 1 << 30;
}

/// A lock, or the object whose lock it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Its process.
    pub pid: u32,
    /// Address of the object, or of the bare mutex.
    pub address: u64,
    /// Its type, such as `threading.Lock` or `dict`, or the name of a mutex of the runtime's own.
    pub kind: StringId,
    /// What refers to it, such as `cache at app.py:31`; empty if unknown.
    pub name: StringId,
}

/// Why everything stood still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PauseKind {
    /// A collection.
    Collection,
    /// All threads stopped, for whatever reason.
    StopTheWorld,
}

impl PauseKind {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            PauseKind::Collection => "garbage collection",
            PauseKind::StopTheWorld => "stop the world",
        }
    }
}

/// A pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Its process.
    pub pid: u32,
    /// Why.
    pub kind: PauseKind,
    /// When it was first seen, in nanoseconds on the samples' clock.
    pub start_ns: u64,
    /// How long it was seen to last, in nanoseconds.
    pub duration_ns: u64,
    /// What more is known, such as `generation 2`; may be empty.
    pub detail: StringId,
}

/// One thread as one look saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When, in nanoseconds since the profile began.
    pub at_ns: u64,
    /// What it stands for, in the header's unit: usually the time since the thread was last seen.
    pub weight: u64,
    /// The thread.
    pub thread: ThreadId,
    /// Where it was.
    pub stack: StackId,
    /// What it did.
    pub activity: Activity,
    /// What it waited for.
    pub lock: Option<LockId>,
    /// Where the holder of that lock was.
    pub holder: Option<FrameId>,
}

/// What weights are summed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The thread.
    pub thread: ThreadId,
    /// Where it was.
    pub stack: StackId,
    /// What it did.
    pub activity: Activity,
    /// What it waited for.
    pub lock: Option<LockId>,
    /// Where the holder of that lock was.
    pub holder: Option<FrameId>,
}

/// How much was seen of one [`Key`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Samples.
    pub samples: u64,
    /// Their weights' sum, in the header's unit.
    pub weight: u64,
}
