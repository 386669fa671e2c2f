//! A Mach-O image, built byte by byte.

use super::{Bytes, IMPORT, INIT, SyntheticImage, TEXT};
use ungil_audit::image::{Arch, Format};

/// Kind of fixups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fills {
    /// Chained fixups with addresses (pointer format 2).
    Chain,
    /// Chained fixups with offsets (pointer format 6), and imports with addends.
    OffsetChain,
    /// Opcode programs, with a lazy bind for the stub's cell.
    Opcodes,
}

pub(crate) fn macho(arch: Arch, fills: Fills, symbols: bool) -> SyntheticImage {
    let mut file = Bytes(vec![0; 0x3000]);
    // Offsets are relative to the start of the image, which need not be 0.
    let base = 0x10_0000;
    file.word(0, 0xfeed_facf);
    file.word(4, if arch == Arch::X86_64 { 0x0100_0007 } else { 0x0100_000c });
    file.word(12, 8);
    let mut commands = Commands { file, at: 32, count: 0 };
    commands.segment("__TEXT", base, 0, 0x1000, 5, &[(base + 0x800, 12, 0x8000_0008)]);
    commands.segment("__DATA", base + 0x1000, 0x1000, 0x1000, 3, &[]);
    commands.segment("__LINKEDIT", base + 0x2000, 0x2000, 0x1000, 1, &[]);
    if symbols {
        commands.add(2, &[0x2000, 3, 0x2080, 0x80]);
    }
    commands.add(0xc, &[24, 0, 0, 0]);
    let name = commands.at;
    commands.file.put(name, b"/usr/lib/libpython3.14t.dylib\0\0\0");
    commands.file.word(name - 20, 24 + 32);
    commands.at += 32;
    match fills {
        Fills::Opcodes => {
            let parts = [0x2100, 16, 0x2140, 0x40, 0, 0, 0x2180, 0x40, 0x2200, 0x40];
            commands.add(0x8000_0022, &parts);
        }
        Fills::Chain | Fills::OffsetChain => {
            commands.add(0x8000_0034, &[0x2300, 0x200]);
            commands.add(0x8000_0033, &[0x2200, 0x40]);
        }
    }
    let (count, end) = (commands.count, commands.at);
    let mut file = commands.file;
    file.word(16, count);
    file.word(20, end as u32 - 32);

    // Symbols: the init function, the import, and a local one.
    for (index, (name, kind, section, value)) in
        [(1, 0x0f, 1, base + 0x600), (0x20, 0x01, 0, 0), (0x40, 0x0e, 1, base + 0x640)]
            .into_iter()
            .enumerate()
    {
        let at = 0x2000 + 16 * index;
        file.word(at, name);
        file.put(at + 4, &[kind, section]);
        file.long(at + 8, value);
    }
    file.put(0x2081, format!("_{INIT}\0").as_bytes());
    file.put(0x20a0, format!("_{IMPORT}\0").as_bytes());
    file.put(0x20c0, b"_local");
    // Export trie: two parts of one name, at offset 0x600.
    let (head, tail) = INIT.split_at(3);
    file.put(0x2200, format!("\0\x01_{head}\0\x10").as_bytes());
    file.put(0x2210, format!("\0\x01{tail}\0\x20").as_bytes());
    file.put(0x2220, &[3, 0, 0x80, 0x0c, 0]);

    let cells = base + 0x1000;
    file.put(0x700, TEXT.as_bytes());
    file.jump(0x800, arch, base + 0x800, cells + 0x10);
    match fills {
        Fills::Opcodes => {
            file.long(0x1000, base + 0x700);
            file.long(0x1008, base + 0x600);
            file.long(0x1010, base + 0x640);
            // Rebase: pointer; segment 1 from 0 on; three times.
            file.put(0x2100, &[0x11, 0x21, 0x00, 0x53, 0x00]);
            // Lazy bind: segment 1, 0x10; library 1; name; bind.
            let name = [&[0x40], format!("_{IMPORT}\0").as_bytes()].concat();
            file.put(0x2180, &[&[0x71, 0x10, 0x11][..], &name, &[0x90, 0x00]].concat());
            // Bind: the same name into 0x18.
            file.put(0x2140, &[&[0x11][..], &name, &[0x51, 0x71, 0x18, 0x90, 0x00]].concat());
        }
        Fills::Chain | Fills::OffsetChain => {
            let offsets = fills == Fills::OffsetChain;
            let rebased =
                |offset: u64, next: u64| if offsets { offset } else { base + offset } | next << 51;
            file.long(0x1000, rebased(0x700, 2));
            file.long(0x1008, rebased(0x600, 2));
            file.long(0x1010, 1 << 63 | 2 << 51);
            file.long(0x1018, 1 << 63);
            // Header: starts, imports, names, one import, its format, uncompressed names.
            let format = if offsets { 2 } else { 1 };
            for (index, field) in [0, 0x20, 0x80, 0xa0, 1, format, 0].into_iter().enumerate() {
                file.word(0x2300 + 4 * index, field);
            }
            // Three segments, of which the second has a chain.
            [3, 0, 0x18, 0]
                .into_iter()
                .enumerate()
                .for_each(|(index, at)| file.word(0x2320 + 4 * index, at));
            let starts = 0x2338;
            file.word(starts, 24);
            file.half(starts + 4, 0x1000);
            file.half(starts + 6, if offsets { 6 } else { 2 });
            file.long(starts + 8, 0x1000);
            file.half(starts + 20, 1);
            file.word(0x2380, 1 | 1 << 9);
            file.put(0x23a1, format!("_{IMPORT}\0").as_bytes());
        }
    }
    SyntheticImage {
        bytes: file.0,
        format: Format::MachO,
        arch,
        init: base + 0x600,
        text: cells,
        own: cells + 8,
        import: cells + 0x18,
        stub: Some(base + 0x800),
    }
}

