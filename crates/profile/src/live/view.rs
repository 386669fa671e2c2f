//! What `ungil top` shows: plain numbers and text, as they are serialized to JSON. Field names
//! contain the units.
//!
//! Text from the target (names, commands, file names) is unmodified: a caller that prints it to a
//! terminal must remove control characters.

use serde::Serialize;
use ungil_remote::frames::CodeLine;
use ungil_remote::gc::{CollectionTotals, Generation};
use ungil_remote::stop_the_world::Pauses;
use ungil_remote::{ThreadState, WaitTarget};

/// The schema of [`View`]; fields may be added to it, never changed.
pub const SCHEMA: &str = "ungil.top/2";

/// The time that a view covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewSpan {
    /// The last seconds ([`MonitorOptions::span_s`](super::MonitorOptions::span_s)).
    Recent,
    /// The time since the first look.
    Whole,
}

/// Everything that is shown at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct View {
    /// [`SCHEMA`].
    pub schema: &'static str,
    pub process: ProcessView,
    /// The time that shares refer to.
    pub span: ViewSpan,
    /// Length of that time in seconds.
    pub span_s: f64,
    /// Cost of the monitoring.
    pub cost: MonitoringCost,
    /// The threads of the last look.
    pub threads: Vec<ThreadView>,
    /// Threads of the process that run no Python.
    pub other_threads: OtherThreads,
    /// Lines, the busiest first.
    pub lines: Vec<LineView>,
    /// Objects that threads waited for, the most waited for first.
    pub objects: Vec<ObjectView>,
    /// Garbage collection.
    pub collector: CollectorView,
    /// Stop-the-world pauses.
    pub world: StopTheWorldView,
    /// The GIL; `None` if it is off.
    pub gil: Option<GilView>,
    pub memory: MemoryView,
    /// Problems while reading the process, with their causes.
    pub notes: Vec<String>,
    /// The reason why this is the last view.
    pub ended: Option<String>,
}

/// The monitored process.
#[derive(Debug, Clone, Serialize)]
pub struct ProcessView {
    /// Process id.
    pub pid: u32,
    /// Command line.
    pub command: String,
    /// CPython version.
    pub version: String,
    /// Whether it is a free-threaded build (`--disable-gil`).
    pub free_threaded: bool,
    /// Whether the GIL is on.
    pub gil_on: bool,
    /// Number of interpreters.
    pub interpreters: usize,
    /// Cores in use: CPU seconds per second since the previous view.
    pub cores: Option<f64>,
    /// Seconds since the process started.
    pub age_s: f64,
}

/// Cost of the monitoring.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct MonitoringCost {
    /// Number of looks in the span.
    pub looks: u64,
    /// Looks per second that were reached.
    pub rate_hz: f64,
    /// Looks per second that were requested.
    pub asked_hz: f64,
    /// Stacks in the span that changed while they were read.
    pub torn: u64,
    /// Average CPU use of the monitoring thread, in cores.
    pub cores: f64,
}

/// Shares of the span by state, from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Shares {
    /// [`ThreadState::Running`].
    pub running: f64,
    /// [`ThreadState::Native`].
    pub native: f64,
    /// [`ThreadState::Lock`].
    pub lock: f64,
    /// [`ThreadState::Gil`].
    pub gil: f64,
    /// [`ThreadState::Suspended`].
    pub suspended: f64,
    /// [`ThreadState::Event`].
    pub event: f64,
    /// [`ThreadState::Syscall`].
    pub syscall: f64,
    /// [`ThreadState::Ending`].
    pub ending: f64,
}

impl Shares {
    /// Computes shares of `whole` seconds from seconds by state, in the order of
    /// [`ThreadState::ALL`].
    #[must_use]
    pub fn of(seconds: &[f64; ThreadState::ALL.len()], whole: f64) -> Shares {
        let [running, native, lock, gil, suspended, event, syscall, ending] = seconds
            .map(|seconds| if whole > 0.0 { (seconds / whole).clamp(0.0, 1.0) } else { 0.0 });
        Shares { running, native, lock, gil, suspended, event, syscall, ending }
    }

    /// Returns the share of one state.
    #[must_use]
    pub fn get(&self, state: ThreadState) -> f64 {
        match state {
            ThreadState::Running => self.running,
            ThreadState::Native => self.native,
            ThreadState::Lock => self.lock,
            ThreadState::Gil => self.gil,
            ThreadState::Suspended => self.suspended,
            ThreadState::Event => self.event,
            ThreadState::Syscall => self.syscall,
            ThreadState::Ending => self.ending,
        }
    }
}

