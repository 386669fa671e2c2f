//! Linux-specific code: memory of another process, and facts about processes and threads from
//! `/proc`.

pub(crate) mod maps;
pub(crate) mod pagemap;
pub(crate) mod permission;
pub(crate) mod proc_stat;
pub(crate) mod registers;
pub(crate) mod smaps;
pub mod syscall;
pub(crate) mod task;
pub(crate) mod vm;

pub use maps::Region;
pub use vm::ProcessMemory;
