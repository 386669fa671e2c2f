//! Hazards, and the rules that report them.

use serde::{Serialize, Serializer};
use std::path::PathBuf;

/// How certain it is that the hazard occurs, given that the code runs in several threads at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Safe by itself, or only informative.
    Low,
    /// Depends on code outside the file.
    Medium,
    /// The file shows everything.
    High,
}

impl Confidence {
    /// Returns the next lower confidence.
    pub(super) fn lower(self) -> Confidence {
        match self {
            Confidence::High => Confidence::Medium,
            Confidence::Medium | Confidence::Low => Confidence::Low,
        }
    }
}

/// A hazard found in a source file. Lines and columns count from 1; columns count Unicode
/// characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hazard {
    #[serde(rename = "kind")]
    pub rule: Rule,
    pub confidence: Confidence,
    pub file: PathBuf,
    /// Start line.
    pub line: usize,
    /// Start column.
    pub column: usize,
    /// End line and column, exclusive.
    pub end: (usize, usize),
    /// What was found.
    pub what: String,
    /// Why it is a hazard without the GIL.
    pub why: String,
    /// How to fix it.
    pub instead: String,
}

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    ForkWithThreads,
    PreexecFn,
    SharedCache,
    SharedCounter,
    LazyInit,
    CachedProperty,
    SharedIteration,
    SharedIterator,
    ProcessState,
    SwitchInterval,
    GilGuard,
    CtypesHoldsGil,
    ForeignCall,
}

impl Rule {
    /// All rules.
    pub const ALL: [Rule; 13] = [
        Rule::ForkWithThreads,
        Rule::PreexecFn,
        Rule::SharedCache,
        Rule::SharedCounter,
        Rule::LazyInit,
        Rule::CachedProperty,
        Rule::SharedIteration,
        Rule::SharedIterator,
        Rule::ProcessState,
        Rule::SwitchInterval,
        Rule::GilGuard,
        Rule::CtypesHoldsGil,
        Rule::ForeignCall,
    ];

    /// Returns the stable id.
    #[must_use]
    pub fn id(self) -> &'static str {
        self.texts()[0]
    }

    /// Returns a short title.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.texts()[1]
    }

    /// Returns why it is a hazard.
    #[must_use]
    pub fn why(self) -> &'static str {
        self.texts()[2]
    }

    /// Returns how to fix it.
    #[must_use]
    pub fn instead(self) -> &'static str {
        self.texts()[3]
    }

    /// Returns why it is a hazard and how to fix it.
    #[must_use]
    pub fn help(self) -> String {
        format!("{} {}", self.why(), self.instead())
    }

    fn texts(self) -> [&'static str; 4] {
        match self {
            Rule::ForkWithThreads => [
                "ungil/fork-with-threads",
                "Fork in a program that starts threads",
                "The child process has only the thread that forked. A lock that another thread \
                 held at that moment stays locked in the child forever.",
                "Start processes with the forkserver or spawn method, or fork before the first \
                 thread starts.",
            ],
            Rule::PreexecFn => [
                "ungil/preexec-fn",
                "Python code between fork and exec",
                "preexec_fn runs Python code in the forked child, which has only one thread. A \
                 lock that another thread held at the fork stays locked.",
                "Use the dedicated arguments: start_new_session, process_group, user, group, \
                 umask, pipesize, cwd.",
            ],
            Rule::SharedCache => [
                "ungil/shared-cache",
                "Shared container changed without a lock",
                "A single operation on a container is thread-safe, but a check followed by a \
                 change is two operations, and another thread can run in between.",
                "Hold a lock around both, use an operation that does both (setdefault, pop with a \
                 default), or functools.cache.",
            ],
            Rule::SharedCounter => [
                "ungil/shared-counter",
                "Shared number updated without a lock",
                "`n += 1` reads, adds and writes. If two threads do this at once, one update is \
                 lost.",
                "Hold a lock around it, or count with next() on itertools.count.",
            ],
            Rule::LazyInit => [
                "ungil/lazy-init",
                "Lazy initialization without a lock",
                "Two threads that find it missing both create it: one thread keeps an object that \
                 the others do not have, or sees it half initialized.",
                "Create it when the module is imported, or check again and create it under a \
                 lock, and assign it when it is complete.",
            ],
            Rule::CachedProperty => [
                "ungil/cached-property",
                "cached_property without a lock",
                "Since Python 3.12 functools.cached_property takes no lock: threads that share \
                 the object may each run the function.",
                "Compute it in __init__ or under a lock, unless running it twice is harmless.",
            ],
            Rule::SharedIteration => [
                "ungil/shared-iteration",
                "Shared container changed during iteration",
                "A dict, set or deque that changes size during iteration raises RuntimeError, or \
                 the loop sees a mix of old and new items.",
                "Iterate over a copy (list(d), d.copy()), which is made in one operation, or hold \
                 a lock for the whole loop.",
            ],
            Rule::SharedIterator => [
                "ungil/shared-iterator",
                "Iterator shared by threads",
                "A generator that two threads resume at once raises ValueError; other iterators \
                 may return an item twice or skip one.",
                "Give each thread its own iterator, hold a lock around next(), or distribute \
                 items through queue.Queue.",
            ],
            Rule::ProcessState => [
                "ungil/process-state",
                "Process-wide state changed in a thread",
                "The working directory, the locale, the environment, signal handlers and the \
                 standard streams belong to the process: every thread sees the change.",
                "Pass what is needed as an argument (cwd=, env=, dir_fd=, a stream).",
            ],
            Rule::SwitchInterval => [
                "ungil/switch-interval",
                "sys.setswitchinterval",
                "It sets how often threads hand over the GIL. Without the GIL it has no effect, \
                 and races that a long interval made unlikely do occur.",
                "Hold a lock around code that must not be interrupted.",
            ],
            Rule::GilGuard => [
                "ungil/gil-guard",
                "Code that depends on the GIL's state",
                "It behaves differently with and without the GIL, or sets the GIL itself, so both \
                 cases need tests.",
                "Test on both builds, and leave PYTHON_GIL and -X gil to the user of the program.",
            ],
            Rule::CtypesHoldsGil => [
                "ungil/ctypes-holds-gil",
                "C code called on the assumption that the GIL is held",
                "PyDLL and pythonapi do not release the GIL around a call, which serialized the \
                 calls. Without the GIL two threads run the C code at once.",
                "Hold a lock of your own around the calls, unless the C code is documented as \
                 safe without the GIL.",
            ],
            Rule::ForeignCall => [
                "ungil/foreign-call",
                "C code called through ctypes or cffi",
                "These calls ran in parallel even with the GIL, but without it the Python code \
                 around them does as well.",
                "Check that the library is thread-safe, and give each thread its own buffers.",
            ],
        }
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}
