//! Extension modules, wheels and sources, judged without running any of them: what happens to the
//! GIL when they are imported.
//!
//! A free-threaded interpreter switches its GIL back on, for the whole process, when it imports an
//! extension module that does not say that it can do without. What a module says lies in its
//! binary: in slots, or in a call that its init function makes. This room reads that from ELF,
//! Mach-O and PE files of any machine. All it reads is untrusted: sizes, cycles and depths have
//! bounds, and what cannot be decided is *unknown*, with the reason. It runs nothing but what is
//! asked for: pip or uv, about an index ([`index`]), and the modules themselves, to compare
//! ([`verify`]).

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
