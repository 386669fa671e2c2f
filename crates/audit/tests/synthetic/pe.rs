//! A PE image, built byte by byte.

use super::{Bytes, IMPORT, INIT, SyntheticImage, TEXT};
use ungil_audit::image::{Arch, Format};

const BASE: u64 = 0x1_8000_0000;
/// Each section is one page in memory and in the file, at the same offset.
const PAGE: usize = 0x1000;

/// The function of the delay-loaded library.
pub(crate) const DELAYED: &str = "PyList_New";

pub(crate) fn pe(arch: Arch) -> SyntheticImage {
    let mut file = Bytes(vec![0; 5 * PAGE]);
    file.put(0, b"MZ");
    file.word(0x3c, 0x80);
    file.put(0x80, b"PE\0\0");
    file.half(0x84, if arch == Arch::X86_64 { 0x8664 } else { 0xaa64 });
    file.half(0x86, 4);
    file.half(0x94, 240);
    file.half(0x96, 0x2022);
    let optional = 0x98;
    file.half(optional, 0x20b);
    file.long(optional + 24, BASE);
    file.word(optional + 32, PAGE as u32);
    file.word(optional + 36, 0x200);
    file.word(optional + 56, 5 * PAGE as u32);
    file.word(optional + 60, PAGE as u32);
    file.word(optional + 108, 16);
    // Exports, imports, base relocations, delayed imports: address and size.
    for (index, at, len) in [(0, 0x2000, 0x100), (1, 0x2200, 40), (5, 0x4000, 16), (13, 0x2500, 64)]
    {
        file.word(optional + 112 + 8 * index, at);
        file.word(optional + 116 + 8 * index, len);
    }
    for (index, (name, flags)) in [
        (".text", 0x6000_0020),
        (".rdata", 0x4000_0040),
        (".data", 0xc000_0040),
        (".reloc", 0x4200_0040),
    ]
    .into_iter()
    .enumerate()
    {
        let header = optional + 240 + 40 * index;
        let at = (PAGE * (index + 1)) as u32;
        file.put(header, name.as_bytes());
        [PAGE as u32, at, PAGE as u32, at]
            .into_iter()
            .enumerate()
            .for_each(|(field, value)| file.word(header + 8 + 4 * field, value));
        file.word(header + 36, flags);
    }
    // Two exports: the init function, and a forwarder.
    file.word(0x2014, 2);
    file.word(0x2018, 2);
    [0x2040, 0x2050, 0x2060]
        .into_iter()
        .enumerate()
        .for_each(|(field, at)| file.word(0x201c + 4 * field, at));
    file.word(0x2040, 0x1010);
    file.word(0x2044, 0x20a0);
    file.word(0x2050, 0x2080);
    file.word(0x2054, 0x2090);
    file.half(0x2062, 1);
    file.put(0x2080, INIT.as_bytes());
    file.put(0x2090, b"forwarded");
    file.put(0x20a0, b"other.function");
    // Imports: names at 0x2300, cells at 0x2380; one by ordinal.
    [0x2300, 0, 0, 0x2400, 0x2380]
        .into_iter()
        .enumerate()
        .for_each(|(field, at)| file.word(0x2200 + 4 * field, at));
    for list in [0x2300, 0x2380] {
        file.long(list, 0x2420);
        file.long(list + 8, 1 << 63 | 77);
    }
    file.put(0x2400, b"libpython314t.dll");
    file.put(0x2422, IMPORT.as_bytes());
    // Delayed imports: names at 0x2580, cells in .data.
    [1, 0x2600, 0, 0x3080, 0x2580]
        .into_iter()
        .enumerate()
        .for_each(|(field, at)| file.word(0x2500 + 4 * field, at));
    file.long(0x2580, 0x2620);
    file.put(0x2600, b"late.dll");
    file.put(0x2622, DELAYED.as_bytes());
    file.long(0x3080, BASE + 0x1020);
    // Two pointers, and the cell of the delayed import.
    file.put(0x2700, TEXT.as_bytes());
    file.long(0x3000, BASE + 0x2700);
    file.long(0x3008, BASE + 0x1010);
    file.word(0x4000, 0x3000);
    file.word(0x4004, 16);
    [0xa000, 0xa008, 0xa080, 0]
        .into_iter()
        .enumerate()
        .for_each(|(index, entry)| file.half(0x4008 + 2 * index, entry));
    file.jump(0x1040, arch, BASE + 0x1040, BASE + 0x2380);
    SyntheticImage {
        bytes: file.0,
        format: Format::Pe,
        arch,
        init: BASE + 0x1010,
        text: BASE + 0x3000,
        own: BASE + 0x3008,
        import: BASE + 0x2380,
        stub: Some(BASE + 0x1040),
    }
}
