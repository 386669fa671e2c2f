//! Fixups that dyld applies to a Mach-O image: chained fixups, or the older opcode programs, and
//! the export trie.
//!
//! Sources: Apple's `mach-o/fixup-chains.h` and `mach-o/loader.h`. Images for macOS 12 and later
//! chain their cells through the cells themselves; older ones have opcode programs that list the
//! cells to fill.

use super::ImageError;
use super::builder::{Builder, c_name};
use super::trie::ExportTrie;
use object::LittleEndian as LE;
use object::macho::{self, DyldInfoCommand, LinkeditDataCommand};
use object::read::macho::{DyldChainedFixups, Fixup};
use std::collections::HashMap;

const DAMAGED: &str = "its fixups contradict themselves";

/// Link data from the load commands.
#[derive(Default)]
pub(super) struct Linkedit<'a> {
    /// Start of the image, to which dyld's offsets are relative.
    pub(super) base: u64,
    pub(super) info: Option<&'a DyldInfoCommand<LE>>,
    pub(super) chains: Option<&'a LinkeditDataCommand<LE>>,
    pub(super) exports: Option<&'a LinkeditDataCommand<LE>>,
    /// Indexes of imports by name. The file chooses the keys, so this uses the standard hasher with
    /// a random seed.
    imports: HashMap<&'a [u8], usize>,
}

impl<'a> Linkedit<'a> {
    /// Returns the index of an import, and adds it if it is new.
    pub(super) fn import(&mut self, build: &mut Builder<'a>, name: &'a [u8]) -> usize {
        *self.imports.entry(name).or_insert_with(|| build.import(c_name(name)))
    }

    pub(super) fn read(&mut self, build: &mut Builder<'a>) -> Result<(), ImageError> {
        let damaged = build.damaged("its link data lie outside the file");
        let file = build.image.file;
        if let Some(exports) = self.exports {
            ExportTrie::read(
                build,
                self.base,
                exports.data(LE, file).map_err(|_| damaged.clone())?,
            )?;
        }
        if let Some(info) = self.info {
            ExportTrie::read(
                build,
                self.base,
                info.export_data(LE, file).map_err(|_| damaged.clone())?,
            )?;
            self.rebase(build, info)?;
            self.bind(build, info)?;
        }
        if let Some(chains) = self.chains {
            self.follow(build, chains.data(LE, file).map_err(|_| damaged)?)?;
        }
        Ok(())
    }

    fn rebase(
        &self,
        build: &mut Builder<'a>,
        info: &DyldInfoCommand<LE>,
    ) -> Result<(), ImageError> {
        let damaged = build.damaged(DAMAGED);
        for rebase in info.rebases(LE, build.image.file, 8).map_err(|_| damaged.clone())? {
            let rebase = rebase.map_err(|_| damaged.clone())?;
            let cell = cell(build, rebase.segment_index.into(), rebase.segment_offset)?;
            match build.image.word(cell) {
                Some(target) if rebase.kind == macho::REBASE_TYPE_POINTER => {
                    build.pointer(cell, target)?
                }
                _ => build.charge_pointer()?,
            }
        }
        Ok(())
    }

    /// Weak binds are ignored: each cell of one is also bound or rebased, to the same target within
    /// one image.
    fn bind(
        &mut self,
        build: &mut Builder<'a>,
        info: &DyldInfoCommand<LE>,
    ) -> Result<(), ImageError> {
        let damaged = build.damaged(DAMAGED);
        let file = build.image.file;
        let now = info.binds(LE, file, 8).map_err(|_| damaged.clone())?;
        let lazily = info.lazy_binds(LE, file, 8).map_err(|_| damaged.clone())?;
        // Binds of one symbol are consecutive, so its name is looked up once.
        let mut last: Option<(&[u8], usize)> = None;
        for bind in now.chain(lazily) {
            let bind = bind.map_err(|_| damaged.clone())?;
            let cell = cell(build, bind.segment_index.into(), bind.segment_offset)?;
            if bind.addend != 0 || bind.kind != macho::BIND_TYPE_POINTER {
                build.charge_pointer()?;
                continue;
            }
            let index = match last {
                Some((name, index)) if std::ptr::eq(name, bind.symbol) => index,
                _ => {
                    build.charge_name(bind.symbol.len())?;
                    self.import(build, bind.symbol)
                }
            };
            last = Some((bind.symbol, index));
            build.cell(cell, index)?;
        }
        Ok(())
    }

