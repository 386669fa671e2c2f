//! What is Linux's own: reading another process's memory, and what `/proc` says of its threads.

pub mod calls;
pub(crate) mod host;
pub(crate) mod maps;
pub(crate) mod pagemap;
pub(crate) mod registers;
pub(crate) mod smaps;
pub(crate) mod task;
pub(crate) mod vm;

pub use maps::Region;
pub use vm::ProcessMemory;
