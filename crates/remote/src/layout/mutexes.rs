//! Offsets of the runtime's internal mutexes in one target.

use cpython_layout::{Anchor, Build, MutexKind};

/// A mutex of the runtime, or an array of mutexes with the same purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedMutex {
    /// What it protects, as a noun phrase that can follow "waits for".
    pub name: &'static str,
    /// Offset of the first mutex.
    pub at: u64,
    /// Number of mutexes in the array.
    pub count: u64,
    /// Distance in bytes between two mutexes of the array; 0 if there is only one.
    pub stride: u64,
    /// Type of the mutex.
    pub kind: MutexKind,
}

impl NamedMutex {
    /// Returns the index of the mutex at `offset` in this array; 0 if there is only one mutex.
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
