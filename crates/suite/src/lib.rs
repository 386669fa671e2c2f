//! The study: its workloads as plain Python files, their sizes, and a summary of a suite's records.
//!
//! A suite is a folder with `suite.json` (the plan), one record per point, and the Python files
//! that ran. This crate plans ([`plan`]), installs what a workload needs ([`packages`]), runs
//! ([`drive`]), and makes a [`summary`] from the records alone, so that a folder that was copied,
//! truncated or made elsewhere gives the same result. It prints nothing.

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
