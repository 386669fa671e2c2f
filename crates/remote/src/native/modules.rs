//! The files a process has code from: their tables for unwinding and their symbols, each read when
//! an address of it is met.

use crate::linux::Region;
use crate::process::Files;
use framehop::{ExplicitModuleSectionInfo, Module};
use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol, ReadCache};
use std::fs::File;
use std::path::PathBuf;

/// A page; segments are mapped in whole ones.
const PAGE: u64 = 4096;
/// A section that is larger is not read.
const LARGEST: u64 = 256 << 20;

/// What is known of the code of one process.
pub(super) struct Modules {
    files: Files,
    regions: Vec<Region>,
    loaded: Vec<Loaded>,
    /// Starts of regions whose file was tried.
    tried: Vec<u64>,
}

struct Loaded {
    file: PathBuf,
    /// What to take from an address of the process to get one of the file.
    bias: u64,
    /// Address, size, name; ascending.
    symbols: Vec<(u64, u64, String)>,
}

impl Modules {
    pub(super) fn new(files: Files, regions: Vec<Region>) -> Modules {
        Modules { files, regions, loaded: Vec::new(), tried: Vec::new() }
    }

    fn region(&self, address: u64) -> Option<&Region> {
        let after = self.regions.partition_point(|region| region.start <= address);
        self.regions
            .get(after.checked_sub(1)?)
            .filter(|region| address < region.end && region.executable)
    }

    /// Whether there is code at an address.
    pub(super) fn is_code(&self, address: u64) -> bool {
        self.region(address).is_some()
    }

    /// Reads the file that `address` is from, if that was not done; gives what an unwinder wants to
    /// know of it.
    pub(super) fn load(&mut self, address: u64) -> Option<Module<Vec<u8>>> {
        let region = self.region(address)?.clone();
        if self.tried.contains(&region.start) {
            return None;
        }
        self.tried.push(region.start);
        let file = region.file.clone().filter(|_| !region.deleted)?;
        let cache = ReadCache::new(File::open(self.files.place(&file)?).ok()?);
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
                image.section_by_name(name).filter(|section| section.size() <= LARGEST)?;
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
        self.loaded.push(Loaded { file, bias, symbols });
        Some(module)
    }

    /// The file an address is from, where in its image, and the function there.
    pub(super) fn name(&self, address: u64) -> (Option<PathBuf>, u64, Option<String>) {
        let Some(file) = self.region(address).and_then(|region| region.file.clone()) else {
            return (None, address, None);
        };
        let Some(loaded) = self.loaded.iter().find(|loaded| loaded.file == file) else {
            return (Some(file), address, None);
        };
        let offset = address.wrapping_sub(loaded.bias);
        let after = loaded.symbols.partition_point(|&(start, ..)| start <= offset);
        // Aliases start at one address; sizes differ where one is a part of another.
        let symbol = loaded.symbols[..after]
            .iter()
            .rev()
            .take(8)
            .find(|&&(start, size, _)| offset < start.saturating_add(size))
            .map(|(_, _, name)| name.clone());
        (Some(file), offset, symbol)
    }
}
