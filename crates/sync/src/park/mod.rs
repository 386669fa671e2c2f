//! Sleeping and waking: one waiter ([`Parker`]), and a set of waiters whose notification costs one
//! load while nobody waits ([`WaitSet`]).

mod parker;
mod waitset;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod os;
#[cfg(not(target_os = "linux"))]
#[path = "portable.rs"]
mod os;

pub use os::is_main_thread;
pub use parker::{Parker, Woken};
pub use waitset::{Ticket, WaitSet, Waiter, after_fork_in_child};
