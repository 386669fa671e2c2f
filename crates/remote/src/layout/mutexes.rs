//! The runtime's own mutexes, where they are in one target.

use cpython_layout::{Anchor, Build, MutexKind};

/// A mutex of the runtime, or several that are used for the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedMutex {
    /// What it protects, in words that can follow "waits for".
    pub name: &'static str,
    /// Offset of the first.
    pub at: u64,
    /// How many there are.
    pub count: u64,
    /// Bytes from one to the next; 0 where there is one.
    pub stride: u64,
    /// What it is.
    pub kind: MutexKind,
}

impl NamedMutex {
    /// The number of the mutex at `offset`, if it is one of these: 0 where there is only one.
    #[must_use]
    pub fn index(&self, offset: u64) -> Option<u64> {
        let distance = offset.checked_sub(self.at)?;
        match self.stride {
            0 => (distance == 0).then_some(0),
            stride => (distance % stride == 0 && distance / stride < self.count)
                .then_some(distance / stride),
        }
    }
}

/// Returns the build's mutexes whose anchor has an offset.
pub(super) fn find(build: &Build, anchor: impl Fn(Anchor) -> Option<u64>) -> Vec<NamedMutex> {
    let place = |mutex: &cpython_layout::RuntimeMutex| {
        let distance = mutex.distance(build.free_threaded)?;
        let at = anchor(mutex.anchor)?.checked_add_signed(distance)?;
        let (name, kind) = (mutex.name, mutex.kind);
        Some(NamedMutex { name, at, count: mutex.count, stride: mutex.stride, kind })
    };
    build.mutexes.iter().filter_map(place).collect()
}
