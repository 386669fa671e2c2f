//! Static analysis of extension modules, wheels and Python sources for free-threaded CPython.
//!
//! A free-threaded interpreter re-enables its GIL for the whole process when it imports an
//! extension module that does not declare that it runs without it. The declaration is in the
//! binary: in module slots, or in a call of its init function. This crate reads it from ELF, Mach-O
//! and PE files of any machine.
//!
//! All input is untrusted: sizes, cycles and depths are bounded, and what cannot be decided is
//! reported as *unknown* with the reason. Nothing is executed unless requested: pip or uv to query
//! an index ([`index`]), and the modules themselves to check the verdicts ([`verify`]).

pub mod archive;
pub mod audit;
pub mod claims;
pub mod environment;
mod files;
pub mod gil_analysis;
pub mod image;
pub mod import_graph;
pub mod index;
pub mod inventory;
pub mod marker;
pub mod metadata;
pub mod model;
pub mod names;
pub mod requirements;
pub mod source;
pub mod tags;
pub mod target;
pub mod verify;
pub mod wheel;
