//! What a reader is shown. Plain numbers and words, as they go into JSON; units are in the names.
//!
//! Words from the target (names, commands, file names) are as the target has them: whoever prints
//! them to a terminal takes control characters out.

use serde::Serialize;
use ungil_remote::frames::CodeLine;
use ungil_remote::gc::{CollectionTotals, Generation};
use ungil_remote::stop_the_world::Pauses;
use ungil_remote::{ThreadState, WaitTarget};

/// The schema of [`View`]; fields may be added to it, never changed.
pub const SCHEMA: &str = "ungil.top/2";

/// The time a view is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// The last seconds.
    Recent,
    /// Since the first look.
    Whole,
}

/// Everything that is shown at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct View {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The process.
    pub process: ProcessView,
    /// What the shares are of.
    pub span: Span,
    /// Seconds of that.
    pub span_s: f64,
    /// What looking cost.
    pub cost: Cost,
    /// The threads of the last look.
    pub threads: Vec<ThreadView>,
    /// Threads of the process that run no Python, and their cores.
    pub other_threads: OtherThreads,
    /// Lines, those with most time first.
    pub lines: Vec<LineView>,
    /// Objects that threads waited for, the most waited for first.
    pub objects: Vec<ObjectView>,
    /// The collector.
    pub collector: PauseView,
    /// Stop-the-world pauses.
    pub world: WorldView,
    /// The GIL; `None` where there is none.
    pub gil: Option<GilView>,
    /// Memory.
    pub memory: MemoryView,
    /// What could not be read, and why.
    pub notes: Vec<String>,
    /// Why there will be no further view.
    pub ended: Option<String>,
}

/// The process that is watched.
#[derive(Debug, Clone, Serialize)]
pub struct ProcessView {
    /// Its number.
    pub pid: u32,
    /// Its arguments, joined.
    pub command: String,
    /// Its version of CPython.
    pub version: String,
    /// Compiled with `--disable-gil`.
    pub free_threaded: bool,
    /// Whether the GIL is on.
    pub gil_on: bool,
    /// Interpreters in it.
    pub interpreters: usize,
    /// Cores it keeps busy: CPU seconds a second since the last view.
    pub cores: Option<f64>,
    /// Seconds since it was started.
    pub age_s: f64,
}

/// What looking cost the watcher.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Cost {
    /// Looks in the span.
    pub looks: u64,
    /// Looks a second, as they came to be.
    pub rate_hz: f64,
    /// Looks a second that were asked for.
    pub asked_hz: f64,
    /// Stacks that did not hold still in the span.
    pub torn: u64,
    /// Share of one core that the watcher's thread took since it began.
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
    /// From seconds by state, in the order of [`ThreadState::ALL`], of `whole` seconds.
    #[must_use]
    pub fn of(seconds: &[f64; ThreadState::ALL.len()], whole: f64) -> Shares {
        let [running, native, lock, gil, suspended, event, syscall, ending] = seconds
            .map(|seconds| if whole > 0.0 { (seconds / whole).clamp(0.0, 1.0) } else { 0.0 });
        Shares { running, native, lock, gil, suspended, event, syscall, ending }
    }

    /// The share of one state.
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

/// A thread.
#[derive(Debug, Clone, Serialize)]
pub struct ThreadView {
    /// `threading.Thread.name`; `None` where it has none that can be read.
    pub name: Option<String>,
    /// The kernel's number for it.
    pub tid: u32,
    /// Its interpreter.
    pub interpreter: i64,
    /// What it did at the last look.
    pub state: ThreadState,
    /// The system call it sleeps in.
    pub call: Option<String>,
    /// Shares of the span.
    pub shares: Shares,
    /// Cores it keeps busy: CPU seconds a second since the last view. `None` where the kernel does
    /// not say, and at first.
    pub cores: Option<f64>,
    /// What it waits for.
    pub wait: Option<WaitView>,
    /// Its frames at the last look, innermost first.
    pub stack: Vec<CodeLine>,
}

/// A wait.
#[derive(Debug, Clone, Serialize)]
pub struct WaitView {
    /// The object's address, as `0x…`.
    pub object: String,
    /// What it is.
    pub kind: WaitTarget,
    /// What it is called: the global, attribute or local that refers to it.
    pub name: Option<String>,
    /// Seconds it has lasted, where that is kept or has been watched.
    pub since_s: Option<f64>,
    /// Who holds it: a thread's name or number, with how surely.
    pub held_by: Option<String>,
}

/// Threads that run no Python.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct OtherThreads {
    /// How many.
    pub count: usize,
    /// Cores they keep busy.
    pub cores: Option<f64>,
}

/// A line with what threads did there.
#[derive(Debug, Clone, Serialize)]
pub struct LineView {
    /// The line.
    #[serde(flatten)]
    pub place: CodeLine,
    /// Threads that were there on average: thread-seconds a second, by state.
    pub threads: Shares,
    /// All states together.
    pub total: f64,
}

/// An object that threads waited for.
#[derive(Debug, Clone, Serialize)]
pub struct ObjectView {
    /// Its address, as `0x…`.
    pub object: String,
    /// What it is.
    pub kind: WaitTarget,
    /// What it is called.
    pub name: Option<String>,
    /// Threads that waited for it on average: thread-seconds a second.
    pub waiting: f64,
    /// Share of all waiting for locks.
    pub share: f64,
    /// Threads waiting for it at the last look.
    pub waiters: u32,
    /// Most threads seen waiting at once.
    pub most_waiters: u32,
    /// Who holds it, where it can be told.
    pub held_by: Option<String>,
    /// The line at which most of the waiting was.
    pub at: Option<CodeLine>,
}

/// The collector.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PauseView {
    /// It collects at this moment.
    pub collecting: bool,
    /// Since the interpreter was started, the youngest generation first.
    pub generations: Vec<Generation>,
    /// In the span.
    pub span: CollectionTotals,
}

/// Stop-the-world pauses.
#[derive(Debug, Clone, Default, Serialize)]
pub struct WorldView {
    /// The build can stop the world at all.
    pub possible: bool,
    /// It is stopped, or asked to, at this moment.
    pub now: bool,
    /// Who asked, by name or number.
    pub requester: Option<String>,
    /// In the span, as seen in looks: shorter pauses are missed in proportion.
    pub span: Pauses,
}

/// The GIL.
#[derive(Debug, Clone, Default, Serialize)]
pub struct GilView {
    /// Who holds it, by name or number.
    pub holder: Option<String>,
    /// Threads that wait for it, by name or number.
    pub waiters: Vec<String>,
    /// Times a second it went from one thread to another since the last view.
    pub switches_per_s: Option<f64>,
    /// Share of looks that found it taken.
    pub taken: f64,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Default, Serialize)]
pub struct MemoryView {
    /// Resident.
    pub rss_bytes: u64,
    /// Largest resident set so far, as the kernel keeps it.
    pub rss_peak_bytes: Option<u64>,
    /// Proportional set.
    pub pss_bytes: Option<u64>,
    /// Pages of its own.
    pub uss_bytes: Option<u64>,
    /// Swapped out.
    pub swap_bytes: Option<u64>,
    /// How old PSS, USS and swap are: they cost too much for every view.
    pub shares_age_s: Option<f64>,
    /// Why they are not there.
    pub missing: Option<String>,
}
