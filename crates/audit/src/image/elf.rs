//! Parses ELF like its loader: from program headers and the dynamic table, because section headers
//! may be stripped or wrong.
//!
//! Sources: System V ABI (gABI) chapters 4 and 5, its x86-64 and AArch64 supplements, the gABI
//! proposal for `SHT_RELR`. Sections are used only to locate PLT entries, so that not all code has
//! to be searched for them.

use super::builder::{Builder, array};
use super::stubs::CodeRegion;
use super::{Arch, Format, Image, ImageError};
use object::LittleEndian as LE;
use object::elf::{self, Dyn64, FileHeader64, Rela64, Relr64, Sym64};
use object::read::elf::{FileHeader as _, GnuHashTable, HashTable, RelrIterator};

type Header = FileHeader64<LE>;
type Symbol = Sym64<LE>;

/// More than any linker creates; three are usual.
const MAX_PLT_SECTIONS: usize = 16;

pub(super) fn parse(file: &[u8]) -> Result<Image<'_>, ImageError> {
    let arch = supported(file)?;
    let mut build = Builder::new(Format::Elf, arch, file);
    let headers =
        Header::parse(file).and_then(|header| Ok((header, header.program_headers(LE, file)?)));
    let (header, programs) =
        headers.map_err(|_| build.damaged("its headers lie outside the file"))?;
    let mut dynamic = None;
    for program in programs {
        let (address, offset) = (program.p_vaddr.get(LE), program.p_offset.get(LE));
        let (size, len) = (program.p_memsz.get(LE), program.p_filesz.get(LE));
        match program.p_type.get(LE) {
            elf::PT_LOAD => {
                let executable = program.p_flags.get(LE).contains(elf::PF_X);
                build.segment(address, size, offset, len, executable)?;
            }
            elf::PT_DYNAMIC => dynamic = Some(address),
            _ => {}
        }
    }
    if let Some(address) = dynamic {
        let table = DynamicTable::read(&build, address)?;
        let symbols = table.symbols(&mut build)?;
        table.libraries(&mut build)?;
        table.relocations(&mut build, &symbols)?;
        plt(&mut build, header)?;
    }
    Ok(build.image)
}

/// Returns the architecture of a supported ELF file, from its first 20 bytes.
fn supported(file: &[u8]) -> Result<Arch, ImageError> {
    let short = ImageError::Damaged { format: Format::Elf, what: "it ends inside its header" };
    let &[class, data] =
        file.get(4..6).and_then(|bytes| bytes.first_chunk()).ok_or(short.clone())?;
    let not = |what: &str| Err(ImageError::Unsupported(format!("an ELF file {what}")));
    if data != elf::ELFDATA2LSB.0 {
        return not("for a big-endian machine");
    }
    let half = |at: usize| {
        file.get(at..).and_then(|bytes| bytes.first_chunk()).map(|two| u16::from_le_bytes(*two))
    };
    let (kind, machine) = half(16).zip(half(18)).ok_or(short)?;
    let arch = match elf::Machine(machine) {
        elf::EM_X86_64 => Arch::X86_64,
        elf::EM_AARCH64 => Arch::Aarch64,
        elf::EM_386 => return not("for 32-bit x86"),
        elf::EM_ARM => return not("for 32-bit Arm"),
        elf::EM_PPC64 => return not("for 64-bit PowerPC"),
        elf::EM_RISCV => return not("for RISC-V"),
        elf::EM_LOONGARCH => return not("for LoongArch"),
        elf::EM_S390 => return not("for S/390"),
        elf::Machine(other) => return not(&format!("for machine {other}")),
    };
    if class != elf::ELFCLASS64.0 {
        return not("with 32-bit addresses");
    }
    match elf::FileType(kind) {
        elf::ET_DYN | elf::ET_EXEC => Ok(arch),
        elf::ET_REL => not("that is not linked yet"),
        elf::FileType(other) => not(&format!("of type {other}")),
    }
}

/// Entries of the dynamic table; 0 if missing.
#[derive(Default)]
struct DynamicTable {
    strings: (u64, u64),
    symbols: u64,
    hash: u64,
    gnu_hash: u64,
    rela: (u64, u64),
    jumps: (u64, u64),
    relr: (u64, u64),
    needed: Vec<u64>,
}

/// Value of a symbol for relocations.
#[derive(Clone, Copy)]
enum SymbolValue {
    /// Unnamed, thread-local, or resolved at run time.
    No,
    Inside(u64),
    Import(usize),
}

