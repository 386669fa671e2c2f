/// Why an item was not put in. It comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryPushError<T> {
    /// There is no room.
    Full(T),
    /// The queue was closed.
    Closed(T),
}

impl<T> TryPushError<T> {
    /// Returns the item.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(item) | Self::Closed(item) => item,
        }
    }

    /// Returns the same error for another item.
    pub fn with<U>(self, item: U) -> TryPushError<U> {
        match self {
            Self::Full(_) => TryPushError::Full(item),
            Self::Closed(_) => TryPushError::Closed(item),
        }
    }
}

/// Why no item was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryPopError {
    /// There is no item.
    Empty,
    /// There is no item, and there will be none: the queue was closed.
    Closed,
}

impl TryPopError {
    /// Returns the error of a queue that has no item.
    pub(super) fn of_empty(closed: bool) -> Self {
        if closed { Self::Closed } else { Self::Empty }
    }
}