/// A Python thread.
#[derive(Debug, Clone, Serialize)]
pub struct ThreadView {
    /// `threading.Thread.name`; `None` if it could not be read.
    pub name: Option<String>,
    /// Kernel thread id.
    pub tid: u32,
    /// Id of its interpreter.
    pub interpreter: i64,
    /// State in the last look.
    pub state: ThreadState,
    /// The system call in which it sleeps.
    pub call: Option<String>,
    /// Shares of the span.
    pub shares: Shares,
    /// Cores in use: CPU seconds per second since the previous view. `None` in the first view, and
    /// where the kernel does not show it.
    pub cores: Option<f64>,
    /// The object that it waits for.
    pub wait: Option<WaitView>,
    /// Frames in the last look, innermost first.
    pub stack: Vec<CodeLine>,
}

/// A wait of a thread.
#[derive(Debug, Clone, Serialize)]
pub struct WaitView {
    /// The object's address, as `0x…`.
    pub object: String,
    /// The kind of object.
    pub kind: WaitTarget,
    /// The global, attribute or local that refers to the object.
    pub name: Option<String>,
    /// Seconds the wait has lasted; `None` if unknown.
    pub since_s: Option<f64>,
    /// Names or ids of the threads that hold it.
    pub held_by: Option<String>,
}

/// Threads that run no Python.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct OtherThreads {
    /// Number of threads.
    pub count: usize,
    /// Cores that they use.
    pub cores: Option<f64>,
}

/// A line, and what threads did there.
#[derive(Debug, Clone, Serialize)]
pub struct LineView {
    #[serde(flatten)]
    pub code_line: CodeLine,
    /// Average number of threads at the line (thread-seconds per second), by state.
    pub threads: Shares,
    /// Sum over all states.
    pub total: f64,
}

/// An object that threads waited for.
#[derive(Debug, Clone, Serialize)]
pub struct ObjectView {
    /// The object's address, as `0x…`.
    pub object: String,
    /// The kind of object.
    pub kind: WaitTarget,
    /// The global, attribute or local that refers to the object.
    pub name: Option<String>,
    /// Average number of waiting threads (thread-seconds per second).
    pub waiting: f64,
    /// Share of all waiting for locks.
    pub share: f64,
    /// Threads waiting for it in the last look.
    pub waiters: u32,
    /// Maximum number of threads seen waiting at once.
    pub most_waiters: u32,
    /// Names or ids of the threads that hold it; `None` if unknown.
    pub held_by: Option<String>,
    /// The line with most of the waiting.
    pub at: Option<CodeLine>,
}

/// Garbage collection.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CollectorView {
    /// Whether a collection runs now.
    pub collecting: bool,
    /// Counts since the interpreter started, the youngest generation first.
    pub generations: Vec<Generation>,
    /// CollectionTotals in the span.
    pub span: CollectionTotals,
}

/// Stop-the-world pauses.
#[derive(Debug, Clone, Default, Serialize)]
pub struct StopTheWorldView {
    /// Whether the build has stop-the-world pauses.
    pub possible: bool,
    /// Whether a stop-the-world pause is in progress or requested.
    pub now: bool,
    /// Name or id of the thread that requested it.
    pub requester: Option<String>,
    /// Pauses in the span, as sampled. The chance of missing a pause grows as it gets shorter.
    pub span: Pauses,
}

/// The GIL.
#[derive(Debug, Clone, Default, Serialize)]
pub struct GilView {
    /// Name or id of the thread that holds it.
    pub holder: Option<String>,
    /// Names or ids of the threads that wait for it.
    pub waiters: Vec<String>,
    /// Times per second that it changed hands since the previous view.
    pub switches_per_s: Option<f64>,
    /// Share of looks in which it was held.
    pub taken: f64,
}

/// Memory use in bytes.
#[derive(Debug, Clone, Default, Serialize)]
pub struct MemoryView {
    /// Resident set size.
    pub rss_bytes: u64,
    /// Peak resident set size, from the kernel.
    pub rss_peak_bytes: Option<u64>,
    /// Proportional set size.
    pub pss_bytes: Option<u64>,
    /// Unique set size.
    pub uss_bytes: Option<u64>,
    /// Swapped-out memory.
    pub swap_bytes: Option<u64>,
    /// Age in seconds of PSS, USS and swap, which are too expensive to read for every view.
    pub shares_age_s: Option<f64>,
    /// The reason why PSS, USS and swap are missing.
    pub missing: Option<String>,
}
