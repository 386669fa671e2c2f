//! The race detector that is loaded into a free-threaded CPython.
//!
//! It sees three streams of events, and needs no change to the program:
//!
//! - accesses to attributes, items, globals and closures, from `sys.monitoring`'s INSTRUCTION events
//!   (`instruction`), with the operands read from the interpreter's evaluation stack (`frame`);
//! - calls of C methods of locks, threads, queues and containers, from wrappers put into their
//!   `PyMethodDef`s (`method`), which every caller goes through, C code too, and which work for
//!   objects made before;
//! - the end of objects, from `PyRefTracer`, so that an address used again starts anew (`shadow`).
//!
//! Synchronization gives happens-before as vector clocks (`thread`); accesses are checked against
//! the last accesses of the other threads (`detector`). A single operation on a list, dict or
//! attribute is atomic without the GIL, so an unordered pair alone is no error: the detector looks
//! for units of several operations (read-modify-write, check-then-act, iteration) that another thread
//! can come between.
//!
//! Invariants, because the code runs inside other programs:
//!
//! - An object that only its creating thread has a reference to costs one comparison, and an
//!   instruction that saw nothing else for a while is not looked at any more.
//! - No reference count changes, and no Python code runs, while a lock of this library is held.
//! - A forked child is not watched: its parent's threads and clocks mean nothing there.

mod access;
mod cell;
mod detector;
mod finding;
mod frame;
mod instruction;
mod lifecycle;
mod lock_order;
mod method;
mod method_table;
mod monitor;
mod pause;
mod python;
mod quiet;
mod rules;
mod shadow;
mod stack;
mod started_thread;
mod thread;
mod value;

pub use lifecycle::{ungil_race_callback, ungil_race_patch, ungil_race_start, ungil_race_stop};
