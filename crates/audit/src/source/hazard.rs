//! What a hazard is, and the kinds there are: the rules of a report for code scanning.

use serde::{Serialize, Serializer};
use std::path::PathBuf;

/// How sure it is that threads meet the hazard, where the code runs in several at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Safe by itself, or only worth knowing.
    Low,
    /// It depends on what the file does not show.
    Medium,
    /// The file shows all of it.
    High,
}

impl Confidence {
    /// One step less sure.
    pub(super) fn lower(self) -> Confidence {
        match self {
            Confidence::High => Confidence::Medium,
            Confidence::Medium | Confidence::Low => Confidence::Low,
        }
    }
}

/// A hazard found in a source. LineIndex and columns count from 1; columns are Unicode characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hazard {
    /// Which rule.
    #[serde(rename = "kind")]
    pub rule: Rule,
    /// How sure it is.
    pub confidence: Confidence,
    /// The source.
    pub file: PathBuf,
    /// Where it begins.
    pub line: usize,
    /// Likewise.
    pub column: usize,
    /// Where it ends, exclusive: line and column.
    pub end: (usize, usize),
    /// What is there.
    pub what: String,
    /// Why that is a hazard without the GIL.
    pub why: String,
    /// What to do instead.
    pub instead: String,
}

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A fork in a program that starts threads.
    ForkWithThreads,
    /// A function that runs between fork and exec.
    PreexecFn,
    /// A container that all threads share, changed without a lock.
    SharedCache,
    /// A number that all threads share, counted without a lock.
    SharedCounter,
    /// Something made at first use, perhaps more than once.
    LazyInit,
    /// `functools.cached_property`, which has no lock since 3.12.
    CachedProperty,
    /// A shared container walked while others change it.
    SharedIteration,
    /// An iterator that threads share.
    SharedIterator,
    /// What belongs to the process, changed in a thread.
    ProcessState,
    /// `sys.setswitchinterval`.
    SwitchInterval,
    /// Code that asks for, or sets, the GIL's state.
    GilGuard,
    /// C called through ctypes in the belief that the GIL is held.
    CtypesHoldsGil,
    /// C called through ctypes or cffi.
    ForeignCall,
}

impl Rule {
    /// Every rule.
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

    /// Its id, which stays.
    #[must_use]
    pub fn id(self) -> &'static str {
        self.row()[0]
    }

    /// What it is, in a few words.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.row()[1]
    }

    /// Why it is a hazard, in a sentence or two.
    #[must_use]
    pub fn why(self) -> &'static str {
        self.row()[2]
    }

    /// What to do instead.
    #[must_use]
    pub fn instead(self) -> &'static str {
        self.row()[3]
    }

    /// The rule explained: why, and what to do.
    #[must_use]
    pub fn help(self) -> String {
        format!("{} Instead: {}", self.why(), self.instead())
    }

    fn row(self) -> [&'static str; 4] {
        match self {
            Rule::ForkWithThreads => [
                "ungil/fork-with-threads",
                "Fork in a program that starts threads",
                "The child has one thread, and every lock that another thread held at that moment stays held in it for good.",
                "start processes with the forkserver or spawn method, or fork before the first thread starts.",
            ],
            Rule::PreexecFn => [
                "ungil/preexec-fn",
                "Python code between fork and exec",
                "preexec_fn runs Python in a forked child whose other threads are gone; a lock that one of them held stays held.",
                "use the arguments made for it: start_new_session, process_group, user, group, umask, pipesize, cwd.",
            ],
            Rule::SharedCache => [
                "ungil/shared-cache",
                "Shared container changed without a lock",
                "Single operations on a container are safe; a look at it followed by a change is two, and another thread comes between.",
                "hold a lock around both, use an operation that does both (setdefault, pop with a default), or functools.cache.",
            ],
            Rule::SharedCounter => [
                "ungil/shared-counter",
                "Shared number counted without a lock",
                "`n += 1` reads, adds and writes; of two threads that do it at once, one is lost.",
                "hold a lock around it, or count with next() on itertools.count.",
            ],
            Rule::LazyInit => [
                "ungil/lazy-init",
                "Made at first use without a lock",
                "Two threads that find it missing make it twice; one keeps an object that the others do not have, or sees it half made.",
                "make it when the module is imported, or look again and make it under a lock, and assign it when it is complete.",
            ],
            Rule::CachedProperty => [
                "ungil/cached-property",
                "cached_property has no lock",
                "Since 3.12 functools.cached_property takes no lock: threads that share the object may each run the function.",
                "nothing, where running it twice is harmless; else compute it in __init__ or under a lock.",
            ],
            Rule::SharedIteration => [
                "ungil/shared-iteration",
                "Shared container walked while others change it",
                "A dict, set or deque that changes size while it is walked raises RuntimeError, or what is walked is neither old nor new.",
                "walk a copy (list(d), d.copy()), which is made in one operation, or hold a lock for the whole walk.",
            ],
            Rule::SharedIterator => [
                "ungil/shared-iterator",
                "Iterator shared by threads",
                "A generator that two threads resume at once raises ValueError; other iterators may give an item twice or skip one.",
                "give each thread its own, hold a lock around next(), or hand items out through queue.Queue.",
            ],
            Rule::ProcessState => [
                "ungil/process-state",
                "The process's state changed in a thread",
                "The working folder, the locale, the environment and the standard streams belong to the process: every thread sees the change.",
                "pass what is needed as an argument (cwd=, env=, dir_fd=, a stream).",
            ],
            Rule::SwitchInterval => [
                "ungil/switch-interval",
                "sys.setswitchinterval",
                "It sets how often the GIL changes hands. Without the GIL it does nothing, and what a long interval made unlikely happens.",
                "hold a lock around what must not be interrupted.",
            ],
            Rule::GilGuard => [
                "ungil/gil-guard",
                "Code that depends on the GIL's state",
                "It takes another way with the GIL than without, or switches the GIL itself; both ways need tests.",
                "test on both builds, and leave PYTHON_GIL and -X gil to whoever runs the program.",
            ],
            Rule::CtypesHoldsGil => [
                "ungil/ctypes-holds-gil",
                "C called in the belief that the GIL is held",
                "PyDLL and pythonapi do not release the GIL around a call, which kept calls apart; without it two threads are in the C code at once.",
                "hold a lock of your own around the calls, unless the C code is documented as safe without the GIL.",
            ],
            Rule::ForeignCall => [
                "ungil/foreign-call",
                "C called through ctypes or cffi",
                "Calls run at the same time, with the GIL too, but now Python code on both sides of them does as well.",
                "see that the library is thread-safe, and give each thread its own buffers.",
            ],
        }
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}
