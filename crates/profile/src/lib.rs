//! Samples over time become one profile, and a profile becomes its formats: flame graph, speedscope, Firefox Profiler, pprof,
//! collapsed stacks, and a binary recording that can be replayed into any of them.

mod builder;
mod header;
mod model;
mod recording;

pub use builder::{Builder, Finished, Limits};
pub use header::{Build, Header, Mode, Totals, Unit};
pub use model::{
    Activity, Frame, FrameId, Function, FunctionId, Key, Kind, Lock, LockId, Pause, PauseKind, Profile,
    Sample, Stack, StackId, StringId, Thread, ThreadId, Weight,
};
