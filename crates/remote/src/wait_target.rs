//! What a thread waits for: its type, names, and the rule for contention, for all commands.

use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Kind of object or event that a thread waits for. The `Display` form is the name used in all JSON
/// output; [`WaitTarget::from_name`] parses it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WaitTarget {
    /// `threading.Lock`.
    Lock,
    /// `threading.RLock`.
    RLock,
    /// `threading.Semaphore`.
    Semaphore,
    /// `threading.BoundedSemaphore`.
    BoundedSemaphore,
    /// Import lock of a module.
    ImportLock,
    /// The per-object mutex of an object of this type (free-threaded builds).
    ObjectMutex(Arc<str>),
    /// A lock inside an object of this type, used by C code.
    InternalLock(Arc<str>),
    /// A mutex of the runtime, by name; `mutex` if its name is unknown.
    RuntimeMutex(Cow<'static, str>),
    /// A lock of the package `ungil`, by type name.
    PackageLock(Arc<str>),
    /// `threading.Condition`.
    Condition,
    /// `threading.Event`.
    Event,
    /// `threading.Barrier`.
    Barrier,
    /// `queue.Queue` and its subclasses.
    Queue,
    /// `queue.SimpleQueue`.
    SimpleQueue,
    /// `concurrent.futures.Future`.
    Future,
    /// The end of a thread.
    ThreadEnd,
    /// An event of the runtime, by name.
    RuntimeEvent(Cow<'static, str>),
    /// A queue, latch or other structure of the package `ungil` that is not a lock, by type name.
    PackageStructure(Arc<str>),
    /// The GIL.
    Gil,
    /// The end of a stop-the-world pause.
    StopTheWorld,
    /// A futex that C code uses for its own purposes.
    Futex,
}

impl WaitTarget {
    /// A mutex of the runtime whose name is unknown.
    pub(crate) const UNNAMED_MUTEX: WaitTarget = WaitTarget::RuntimeMutex(Cow::Borrowed("mutex"));

    /// Returns whether waiting for it is contention: another thread holds it and will release it.
    /// Waiting for an event (a notification, an item, a result, the end of a thread) is not
    /// contention. Waits for the GIL and for the end of a stop-the-world pause are counted
    /// separately.
    #[must_use]
    pub fn is_contention(&self) -> bool {
        use WaitTarget::*;
        match self {
            Lock | RLock | Semaphore | BoundedSemaphore | ImportLock | ObjectMutex(_)
            | InternalLock(_) | RuntimeMutex(_) | PackageLock(_) => true,
            Condition | Event | Barrier | Queue | SimpleQueue | Future | ThreadEnd
            | RuntimeEvent(_) | PackageStructure(_) | Gil | StopTheWorld | Futex => false,
        }
    }

    /// Returns whether it is a mutex of the runtime with an unknown name.
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        *self == WaitTarget::UNNAMED_MUTEX
    }

    /// Parses a name written by `Display`. `None` for unknown names, which a recording of another
    /// version may contain.
    #[must_use]
    pub fn from_name(name: &str) -> Option<WaitTarget> {
        if let Some((_, target)) = PLAIN.iter().find(|(plain, _)| *plain == name) {
            return Some(target.clone());
        }
        Some(match name.split_once(':') {
            Some(("object", rest)) => WaitTarget::ObjectMutex(rest.into()),
            Some(("inside", rest)) => WaitTarget::InternalLock(rest.into()),
            Some(("runtime", rest)) => WaitTarget::RuntimeMutex(rest.to_owned().into()),
            _ if name == PACKAGE || name.starts_with("ungil.") => {
                WaitTarget::PackageStructure(name.into())
            }
            _ => return None,
        })
    }

    /// Returns a short label for tables and graphs: `dict`, `lock inside _hashlib.HASH`, `the types
    /// mutex`, `threading.Lock`.
    #[must_use]
    pub fn label(&self) -> Cow<'_, str> {
        match self {
            WaitTarget::ObjectMutex(of) => Cow::Borrowed(of),
            WaitTarget::InternalLock(of) => format!("lock inside {of}").into(),
            WaitTarget::RuntimeMutex(name) | WaitTarget::RuntimeEvent(name) if name == "mutex" => {
                "mutex of the runtime".into()
            }
            WaitTarget::RuntimeMutex(name) | WaitTarget::RuntimeEvent(name) => Cow::Borrowed(name),
            WaitTarget::StopTheWorld => "the end of a stop-the-world pause".into(),
            other => other.to_string().into(),
        }
    }

    /// Returns a noun phrase with article for sentences: `a threading.Lock`, `the mutex of a dict`,
    /// `the GIL`.
    #[must_use]
    pub fn description(&self) -> String {
        match self {
            WaitTarget::Gil => "the GIL".into(),
            WaitTarget::Futex => "a lock of C code".into(),
            WaitTarget::ObjectMutex(of) => format!("the mutex of {}", with_article(of)),
            WaitTarget::InternalLock(of) => format!("a lock inside {}", with_article(of)),
            WaitTarget::RuntimeMutex(name) if name == "mutex" => "a mutex of the runtime".into(),
            WaitTarget::RuntimeMutex(_)
            | WaitTarget::RuntimeEvent(_)
            | WaitTarget::StopTheWorld => self.label().into_owned(),
            WaitTarget::PackageStructure(name) if &**name == PACKAGE => {
                "a structure of the package ungil".into()
            }
            other => with_article(&other.to_string()),
        }
    }

    /// Returns what a waiting thread does: `waiting for a lock`, `waiting for a queue`.
    #[must_use]
    pub fn activity(&self) -> &'static str {
        match self {
            WaitTarget::ThreadEnd => "waiting for a thread to end",
            WaitTarget::Future => "waiting for a result",
            WaitTarget::Queue | WaitTarget::SimpleQueue => "waiting for a queue",
            WaitTarget::PackageStructure(name) if name.ends_with("Queue") => "waiting for a queue",
            WaitTarget::Gil => "waiting for the GIL",
            target if target.is_contention() => "waiting for a lock",
            _ => "waiting for an event",
        }
    }

    /// Returns the words between the names of the target and its holder: `held by`, or `which is`
    /// for a thread that is waited for.
    #[must_use]
    pub fn held_by(&self) -> &'static str {
        if *self == WaitTarget::ThreadEnd { "which is" } else { "held by" }
    }
}

