//! Linux-specific code: `/proc`, cgroup v2, `wait4`, subreapers. Another system would be a sibling
//! file with the same names.

pub(crate) mod acceptors;
pub(crate) mod available_memory;
pub(crate) mod cgroup;
pub(crate) mod forks;
pub(crate) mod proc;
pub(crate) mod spawn;
pub(crate) mod sys;
