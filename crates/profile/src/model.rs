//! The entries of a profile: functions, lines, stacks, threads, locks, pauses and samples, and the
//! ids by which they refer to each other. [`crate::Builder`] assigns ids; they are valid in its
//! profile only.

use serde::{Deserialize, Serialize, Serializer};
use ungil_remote::ThreadState;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) u32);

        impl $name {
            /// Returns its row in the profile's table.
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
    /// The stack without frames, the root of every stack.
    pub const EMPTY: StackId = StackId(0);
}

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FrameKind {
    /// A Python function.
    Python,
    /// A native function; its file is the library, its line 0.
    Native,
    /// The garbage collector, as the leaf of the thread that runs it.
    Gc,
    /// An asyncio task, which runs the frames towards the leaf.
    Task,
    /// A type, as the leaf of an allocation.
    Type,
    /// A placeholder of ungil's own, such as for frames that were left out.
    Note,
}

impl FrameKind {
    /// All kinds. The index of a kind is its number in a recording.
    pub const ALL: [FrameKind; 6] = [
        FrameKind::Python,
        FrameKind::Native,
        FrameKind::Gc,
        FrameKind::Task,
        FrameKind::Type,
        FrameKind::Note,
    ];
}

/// What a sample measures: a thread in a state, or memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Activity {
    /// A thread.
    Thread(ThreadState),
    /// Memory that is still allocated at the end (allocation profiles).
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
    /// A thread that waits for an event.
    pub const EVENT: Activity = Activity::Thread(ThreadState::Event);
    /// A thread suspended by a stop-the-world pause.
    pub const SUSPENDED: Activity = Activity::Thread(ThreadState::Suspended);

    /// All activities. The index of an activity is its number in a recording, so new ones are added
    /// at the end.
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

    /// Returns the name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Activity::Thread(state) => state.name(),
            Activity::Live => "live",
            Activity::Freed => "freed",
        }
    }

    /// Returns a description.
    pub fn description(self) -> &'static str {
        match self {
            Activity::Thread(state) => state.description(),
            Activity::Live | Activity::Freed => self.name(),
        }
    }

    /// Returns whether the thread was on a CPU, or ready to be.
    pub fn is_busy(self) -> bool {
        matches!(self, Activity::Thread(ThreadState::Running | ThreadState::Native))
    }

    /// Returns the index in [`Activity::ALL`].
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
    /// File name, as the interpreter has it.
    pub file: StringId,
    /// First line; 0 if it has none.
    pub first_line: u32,
    /// Its kind.
    pub kind: FrameKind,
}

/// A line of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The function.
    pub function: FunctionId,
    /// The line; 0 if unknown.
    pub line: u32,
}

/// A stack: its caller's stack and one more frame. The row of [`StackId::EMPTY`] is its own parent.
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
    /// Kernel thread id.
    pub native_id: u32,
    /// Its name; empty if unknown.
    pub name: StringId,
}

impl Thread {
    /// Offset of synthetic thread ids. A [`Thread::native_id`] of at least this value is a
    /// synthetic thread for the waiting tasks of the thread with the id that is this much smaller.
    /// Kernel thread ids are at most 2^22.
    pub const TASKS: u32 = 1 << 30;
}

/// A lock, or the object that contains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Its process.
    pub pid: u32,
    /// Address of the object, or of the bare mutex.
    pub address: u64,
    /// Type of the object, such as `threading.Lock` or `dict`, or the name of a runtime mutex.
    pub kind: StringId,
    /// What refers to it, such as `cache at app.py:31`; empty if unknown.
    pub name: StringId,
}

/// The kind of a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PauseKind {
    /// A collection.
    Collection,
    /// All threads suspended, for any reason.
    StopTheWorld,
}

impl PauseKind {
    /// Returns a description.
    pub fn description(self) -> &'static str {
        match self {
            PauseKind::Collection => "garbage collection",
            PauseKind::StopTheWorld => "stop-the-world pause",
        }
    }
}

/// A pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Its process.
    pub pid: u32,
    /// The kind.
    pub kind: PauseKind,
    /// When it was first seen, in nanoseconds on the samples' clock.
    pub start_ns: u64,
    /// Observed duration in nanoseconds.
    pub duration_ns: u64,
    /// Additional information, such as `generation 2`; may be empty.
    pub detail: StringId,
}

/// One thread in one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Time in nanoseconds since the profile began.
    pub at_ns: u64,
    /// Weight in the header's unit: usually the time since the thread was last seen.
    pub weight: u64,
    /// The thread.
    pub thread: ThreadId,
    /// Its stack.
    pub stack: StackId,
    /// Its activity.
    pub activity: Activity,
    /// What it waited for.
    pub lock: Option<LockId>,
    /// Frame of the lock's holder.
    pub holder: Option<FrameId>,
}

/// The key of a sum of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowKey {
    /// The thread.
    pub thread: ThreadId,
    /// Its stack.
    pub stack: StackId,
    /// Its activity.
    pub activity: Activity,
    /// What it waited for.
    pub lock: Option<LockId>,
    /// Frame of the lock's holder.
    pub holder: Option<FrameId>,
}

/// The weight of one [`RowKey`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Number of samples.
    pub samples: u64,
    /// Sum of their weights, in the header's unit.
    pub weight: u64,
}
