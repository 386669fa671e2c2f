//! Parses Mach-O like dyld: segments, the symbol table, binds and rebases.
//!
//! Sources: Apple's `mach-o/loader.h`, `mach-o/nlist.h` and `mach-o/fat.h`. A universal file
//! contains one image per architecture. Fixups are in `fixups`.

use super::builder::{Builder, array, c_name};
use super::fixups::Linkedit;
use super::stubs::CodeRegion;
use super::{Arch, Format, Image, ImageError};
use object::LittleEndian as LE;
use object::macho::{self, FatArch32, FatArch64, MachHeader64, Nlist64, Section64};
use object::pod::slice_from_bytes;
use object::read::macho::{FatArch, LoadCommandData, LoadCommandVariant, MachHeader, MachOFatFile};

/// More than any universal file has. Java class files start with the same four bytes and have their
/// version, 45 or more, in place of the count.
const MAX_IMAGES: usize = 16;
/// More than any linker creates; two are usual.
const MAX_STUB_SECTIONS: usize = 16;

const HEADERS: ImageError =
    ImageError::Damaged { format: Format::MachO, what: "its headers lie outside the file" };

/// Parses the images of a universal file. Unsupported ones (32-bit, arm64e: no current Python uses
/// them) are skipped if there is another.
fn universal<Fat: FatArch>(file: &[u8]) -> Result<Vec<Image<'_>>, ImageError> {
    let fat = MachOFatFile::<Fat>::parse(file).map_err(|_| ImageError::NotABinary)?;
    if fat.arches().len() > MAX_IMAGES {
        return Err(ImageError::NotABinary);
    }
    let mut images = Vec::new();
    let mut last = ImageError::Unsupported("a universal Mach-O file with nothing in it".into());
    for arch in fat.arches() {
        let part = arch.data(file).map_err(|_| HEADERS)?;
        match parse(part) {
            Ok(image) => images.push(image),
            Err(unsupported @ ImageError::Unsupported(_)) => last = unsupported,
            Err(damaged) => return Err(damaged),
        }
    }
    if images.is_empty() { Err(last) } else { Ok(images) }
}

/// Parses a universal file with 32-bit offsets, as nearly all have.
pub(super) fn universal32(file: &[u8]) -> Result<Vec<Image<'_>>, ImageError> {
    universal::<FatArch32>(file)
}

/// Parses a universal file with 64-bit offsets.
pub(super) fn universal64(file: &[u8]) -> Result<Vec<Image<'_>>, ImageError> {
    universal::<FatArch64>(file)
}

pub(super) fn parse(file: &[u8]) -> Result<Image<'_>, ImageError> {
    let arch = supported(file)?;
    let header = MachHeader64::<LE>::parse(file, 0).map_err(|_| HEADERS)?;
    let mut build = Builder::new(Format::MachO, arch, file);
    let mut linkedit = Linkedit::default();
    let mut stubs = Vec::new();
    let mut symbols = None;
    let mut commands = header.load_commands(LE, file, 0).map_err(|_| HEADERS)?;
    while let Some(command) = commands.next().map_err(|_| HEADERS)? {
        match command.variant().map_err(|_| HEADERS)? {
            LoadCommandVariant::Segment64(segment, sections) => {
                let address = segment.vmaddr.get(LE);
                if segment.segname.starts_with(b"__TEXT\0") {
                    linkedit.base = address;
                }
                let executable = segment.initprot.get(LE).contains(macho::VM_PROT_EXECUTE);
                let (offset, len) = (segment.fileoff.get(LE), segment.filesize.get(LE));
                build.segment(address, segment.vmsize.get(LE), offset, len, executable)?;
                let sections =
                    slice_from_bytes::<Section64<LE>>(sections, segment.nsects.get(LE) as usize);
                let (sections, _) = sections.map_err(|()| HEADERS)?;
                let of_stubs =
                    sections.iter().filter(|s| s.flags.get(LE).typ() == macho::S_SYMBOL_STUBS);
                stubs.extend(
                    of_stubs.take(MAX_STUB_SECTIONS).map(|s| (s.addr.get(LE), s.size.get(LE))),
                );
            }
            LoadCommandVariant::Symtab(table) => symbols = Some(table),
            LoadCommandVariant::DyldInfo(info) => linkedit.info = Some(info),
            LoadCommandVariant::LinkeditData(data)
                if command.cmd() == macho::LC_DYLD_CHAINED_FIXUPS =>
            {
                linkedit.chains = Some(data);
            }
            LoadCommandVariant::LinkeditData(data)
                if command.cmd() == macho::LC_DYLD_EXPORTS_TRIE =>
            {
                linkedit.exports = Some(data);
            }
            LoadCommandVariant::Dylib(dylib) => library(&mut build, command, dylib)?,
            _ => {}
        }
    }
    if let Some(table) = symbols {
        read_symbols(&mut build, &mut linkedit, table)?;
    }
    linkedit.read(&mut build)?;
    for (address, len) in stubs.into_iter().take(MAX_STUB_SECTIONS) {
        if let Some((address, code)) =
            address.checked_add(len).and_then(|end| build.code(address..end))
        {
            build.stubs(address, code, CodeRegion::Table)?;
        }
    }
    Ok(build.image)
}

