//! Executables and libraries of a process: unwind tables and symbols, loaded when an address in
//! them is looked up.

use crate::linux::Region;
use crate::process::ProcessFiles;
use framehop::{ExplicitModuleSectionInfo, Module};
use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol, ReadCache};
use std::fs::File;
use std::path::PathBuf;

/// Page size. Segments are mapped in whole pages.
const PAGE: u64 = 4096;
/// Maximum size of a section in bytes.
const MAX_SECTION_SIZE: u64 = 256 << 20;

/// Code of one process.
pub(super) struct Modules {
    files: ProcessFiles,
    regions: Vec<Region>,
    loaded: Vec<LoadedModule>,
    /// Start addresses of the regions whose file was loaded or failed to load.
    tried: Vec<u64>,
}

struct LoadedModule {
    file: PathBuf,
    /// Difference between an address in the process and in the file.
    bias: u64,
    /// Address, size and name, ascending.
    symbols: Vec<(u64, u64, String)>,
}

impl Modules {
    pub(super) fn new(files: ProcessFiles, regions: Vec<Region>) -> Modules {
        Modules { files, regions, loaded: Vec::new(), tried: Vec::new() }
    }

    fn region(&self, address: u64) -> Option<&Region> {
        let after = self.regions.partition_point(|region| region.start <= address);
        self.regions
            .get(after.checked_sub(1)?)
            .filter(|region| address < region.end && region.executable)
    }

    /// Returns whether there is code at an address.
    pub(super) fn is_code(&self, address: u64) -> bool {
        self.region(address).is_some()
    }

    /// Loads the file that contains `address`, unless that was tried before. Returns its data for
    /// the unwinder.
    pub(super) fn load(&mut self, address: u64) -> Option<Module<Vec<u8>>> {
        let region = self.region(address)?.clone();
        if self.tried.contains(&region.start) {
            return None;
        }
        self.tried.push(region.start);
        let file = region.file.clone().filter(|_| !region.deleted)?;
        let cache = ReadCache::new(File::open(self.files.local_path(&file)?).ok()?);
        let image = object::File::parse(&cache).ok()?;
        let segment = image.segments().find(|segment| {
            let (offset, size) = segment.file_range();
            size > 0 && offset / PAGE * PAGE <= region.offset && region.offset < offset + size
        })?;
        let in_file =
            segment.address().wrapping_sub(segment.file_range().0).wrapping_add(region.offset);
        let bias = region.start.wrapping_sub(in_file);
        let data = |name: &str| {
            let section =
                image.section_by_name(name).filter(|section| section.size() <= MAX_SECTION_SIZE)?;
            Some(section.uncompressed_data().ok()?.into_owned())
        };
        let range = |name: &str| {
            let section = image.section_by_name(name)?;
            Some(section.address()..section.address().saturating_add(section.size()))
        };
        let info = ExplicitModuleSectionInfo {
            base_svma: 0,
            text_svma: range(".text"),
            eh_frame_svma: range(".eh_frame"),
            eh_frame: data(".eh_frame"),
            eh_frame_hdr_svma: range(".eh_frame_hdr"),
            eh_frame_hdr: data(".eh_frame_hdr"),
            got_svma: range(".got"),
            ..Default::default()
        };
        let mut symbols: Vec<(u64, u64, String)> = image
            .symbols()
            .chain(image.dynamic_symbols())
            .filter(|symbol| symbol.kind() == object::SymbolKind::Text && symbol.size() > 0)
            .filter_map(|symbol| {
                Some((symbol.address(), symbol.size(), symbol.name().ok()?.to_owned()))
            })
            .collect();
        symbols.sort_unstable();
        let module = Module::new(file.display().to_string(), region.start..region.end, bias, info);
        self.loaded.push(LoadedModule { file, bias, symbols });
        Some(module)
    }

    /// Returns the file that contains an address, the address in its image, and the function.
    pub(super) fn name(&self, address: u64) -> (Option<PathBuf>, u64, Option<String>) {
        let Some(file) = self.region(address).and_then(|region| region.file.clone()) else {
            return (None, address, None);
        };
        let Some(loaded) = self.loaded.iter().find(|loaded| loaded.file == file) else {
            return (Some(file), address, None);
        };
        let offset = address.wrapping_sub(loaded.bias);
        let after = loaded.symbols.partition_point(|&(start, ..)| start <= offset);
        // Aliases start at one address. Their sizes differ if one is a part of another.
        let symbol = loaded.symbols[..after]
            .iter()
            .rev()
            .take(8)
            .find(|&&(start, size, _)| offset < start.saturating_add(size))
            .map(|(_, _, name)| name.clone());
        (Some(file), offset, symbol)
    }
}