impl DynamicTable {
    fn read(build: &Builder<'_>, address: u64) -> Result<DynamicTable, ImageError> {
        let entries = build.image.from(address);
        let entries =
            entries.ok_or_else(|| build.damaged("its dynamic table lies outside the file"))?;
        let mut table = DynamicTable::default();
        for entry in array::<Dyn64<LE>>(entries) {
            let value = entry.d_val.get(LE);
            match entry.d_tag.get(LE) {
                elf::DT_NULL => break,
                elf::DT_STRTAB => table.strings.0 = value,
                elf::DT_STRSZ => table.strings.1 = value,
                elf::DT_SYMTAB => table.symbols = value,
                elf::DT_HASH => table.hash = value,
                elf::DT_GNU_HASH => table.gnu_hash = value,
                elf::DT_RELA => table.rela.0 = value,
                elf::DT_RELASZ => table.rela.1 = value,
                elf::DT_JMPREL => table.jumps.0 = value,
                elf::DT_PLTRELSZ => table.jumps.1 = value,
                elf::DT_RELR => table.relr.0 = value,
                elf::DT_RELRSZ => table.relr.1 = value,
                elf::DT_NEEDED => table.needed.push(value),
                _ => {}
            }
        }
        Ok(table)
    }

    fn libraries(&self, build: &mut Builder<'_>) -> Result<(), ImageError> {
        for &offset in &self.needed {
            let name = self.string(build, offset)?;
            build.image.libraries.push(String::from_utf8_lossy(name).into_owned());
        }
        Ok(())
    }

    fn string<'a>(&self, build: &mut Builder<'a>, offset: u64) -> Result<&'a [u8], ImageError> {
        const OUTSIDE: &str = "a name lies outside its string table";
        let strings = build.table(
            self.strings.0,
            self.strings.1,
            "its string table lies outside the file",
        )?;
        let offset = usize::try_from(offset).ok();
        let bytes = offset
            .and_then(|offset| strings.get(offset..))
            .ok_or_else(|| build.damaged(OUTSIDE))?;
        build.name(bytes)
    }

    /// Records exports and imports, and returns the value of every symbol.
    fn symbols(&self, build: &mut Builder<'_>) -> Result<Vec<SymbolValue>, ImageError> {
        if self.symbols == 0 {
            return Ok(Vec::new());
        }
        let all = array::<Symbol>(build.image.from(self.symbols).unwrap_or_default());
        let symbols = all
            .get(..self.count(build)?)
            .ok_or_else(|| build.damaged("symbols lie outside the file"))?;
        let mut known = Vec::with_capacity(symbols.len());
        for symbol in symbols {
            let (value, kind) = (symbol.st_value.get(LE), symbol.st_type());
            let global = symbol.st_bind() != elf::STB_LOCAL;
            if symbol.st_shndx.get(LE) != elf::SHN_UNDEF {
                // The value of a thread-local symbol is not an address; that of an indirect
                // function is its resolver.
                if matches!(kind, elf::STT_TLS | elf::STT_GNU_IFUNC) {
                    known.push(SymbolValue::No);
                    continue;
                }
                known.push(SymbolValue::Inside(value));
                let hidden = matches!(symbol.st_visibility(), elf::STV_HIDDEN | elf::STV_INTERNAL);
                if global && !hidden && kind != elf::STT_SECTION {
                    let name = self.string(build, symbol.st_name.get(LE).into())?;
                    build.export(name, value);
                }
            } else if global && symbol.st_name.get(LE) != 0 {
                let name = self.string(build, symbol.st_name.get(LE).into())?;
                known.push(SymbolValue::Import(build.import(name)));
            } else {
                known.push(SymbolValue::No);
            }
        }
        Ok(known)
    }

    /// Returns the number of symbols, which no entry states. The hash tables reach up to the last
    /// symbol that can be looked up, and relocations refer to the others.
    fn count(&self, build: &Builder<'_>) -> Result<usize, ImageError> {
        let damaged = || build.damaged("its hash table lies outside the file");
        let table = |address| build.image.from(address).ok_or_else(damaged);
        let mut hashed = 0;
        if self.gnu_hash != 0 {
            let gnu =
                GnuHashTable::<Header>::parse(LE, table(self.gnu_hash)?).map_err(|_| damaged())?;
            // `None` if nothing is exported.
            hashed = gnu.symbol_table_length(LE).unwrap_or(0);
        }
        if self.hash != 0 {
            let old = HashTable::<Header>::parse(LE, table(self.hash)?).map_err(|_| damaged())?;
            hashed = hashed.max(old.symbol_table_length());
        }
        let named = self.rela(build)?.map(|rela| rela.r_sym(LE, false).saturating_add(1)).max();
        Ok(hashed.max(named.unwrap_or(0)) as usize)
    }

    /// Returns all relocations with an addend.
    fn rela<'a>(
        &self,
        build: &Builder<'a>,
    ) -> Result<impl Iterator<Item = &'a Rela64<LE>> + use<'a>, ImageError> {
        let part = |(address, size): (u64, u64)| match size {
            0 => Ok(&[][..]),
            _ => build.table(address, size, "its relocations lie outside the file"),
        };
        Ok(array::<Rela64<LE>>(part(self.rela)?).iter().chain(array(part(self.jumps)?)))
    }

    fn relocations(
        &self,
        build: &mut Builder<'_>,
        symbols: &[SymbolValue],
    ) -> Result<(), ImageError> {
        let (relative, direct, absolute) = match build.image.arch {
            Arch::X86_64 => (
                elf::R_X86_64_RELATIVE,
                [elf::R_X86_64_GLOB_DAT, elf::R_X86_64_JUMP_SLOT],
                elf::R_X86_64_64,
            ),
            Arch::Aarch64 => (
                elf::R_AARCH64_RELATIVE,
                [elf::R_AARCH64_GLOB_DAT, elf::R_AARCH64_JUMP_SLOT],
                elf::R_AARCH64_ABS64,
            ),
        };
        for rela in self.rela(build)? {
            let (cell, addend, kind) =
                (rela.r_offset.get(LE), rela.r_addend.get(LE), rela.r_type(LE, false));
            if kind == relative {
                build.pointer(cell, addend as u64)?;
                continue;
            }
            if kind != absolute && !direct.contains(&kind) {
                continue;
            }
            // On x86-64 the addend is ignored for GOT entries; a non-zero value is a leftover.
            let addend =
                if kind == absolute || build.image.arch == Arch::Aarch64 { addend } else { 0 };
            match symbols.get(rela.r_sym(LE, false) as usize) {
                Some(SymbolValue::Inside(value)) => {
                    build.pointer(cell, value.wrapping_add_signed(addend))?
                }
                // An address behind an import is not the import.
                Some(&SymbolValue::Import(index)) if addend == 0 => build.cell(cell, index)?,
                _ => {}
            }
        }
        if self.relr.1 > 0 {
            let table =
                build.table(self.relr.0, self.relr.1, "its relocations lie outside the file")?;
            for cell in RelrIterator::<Header>::new(LE, array::<Relr64<LE>>(table)) {
                // Relative relocations with the addend in the cell.
                if let Some(target) = build.image.word(cell) {
                    build.pointer(cell, target)?;
                }
            }
        }
        Ok(())
    }
}

