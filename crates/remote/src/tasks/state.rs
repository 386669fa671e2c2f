//! Where a coroutine stands.

/// `enum _framestate`: 3.15 counts from 0 on, the versions before from -3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameState {
    Created,
    Suspended,
    Awaiting,
    Executing,
    Finished,
}

impl FrameState {
    pub(super) fn of(byte: u8, minor: u8) -> FrameState {
        let number = if minor >= 15 { i16::from(byte) } else { i16::from(byte.cast_signed()) + 3 };
        match (number, minor >= 15) {
            (0, _) => FrameState::Created,
            (1, _) => FrameState::Suspended,
            (2, _) | (3, true) => FrameState::Awaiting,
            (3, false) | (4, true) => FrameState::Executing,
            _ => FrameState::Finished,
        }
    }
}