    fn follow(&mut self, build: &mut Builder<'a>, data: &'a [u8]) -> Result<(), ImageError> {
        let damaged = build.damaged(DAMAGED);
        let chains = DyldChainedFixups::parse(LE, data).map_err(|_| damaged.clone())?;
        let imports = self.chained_imports(build, &chains, data)?;
        let mut segments = chains.segments(LE).map_err(|_| damaged.clone())?;
        // Bounded by the number of segments, because a hostile table could list one segment's
        // chains repeatedly.
        for _ in 0..build.image.segments.len() {
            let Some(chain) = segments.next().map_err(|_| damaged.clone())? else { break };
            let format = chain.header().pointer_format.get(LE);
            if !matches!(format, macho::DYLD_CHAINED_PTR_64 | macho::DYLD_CHAINED_PTR_64_OFFSET) {
                return Err(ImageError::Unsupported(format!(
                    "a Mach-O file with pointers of format {}",
                    format.0
                )));
            }
            let segment =
                build.image.segments.get(chain.index() as usize).ok_or(damaged.clone())?;
            let (start, bytes) =
                (segment.addresses.start, build.image.file.get(segment.file.clone()));
            for fixup in chain.fixups(LE, self.base, bytes.unwrap_or_default()) {
                let (offset, fixup) = fixup.map_err(|_| damaged.clone())?;
                let cell = start.wrapping_add(offset);
                match fixup {
                    Fixup::Rebase(rebase) => {
                        build.pointer(cell, self.base.wrapping_add(rebase.target_offset))?;
                    }
                    Fixup::Bind(bind) => match imports.get(bind.ordinal as usize) {
                        Some(ChainImport::Inside(address)) if bind.addend == 0 => {
                            build.pointer(cell, *address)?
                        }
                        Some(ChainImport::Import(index)) if bind.addend == 0 => {
                            build.cell(cell, *index)?
                        }
                        Some(_) => build.charge_pointer()?,
                        None => return Err(damaged),
                    },
                    _ => build.charge_pointer()?,
                }
            }
        }
        Ok(())
    }

    /// Returns the imports of a chain in the order of their table. Implemented here to bound the
    /// lengths of names.
    fn chained_imports(
        &mut self,
        build: &mut Builder<'a>,
        chains: &DyldChainedFixups<'a, LE>,
        data: &'a [u8],
    ) -> Result<Vec<ChainImport>, ImageError> {
        let header = chains.header();
        let damaged = build.damaged("its imports lie outside the file");
        let from = |offset: u32| data.get(offset as usize..).ok_or(damaged.clone());
        if header.symbols_format.get(LE) != 0 {
            return Err(ImageError::Unsupported("a Mach-O file with compressed symbols".into()));
        }
        let (table, names) =
            (from(header.imports_offset.get(LE))?, from(header.symbols_offset.get(LE))?);
        let count = header.imports_count.get(LE) as usize;
        let wide = header.imports_format.get(LE) == macho::DYLD_CHAINED_IMPORT_ADDEND64;
        let size = match header.imports_format.get(LE) {
            macho::DYLD_CHAINED_IMPORT => 4,
            macho::DYLD_CHAINED_IMPORT_ADDEND => 8,
            macho::DYLD_CHAINED_IMPORT_ADDEND64 => 16,
            other => {
                return Err(ImageError::Unsupported(format!(
                    "a Mach-O file with imports of format {}",
                    other.0
                )));
            }
        };
        let table =
            count.checked_mul(size).and_then(|len| table.get(..len)).ok_or(damaged.clone())?;
        let mut bound = Vec::with_capacity(count);
        for entry in table.chunks_exact(size) {
            let (head, addend) = entry.split_at(if wide { 8 } else { 4 });
            let mut word = [0; 8];
            word.iter_mut().zip(head).for_each(|(to, from)| *to = *from);
            let word = u64::from_le_bytes(word);
            // Fields: ordinal of the library, weak flag, reserved bits, offset of the name.
            let (library, name) = if wide {
                (word as u16 as i16, word >> 32)
            } else {
                ((word as u8 as i8).into(), word >> 9 & 0x7f_ffff)
            };
            let name = names.get(name as usize..).ok_or(damaged.clone())?;
            let name = build.name(name)?;
            let weak = i32::from(library) == macho::BIND_SPECIAL_DYLIB_WEAK_LOOKUP.0;
            let own = weak
                .then(|| build.image.exports.get(std::str::from_utf8(c_name(name)).ok()?))
                .flatten();
            bound.push(match own {
                _ if addend.iter().any(|&byte| byte != 0) => ChainImport::Behind,
                // A weak lookup finds the image's own export if no other library has one.
                Some(&address) => ChainImport::Inside(address),
                None => ChainImport::Import(self.import(build, name)),
            });
        }
        Ok(bound)
    }
}

/// Target of an import in a chain.
enum ChainImport {
    Inside(u64),
    Import(usize),
    /// An address at an offset from an import, which is not the import.
    Behind,
}

/// Returns the address of a cell given by segment and offset.
fn cell(build: &Builder<'_>, segment: usize, offset: u64) -> Result<u64, ImageError> {
    let segment = build.image.segments.get(segment).ok_or_else(|| build.damaged(DAMAGED))?;
    Ok(segment.addresses.start.wrapping_add(offset))
}
