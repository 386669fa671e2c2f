//! Small synthetic images of every format with the same known contents.
//!
//! ELF images are built by the C compiler. PE and Mach-O images are built byte by byte, because no
//! linker for them is available.

#![allow(dead_code, unused_imports, reason = "each test that uses this is a program of its own")]

mod elf;
mod macho;
mod pe;
mod watch;

pub(crate) use elf::{elf, without_sections};
pub(crate) use macho::{Fills, macho, universal};
pub(crate) use pe::pe;
pub(crate) use watch::watch;

use ungil_audit::image::{Arch, Format, Image, PointerTarget};

/// The exported symbol.
pub(crate) const INIT: &str = "PyInit_made";
/// The imported symbol.
pub(crate) const IMPORT: &str = "PyModuleDef_Init";
/// The string that a pointer refers to.
pub(crate) const TEXT: &str = "package.made";
/// The required library.
pub(crate) const LIBRARY: &str = "libpython";

/// An image, and the addresses of its contents.
pub(crate) struct SyntheticImage {
    pub(crate) bytes: Vec<u8>,
    pub(crate) format: Format,
    pub(crate) arch: Arch,
    /// Address of `INIT`.
    pub(crate) init: u64,
    /// Address of a cell with a pointer to `TEXT`.
    pub(crate) text: u64,
    /// Address of a cell with a pointer to `INIT`.
    pub(crate) own: u64,
    /// Address of a cell with a pointer to `IMPORT`.
    pub(crate) import: u64,
    /// Address of a stub for `IMPORT`, if it is known in advance.
    pub(crate) stub: Option<u64>,
}

impl SyntheticImage {
    /// Asserts that a parsed image has the known contents.
    pub(crate) fn check(&self, image: &Image<'_>) {
        assert_eq!((image.format, image.arch), (self.format, self.arch));
        assert_eq!(image.exports.get(INIT), Some(&self.init), "{:?}", image.exports);
        assert!(image.is_imported(IMPORT), "{:?}", image.imports);
        assert!(
            image.libraries.iter().any(|library| library.contains(LIBRARY)),
            "{:?}",
            image.libraries
        );
        let Some(PointerTarget::Inside(text)) = image.pointer(self.text) else {
            panic!("{:?} at {:#x}", image.pointer(self.text), self.text);
        };
        assert_eq!(image.text(text), Some(TEXT));
        assert_eq!(image.pointer(self.own), Some(PointerTarget::Inside(self.init)));
        assert_eq!(image.pointer(self.import), Some(PointerTarget::Import(IMPORT)));
        assert!(image.pointers().any(|pair| pair == (self.text, text)));
        assert!(image.code(self.init).is_some(), "an init function is code");
        assert!(image.code(self.text).is_none(), "a table is not");
        if let Some(stub) = self.stub {
            assert_eq!(image.stub(stub), Some(IMPORT));
            assert_eq!(image.jump(stub), Some(PointerTarget::Import(IMPORT)));
        }
    }
}

/// A byte buffer with methods to write numbers.
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Bytes {
    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        if self.0.len() < end {
            self.0.resize(end, 0);
        }
        self.0[at..end].copy_from_slice(bytes);
    }

    pub(crate) fn half(&mut self, at: usize, value: u16) {
        self.put(at, &value.to_le_bytes());
    }

    pub(crate) fn word(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_le_bytes());
    }

    pub(crate) fn long(&mut self, at: usize, value: u64) {
        self.put(at, &value.to_le_bytes());
    }

    /// Writes a jump through `cell`, for code at `address`.
    pub(crate) fn jump(&mut self, at: usize, arch: Arch, address: u64, cell: u64) {
        match arch {
            Arch::X86_64 => {
                self.put(at, &[0xff, 0x25]);
                self.word(at + 2, (cell as u32).wrapping_sub(address as u32 + 6));
            }
            Arch::Aarch64 => {
                // adrp x16; ldr x16, [x16, #]; br x16
                let pages = ((cell >> 12) as u32).wrapping_sub((address >> 12) as u32);
                self.word(at, 0x9000_0010 | (pages & 3) << 29 | (pages >> 2 & 0x7_ffff) << 5);
                self.word(at + 4, 0xf940_0210 | ((cell & 0xfff) as u32 / 8) << 10);
                self.word(at + 8, 0xd61f_0200);
            }
        }
    }
}
