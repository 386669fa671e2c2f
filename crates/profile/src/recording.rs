//! A recording: a profile with its order in time, written as a stream while it is sampled.

mod wire;
mod write;

pub(crate) use write::Writer;
