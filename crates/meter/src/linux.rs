//! Everything that is Linux's own: `/proc`, cgroup v2, `wait4`, subreapers. Another system is a
//! sibling of this file that offers the same names.

pub(crate) mod acceptors;
pub(crate) mod cgroup;
pub(crate) mod forks;
pub(crate) mod proc;
pub(crate) mod room;
pub(crate) mod spawn;
pub(crate) mod sys;
