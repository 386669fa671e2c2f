//! The study: its workloads as plain Python files, their sizes, and what the records of a whole
//! suite say.
//!
//! A suite is a folder: `suite.json` with what was planned, one record a point, and the Python
//! files that ran. This room plans ([`plan`]), gets what a workload needs ([`packages`]), runs
//! ([`drive`]), and makes a [`summary`] of the records alone, so that a folder that was copied, cut
//! off or made elsewhere gives the same words. It prints nothing.

pub mod drive;
mod findings;
pub mod folder;
pub mod packages;
pub mod plan;
pub mod sizes;
pub mod summary;
pub mod table;
pub mod workloads;

pub use ungil_meter::available_memory;
