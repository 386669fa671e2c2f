//! placeholder
#![allow(missing_docs)]
use crate::offsets::DebugOffsets;
#[derive(Debug, Clone, Copy)]
pub struct ThreadStateMore {
    pub state: u64,
}
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pub thread_state: ThreadStateMore,
}
impl Layout {
    pub fn of(o: &DebugOffsets) -> Layout {
        Layout {
            thread_state: ThreadStateMore {
                state: match o.version.minor {
                    13 => 40,
                    14 => 44,
                    _ => 48,
                },
            },
        }
    }
}
