//! ImportGraph' bytes, read and judged.

use super::MAX_BINARY_BYTES;
use crate::files;
use crate::gil_analysis::analyze;
use crate::image::Image;
use crate::inventory::{ExtensionFile, SkipReason, Skipped};
use crate::model::{Init, ModuleAnalysis, Verdict};
use crate::target::Build;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Reads and judges modules from disk, on all CPUs; those that are skipped are not read.
pub(super) fn look<'a>(modules: impl Iterator<Item = &'a mut ExtensionFile>, build: Build) {
    let modules: Vec<Mutex<&mut ExtensionFile>> =
        modules.filter(|found| found.skipped.is_none()).map(Mutex::new).collect();
    let next = AtomicUsize::new(0);
    let threads =
        std::thread::available_parallelism().map_or(1, usize::from).min(modules.len().max(1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(module) = modules.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Ok(mut found) = module.lock() else { continue };
                    match files::read(&found.file, MAX_BINARY_BYTES) {
                        Ok(bytes) => read(&mut found, &bytes, build),
                        Err(error) => found.unreadable = Some(error.to_string()),
                    }
                }
            });
        }
    });
}

/// Judges a module's bytes. A universal file has one image a machine; they come from the same
/// sources, so one that does not declare speaks for all. Of a module that can be made in both ways,
/// the way that the build takes is kept: `PyModExport_X` from 3.15 on.
pub(super) fn read(found: &mut ExtensionFile, bytes: &[u8], build: Build) {
    match Image::parse(bytes) {
        Ok(images) => {
            let judged = images.iter().map(analyze);
            let mut judged: Vec<Vec<ModuleAnalysis>> =
                judged.filter(|all| !all.is_empty()).collect();
            judged.sort_by_key(|all| all.iter().all(|one| one.verdict == Verdict::Declares));
            let mut all = judged.into_iter().next().unwrap_or_default();
            let exports = |one: &ModuleAnalysis| one.init == Some(Init::ModExport);
            let new = build.minor >= 15;
            let preferred: Vec<String> =
                all.iter().filter(|one| exports(one) == new).map(|one| one.name.clone()).collect();
            all.retain(|one| exports(one) == new || !preferred.contains(&one.name));
            found.analyses = all;
            if found.analyses.is_empty() {
                let why = "it exports neither PyInit_NAME nor PyModExport_NAME".to_owned();
                found.skipped = Some(Skipped { reason: SkipReason::NoInit, why });
            }
        }
        Err(error) => found.unreadable = Some(error.to_string()),
    }
}
