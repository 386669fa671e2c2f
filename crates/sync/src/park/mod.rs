//! Sleeping until told otherwise: one waiter's place ([`Parker`]), and a set of waiters that costs
//! those who wake them one load while nobody waits ([`WaitSet`]).

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
pub use waitset::{Ticket, WaitSet, Waiter, forked};