/// Returns a universal file, with each image on a page boundary.
pub(crate) fn universal(images: &[&SyntheticImage]) -> Vec<u8> {
    let mut file = Bytes(vec![0; 0x1000]);
    file.put(0, &[0xca, 0xfe, 0xba, 0xbe]);
    file.put(4, &(images.len() as u32).to_be_bytes());
    for (index, image) in images.iter().enumerate() {
        let at = file.0.len().next_multiple_of(0x1000);
        let cpu = image.bytes[4..8].iter().rev().copied().collect::<Vec<_>>();
        file.put(8 + 20 * index, &cpu);
        file.put(8 + 20 * index + 8, &(at as u32).to_be_bytes());
        file.put(8 + 20 * index + 12, &(image.bytes.len() as u32).to_be_bytes());
        file.put(at, &image.bytes);
    }
    file.0
}

/// Load commands in a file.
struct Commands {
    file: Bytes,
    at: usize,
    count: u32,
}

impl Commands {
    fn add(&mut self, command: u32, fields: &[u32]) {
        self.file.word(self.at, command);
        self.file.word(self.at + 4, 8 + 4 * fields.len() as u32);
        fields
            .iter()
            .enumerate()
            .for_each(|(index, &field)| self.file.word(self.at + 8 + 4 * index, field));
        self.at += 8 + 4 * fields.len();
        self.count += 1;
    }

    /// Adds a segment with equal size in memory and file, and its sections: address, length, flags.
    fn segment(
        &mut self,
        name: &str,
        address: u64,
        offset: u64,
        len: u64,
        may: u32,
        sections: &[(u64, u64, u32)],
    ) {
        let at = self.at;
        self.file.word(at, 0x19);
        self.file.word(at + 4, 72 + 80 * sections.len() as u32);
        self.file.put(at + 8, name.as_bytes());
        [address, len, offset, len]
            .into_iter()
            .enumerate()
            .for_each(|(index, value)| self.file.long(at + 24 + 8 * index, value));
        [7, may, sections.len() as u32]
            .into_iter()
            .enumerate()
            .for_each(|(i, v)| self.file.word(at + 56 + 4 * i, v));
        for (index, &(address, len, kind)) in sections.iter().enumerate() {
            let section = at + 72 + 80 * index;
            self.file.put(section, b"__stubs");
            self.file.put(section + 16, name.as_bytes());
            self.file.long(section + 32, address);
            self.file.long(section + 40, len);
            self.file.word(section + 48, (address & 0xfff) as u32);
            self.file.word(section + 64, kind);
            self.file.word(section + 72, 12);
        }
        self.at += 72 + 80 * sections.len();
        self.count += 1;
    }
}