/// Type name for a structure of the package whose type is unknown.
pub(crate) const PACKAGE: &str = "ungil";

/// Targets with a fixed name.
const PLAIN: [(&str, WaitTarget); 15] = [
    ("threading.Lock", WaitTarget::Lock),
    ("threading.RLock", WaitTarget::RLock),
    ("threading.Semaphore", WaitTarget::Semaphore),
    ("threading.BoundedSemaphore", WaitTarget::BoundedSemaphore),
    ("import lock", WaitTarget::ImportLock),
    ("threading.Condition", WaitTarget::Condition),
    ("threading.Event", WaitTarget::Event),
    ("threading.Barrier", WaitTarget::Barrier),
    ("queue.Queue", WaitTarget::Queue),
    ("queue.SimpleQueue", WaitTarget::SimpleQueue),
    ("concurrent.futures.Future", WaitTarget::Future),
    ("threading.Thread", WaitTarget::ThreadEnd),
    ("GIL", WaitTarget::Gil),
    ("runtime:stop-the-world", WaitTarget::StopTheWorld),
    ("futex", WaitTarget::Futex),
];

impl fmt::Display for WaitTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitTarget::ObjectMutex(of) => write!(f, "object:{of}"),
            WaitTarget::InternalLock(of) => write!(f, "inside:{of}"),
            WaitTarget::RuntimeMutex(name) | WaitTarget::RuntimeEvent(name) => {
                write!(f, "runtime:{name}")
            }
            WaitTarget::PackageLock(name) | WaitTarget::PackageStructure(name) => f.write_str(name),
            plain => {
                let name =
                    PLAIN.iter().find(|(_, target)| target == plain).map_or("", |(name, _)| name);
                f.write_str(name)
            }
        }
    }
}

impl Serialize for WaitTarget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Adds the article: `a threading.RLock`, `an import lock`.
fn with_article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'A', 'E', 'I', 'O']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

/// Which thread can end a wait, and so which one is the holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Releaser {
    /// The thread with this `get_ident()`, the owner of the lock; 0 if there is none.
    Owner(u64),
    /// The thread with this `get_ident()`, when it ends.
    Ending(u64),
    /// Any thread inside a `with` statement of it.
    WithBlock,
    /// Any thread inside a critical section of the mutex at this address.
    CriticalSection(u64),
    /// The thread that runs the work item whose result is waited for.
    Worker,
    /// The thread that holds the GIL whose state is at this address.
    GilHolder(u64),
    /// The thread that requested the stop-the-world pause.
    Requester,
    /// The thread that locked it, which is not recorded.
    Unrecorded,
    /// Any thread, with a notification or an item.
    Anyone,
}

/// The object that a thread waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitedObject {
    /// Address of the object, as in `id()`, or of a structure that is not an object.
    pub object: u64,
    /// Kind of the object.
    pub target: WaitTarget,
    /// Name stored in the object: the module's for an import lock.
    pub name: Option<String>,
    /// Which thread can end the wait.
    pub releaser: Releaser,
}

impl WaitedObject {
    pub(crate) fn new(object: u64, target: WaitTarget, releaser: Releaser) -> WaitedObject {
        WaitedObject { object, target, name: None, releaser }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        let mut all: Vec<WaitTarget> = PLAIN.iter().map(|(_, target)| target.clone()).collect();
        all.extend([
            WaitTarget::ObjectMutex("dict".into()),
            WaitTarget::InternalLock("_hashlib.HASH".into()),
            WaitTarget::RuntimeMutex("the types mutex".into()),
            WaitTarget::UNNAMED_MUTEX,
            WaitTarget::PackageStructure("ungil.Queue".into()),
        ]);
        for target in all {
            assert_eq!(WaitTarget::from_name(&target.to_string()), Some(target));
        }
        assert_eq!(WaitTarget::from_name("something newer"), None);
    }

    #[test]
    fn labels_and_descriptions() {
        let of =
            |name| WaitTarget::from_name(name).map(|t| (t.label().into_owned(), t.description()));
        let is = |label: &str, description: &str| Some((label.to_owned(), description.to_owned()));
        assert_eq!(of("object:dict"), is("dict", "the mutex of a dict"));
        assert_eq!(
            of("inside:_hashlib.HASH"),
            is("lock inside _hashlib.HASH", "a lock inside a _hashlib.HASH")
        );
        assert_eq!(of("runtime:the types mutex"), is("the types mutex", "the types mutex"));
        assert_eq!(of("runtime:mutex"), is("mutex of the runtime", "a mutex of the runtime"));
        assert_eq!(of("import lock"), is("import lock", "an import lock"));
        assert_eq!(of("GIL"), is("GIL", "the GIL"));
    }
}