fn supported(file: &[u8]) -> Result<Arch, ImageError> {
    let not = |what: &str| Err(ImageError::Unsupported(format!("a Mach-O file {what}")));
    match file {
        [0xcf, 0xfa, 0xed, 0xfe, ..] => {}
        [0xce, 0xfa, 0xed, 0xfe, ..] => return not("for a 32-bit machine"),
        [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] => return not("for a big-endian machine"),
        _ => return Err(HEADERS),
    }
    let header = MachHeader64::<LE>::parse(file, 0).map_err(|_| HEADERS)?;
    match header.filetype.get(LE) {
        macho::MH_BUNDLE | macho::MH_DYLIB | macho::MH_EXECUTE => {}
        macho::FileType(other) => {
            return not(&format!("of type {other}, neither bundle nor library"));
        }
    }
    match header.cputype.get(LE) {
        macho::CPU_TYPE_X86_64 => Ok(Arch::X86_64),
        // Its pointers are signed, and Python's builds for macOS do not load it.
        macho::CPU_TYPE_ARM64 if header.cpusubtype.get(LE).0 & 0xff_ffff == 2 => not("for arm64e"),
        macho::CPU_TYPE_ARM64 => Ok(Arch::Aarch64),
        macho::CpuType(other) => not(&format!("for machine {other:#x}")),
    }
}

fn library<'a>(
    build: &mut Builder<'a>,
    command: LoadCommandData<'a, LE>,
    dylib: &macho::DylibCommand<LE>,
) -> Result<(), ImageError> {
    let name = command.string(LE, dylib.dylib.name).map_err(|_| HEADERS)?;
    build.image.libraries.push(String::from_utf8_lossy(name).into_owned());
    Ok(())
}

fn read_symbols<'a>(
    build: &mut Builder<'a>,
    linkedit: &mut Linkedit<'a>,
    table: &macho::SymtabCommand<LE>,
) -> Result<(), ImageError> {
    const OUTSIDE: &str = "its symbols lie outside the file";
    let part = |offset: u32, len: u64| {
        let bytes = build.image.file.get(offset as usize..);
        bytes
            .and_then(|bytes| bytes.get(..usize::try_from(len).ok()?))
            .ok_or_else(|| build.damaged(OUTSIDE))
    };
    let symbols =
        array::<Nlist64<LE>>(part(table.symoff.get(LE), u64::from(table.nsyms.get(LE)) * 16)?);
    let strings = part(table.stroff.get(LE), table.strsize.get(LE).into())?;
    for symbol in symbols {
        let kind = symbol.n_type;
        // Debugging, local and hidden symbols.
        if kind.is_stab() || !kind.contains(macho::N_EXT) || kind.contains(macho::N_PEXT) {
            continue;
        }
        let bytes =
            strings.get(symbol.n_strx.get(LE) as usize..).ok_or_else(|| build.damaged(OUTSIDE))?;
        match kind.typ() {
            macho::N_SECT => {
                let name = build.name(bytes)?;
                build.export(c_name(name), symbol.n_value.get(LE));
            }
            macho::N_UNDF if symbol.n_value.get(LE) == 0 => {
                let name = build.name(bytes)?;
                linkedit.import(build, name);
            }
            _ => {}
        }
    }
    Ok(())
}
