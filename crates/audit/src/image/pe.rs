//! Parses PE like Windows: sections, export and import tables, delayed imports, base relocations.
//!
//! Source: Microsoft's "PE Format". Addresses in the tables are relative to the preferred base of
//! the image; here they are absolute. Functions of other libraries are called through a cell of the
//! import table, or through a jump that reads one, anywhere in the code.

use super::builder::{Builder, array};
use super::stubs::CodeRegion;
use super::{Arch, Format, Image, ImageError};
use object::LittleEndian as LE;
use object::endian::{U16, U32};
use object::pe::{self, ImageDelayloadDescriptor, ImageImportDescriptor, ImageThunkData64};
use object::pod::{Pod, from_bytes};
use object::read::pe::{DataDirectories, ImageNtHeaders, RelocationBlockIterator};

/// The data directories, and the base to which their addresses are relative.
struct Tables<'a> {
    base: u64,
    directories: DataDirectories<'a>,
}

pub(super) fn parse(file: &[u8]) -> Result<Image<'_>, ImageError> {
    let damaged = |what| ImageError::Damaged { format: Format::Pe, what };
    let headers = damaged("its headers lie outside the file");
    let dos = pe::ImageDosHeader::parse(file).map_err(|_| ImageError::NotABinary)?;
    let mut at = u64::from(dos.nt_headers_offset());
    let nt = file.get(at as usize..).ok_or(ImageError::NotABinary)?;
    if !nt.starts_with(b"PE\0\0") {
        // DOS programs and other files that start with MZ.
        return Err(ImageError::NotABinary);
    }
    let machine = nt.get(4..6).and_then(|bytes| bytes.first_chunk()).ok_or(headers.clone())?;
    let arch = supported(u16::from_le_bytes(*machine))?;
    let (nt, directories) =
        pe::ImageNtHeaders64::parse(file, &mut at).map_err(|_| headers.clone())?;
    let sections = nt.sections(file, at).map_err(|_| headers)?;
    let base = nt.optional_header.image_base.get(LE);
    let mut build = Builder::new(Format::Pe, arch, file);
    for section in sections.iter() {
        let address = base.checked_add(section.virtual_address.get(LE).into());
        let address =
            address.ok_or_else(|| build.damaged("a section lies beyond all addresses"))?;
        let raw = section.size_of_raw_data.get(LE);
        let size = match section.virtual_size.get(LE) {
            0 => raw,
            size => size,
        };
        let executable = section.characteristics.get(LE).contains(pe::IMAGE_SCN_MEM_EXECUTE);
        let offset = section.pointer_to_raw_data.get(LE);
        let raw = if offset == 0 { 0 } else { raw };
        build.segment(address, size.into(), offset.into(), raw.into(), executable)?;
    }
    let tables = Tables { base, directories };
    tables.relocations(&mut build)?;
    tables.exports(&mut build)?;
    tables.imports(&mut build)?;
    tables.delayed(&mut build)?;
    for (address, code) in build.all_code() {
        build.stubs(address, code, CodeRegion::Anywhere)?;
    }
    Ok(build.image)
}

fn supported(machine: u16) -> Result<Arch, ImageError> {
    let not = |what: &str| Err(ImageError::Unsupported(format!("a PE file for {what}")));
    match pe::Machine(machine) {
        pe::IMAGE_FILE_MACHINE_AMD64 => Ok(Arch::X86_64),
        pe::IMAGE_FILE_MACHINE_ARM64 => Ok(Arch::Aarch64),
        pe::IMAGE_FILE_MACHINE_I386 => not("32-bit x86"),
        pe::IMAGE_FILE_MACHINE_ARMNT => not("32-bit Arm"),
        pe::IMAGE_FILE_MACHINE_ARM64EC | pe::IMAGE_FILE_MACHINE_ARM64X => {
            not("two kinds of code (ARM64EC)")
        }
        pe::Machine(other) => not(&format!("machine {other:#x}")),
    }
}

const IMPORTS: &str = "its imports lie outside the file";
const EXPORTS: &str = "its exports lie outside the file";

