//! Turns samples over time into one profile, and writes a profile in its formats: flame graph,
//! speedscope, Firefox Profiler, pprof, collapsed stacks, and a binary recording that can be
//! converted into any of them.

pub mod alloc;
mod builder;
pub mod capture;
mod collapsed;
mod diff;
mod findings;
mod firefox;
mod flame;
mod format;
mod header;
mod labels;
pub mod live;
mod model;
mod pprof;
mod profile;
mod recording;
mod speedscope;
mod timeline;
mod wire;
mod writer;

pub use builder::{Builder, Finished, Limits};
pub use diff::{Change, ChangeBy, changes};
pub use findings::{Finding, FindingTopic, findings};
pub use format::{Format, write, write_difference, write_to};
pub use header::{Build, Header, Mode, Totals, Unit};
pub use model::{
    Activity, Frame, FrameId, FrameKind, Function, FunctionId, Lock, LockId, Pause, PauseKind,
    RowKey, Sample, Stack, StackId, StringId, Thread, ThreadId, Weight,
};
pub use profile::Profile;
pub use recording::{Recording, RecordingError};