/// Records the PLT entries: those in PLT sections, or, without section headers, those in all code.
fn plt(build: &mut Builder<'_>, header: &Header) -> Result<(), ImageError> {
    let named = plt_sections(build, header);
    let (code, region) = match named.is_empty() {
        true => (build.all_code(), CodeRegion::Anywhere),
        false => (named, CodeRegion::Table),
    };
    for (address, code) in code {
        build.stubs(address, code, region)?;
    }
    Ok(())
}

fn plt_sections<'a>(build: &Builder<'a>, header: &Header) -> Vec<(u64, &'a [u8])> {
    let file = build.image.file;
    let sections = header.section_headers(LE, file).unwrap_or_default();
    let names = header.shstrndx(LE, file).ok().and_then(|index| sections.get(index as usize));
    let Some(names) = names.and_then(|names| {
        let start = usize::try_from(names.sh_offset.get(LE)).ok()?;
        file.get(start..)
    }) else {
        return Vec::new();
    };
    let is_plt = |name: u32| {
        let name = names.get(name as usize..).unwrap_or_default();
        name.starts_with(b".plt") || name.starts_with(b".iplt")
    };
    let found = sections.iter().filter(|section| {
        section.sh_flags.get(LE).contains(elf::SHF_EXECINSTR) && is_plt(section.sh_name.get(LE))
    });
    let ranges = found.take(MAX_PLT_SECTIONS).filter_map(|section| {
        let start = section.sh_addr.get(LE);
        build.code(start..start.checked_add(section.sh_size.get(LE))?)
    });
    ranges.collect()
}