impl Tables<'_> {
    /// Converts a relative address to an absolute one.
    fn address(&self, relative: u32) -> u64 {
        self.base.wrapping_add(relative.into())
    }

    /// Returns the bytes of the file from a relative address to the end of its section.
    fn from<'a>(
        &self,
        build: &Builder<'a>,
        relative: u32,
        what: &'static str,
    ) -> Result<&'a [u8], ImageError> {
        build.image.from(self.address(relative)).ok_or_else(|| build.damaged(what))
    }

    fn name<'a>(
        &self,
        build: &mut Builder<'a>,
        relative: u32,
        what: &'static str,
    ) -> Result<&'a [u8], ImageError> {
        let bytes = self.from(build, relative, what)?;
        build.name(bytes)
    }

    /// Returns the entries of a zero-terminated table; the caller stops at the terminator.
    fn list<'a, T: Pod>(&self, build: &Builder<'a>, relative: u32) -> Result<&'a [T], ImageError> {
        Ok(array(self.from(build, relative, IMPORTS)?))
    }

    fn exports(&self, build: &mut Builder<'_>) -> Result<(), ImageError> {
        let Some(directory) = self.directories.get(pe::IMAGE_DIRECTORY_ENTRY_EXPORT) else {
            return Ok(());
        };
        let (start, len) = directory.address_range();
        let table = from_bytes::<pe::ImageExportDirectory>(self.from(build, start, EXPORTS)?);
        let (table, _) = table.map_err(|()| build.damaged(EXPORTS))?;
        let count = table.number_of_names.get(LE);
        if count == 0 {
            return Ok(());
        }
        let part = |build: &Builder<'_>, relative: &U32<LE>, entries: u32, size: u64| {
            build
                .table(self.address(relative.get(LE)), u64::from(entries) * size, EXPORTS)
                .map(|_| ())
        };
        part(build, &table.address_of_names, count, 4)?;
        part(build, &table.address_of_name_ordinals, count, 2)?;
        let names = array::<U32<LE>>(self.from(build, table.address_of_names.get(LE), EXPORTS)?);
        let ordinals =
            array::<U16<LE>>(self.from(build, table.address_of_name_ordinals.get(LE), EXPORTS)?);
        let functions =
            array::<U32<LE>>(self.from(build, table.address_of_functions.get(LE), EXPORTS)?);
        for (name, ordinal) in names.iter().zip(ordinals).take(count as usize) {
            let name = self.name(build, name.get(LE), EXPORTS)?;
            let function =
                functions.get(usize::from(ordinal.get(LE))).map(|function| function.get(LE));
            let function = function.ok_or_else(|| build.damaged(EXPORTS))?;
            // An address within the table is the name of a function in another library (a
            // forwarder).
            if function.wrapping_sub(start) >= len {
                build.export(name, self.address(function));
            }
        }
        Ok(())
    }

    fn imports(&self, build: &mut Builder<'_>) -> Result<(), ImageError> {
        let Some(directory) = self.directories.get(pe::IMAGE_DIRECTORY_ENTRY_IMPORT) else {
            return Ok(());
        };
        // Windows ignores the size of the table as well.
        let all = self.list::<ImageImportDescriptor>(build, directory.virtual_address.get(LE))?;
        for library in all.iter().take_while(|library| !library.is_null()) {
            let cells = library.first_thunk.get(LE);
            let names = match library.original_first_thunk.get(LE) {
                0 => cells,
                names => names,
            };
            self.library(build, library.name.get(LE), names, cells)?;
        }
        Ok(())
    }

    fn delayed(&self, build: &mut Builder<'_>) -> Result<(), ImageError> {
        let Some(directory) = self.directories.get(pe::IMAGE_DIRECTORY_ENTRY_DELAY_IMPORT) else {
            return Ok(());
        };
        let all =
            self.list::<ImageDelayloadDescriptor>(build, directory.virtual_address.get(LE))?;
        for library in all.iter().take_while(|library| !library.is_null()) {
            // Linkers before 2002 wrote absolute addresses here, but created no 64-bit images.
            let (names, cells) =
                (library.import_name_table_rva.get(LE), library.import_address_table_rva.get(LE));
            self.library(build, library.dll_name_rva.get(LE), names, cells)?;
        }
        Ok(())
    }

    /// Adds a library and its imports. `names` is a zero-terminated list, and `cells` are filled in
    /// the same order.
    fn library(
        &self,
        build: &mut Builder<'_>,
        name: u32,
        names: u32,
        cells: u32,
    ) -> Result<(), ImageError> {
        let library = self.name(build, name, IMPORTS)?;
        build.image.libraries.push(String::from_utf8_lossy(library).into_owned());
        let names = self.list::<ImageThunkData64>(build, names)?.iter().map(|name| name.0.get(LE));
        for (index, name) in names.take_while(|&name| name != 0).enumerate() {
            let import = if name & pe::IMAGE_ORDINAL_FLAG64 != 0 {
                build.import(format!("#{}", name & 0xffff).as_bytes())
            } else {
                // A two-byte hint precedes the name.
                let name =
                    self.name(build, (name as u32 & 0x7fff_ffff).wrapping_add(2), IMPORTS)?;
                build.import(name)
            };
            let cell = self.address(cells).wrapping_add(8 * index as u64);
            build.cell(cell, import)?;
        }
        Ok(())
    }

    fn relocations(&self, build: &mut Builder<'_>) -> Result<(), ImageError> {
        const OUTSIDE: &str = "its relocations lie outside the file";
        let Some(directory) = self.directories.get(pe::IMAGE_DIRECTORY_ENTRY_BASERELOC) else {
            return Ok(());
        };
        let (start, len) = directory.address_range();
        let table = build.table(self.address(start), len.into(), OUTSIDE)?;
        for block in RelocationBlockIterator::new(table) {
            for relocation in
                block.map_err(|_| build.damaged("its relocations contradict themselves"))?
            {
                if relocation.typ != pe::IMAGE_REL_BASED_DIR64 {
                    continue;
                }
                let cell = self.address(relocation.virtual_address);
                if let Some(target) = build.image.word(cell) {
                    build.pointer(cell, target)?;
                }
            }
        }
        Ok(())
    }
}
