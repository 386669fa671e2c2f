/// Why an item was not stored. Returns the item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryPushError<T> {
    /// The queue is full.
    Full(T),
    /// The queue is closed.
    Closed(T),
}

impl<T> TryPushError<T> {
    /// Returns the item.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(item) | Self::Closed(item) => item,
        }
    }

    /// Returns the same error with another item.
    pub fn with<U>(self, item: U) -> TryPushError<U> {
        match self {
            Self::Full(_) => TryPushError::Full(item),
            Self::Closed(_) => TryPushError::Closed(item),
        }
    }
}

/// Why no item was returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryPopError {
    /// The queue is empty.
    Empty,
    /// The queue is empty and closed, so it stays empty.
    Closed,
}

impl TryPopError {
    /// Returns the error of an empty queue.
    pub(super) fn of_empty(closed: bool) -> Self {
        if closed { Self::Closed } else { Self::Empty }
    }
}
