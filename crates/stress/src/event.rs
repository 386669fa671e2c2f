//! What the detector writes: one JSON object a line.

use serde::{Deserialize, Serialize};

/// A line of the detector's report.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Event {
    Race(Box<Race>),
    Order(Box<Order>),
    Await(HeldAcross),
    Fork(Fork),
    Gil { warning: String },
    End,
}

/// Which fault two accesses are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// A write of a value that was computed from an older one than it replaces.
    LostUpdate,
    /// An action after a test whose result another thread may have changed.
    CheckThenAct,
    /// An iteration over a container that another thread changes.
    Iteration,
    /// An object that another thread reaches before its `__init__` has set all its attributes.
    UnsafePublication,
    /// A reader without the lock under which the parts it reads are written together.
    HalfUpdate,
    /// A read that may or may not see another thread's write.
    StaleRead,
    /// Two writes of which either may be the last.
    BlindWrites,
    /// Two threads store equal values where there was none, as a cache does.
    EqualValues,
    /// Locks that threads acquire in different orders.
    LockOrder,
    /// A coroutine that is suspended while it holds a thread's lock.
    AwaitWithLock,
    /// A fork while another thread holds a lock, which the child can never acquire.
    ForkWithLock,
    /// A fork beside running threads.
    ForkBesideThreads,
    /// The program failed under some schedules and not under others.
    Failure,
    /// An import has switched the GIL on.
    GilEnabled,
}

/// Which part of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    Attribute,
    Item,
    /// Which items there are.
    Structure,
    /// A variable that a closure shares.
    Closure,
}

/// A place in a program, as CPython's position table gives it. Columns are bytes, from 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StackFrame {
    pub file: String,
    pub function: String,
    pub line: i64,
    pub column: i64,
    pub end_line: i64,
    pub end_column: i64,
}

/// A lock that was held.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HeldLock {
    /// Number of the lock, unique in its run.
    pub lock: u64,
    /// Where it was acquired, innermost frame first.
    pub acquired: Vec<StackFrame>,
}

/// One of two accesses.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccessSide {
    pub thread: String,
    /// What it did: read, write...
    pub access: String,
    pub locks: Vec<HeldLock>,
    /// Innermost frame first.
    pub stack: Vec<StackFrame>,
}

/// How often a part was accessed with these locks held.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HeldCount {
    pub count: u32,
    pub locks: Vec<HeldLock>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Race {
    pub(crate) pattern: Pattern,
    pub(crate) observed: bool,
    pub(crate) part: Part,
    #[serde(rename = "type")]
    pub(crate) class: String,
    pub(crate) name: String,
    pub(crate) first: AccessSide,
    pub(crate) second: AccessSide,
    pub(crate) read: Option<Vec<StackFrame>>,
    pub(crate) held: Vec<HeldCount>,
}

/// A lock acquired while another was held.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Order {
    pub(crate) thread: String,
    /// Number of the thread, unique in its run.
    pub(crate) serial: u64,
    /// Its place in vector clocks, which a later thread may take.
    pub(crate) number: usize,
    /// The vector clock of starts and joins.
    pub(crate) clock: Vec<u32>,
    pub(crate) held: u64,
    pub(crate) acquired: u64,
    /// All other locks held.
    pub(crate) gates: Vec<u64>,
    pub(crate) held_stack: Vec<StackFrame>,
    pub(crate) stack: Vec<StackFrame>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct HeldAcross {
    pub(crate) acquired: Vec<StackFrame>,
    pub(crate) stack: Vec<StackFrame>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Fork {
    pub(crate) held: Vec<HeldLock>,
    pub(crate) stack: Vec<StackFrame>,
}

/// Reads a report; a torn last line is left out.
pub(crate) fn parse(report: &str) -> Vec<Event> {
    report.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
