//! Reads and analyzes extension modules.

use super::MAX_BINARY_BYTES;
use crate::files;
use crate::gil_analysis;
use crate::image::Image;
use crate::inventory::{ExtensionFile, SkipReason, Skipped};
use crate::model::{Init, ModuleAnalysis, Verdict};
use crate::target::Build;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Analyzes modules from disk on all CPUs. Skipped modules are not read.
pub(super) fn analyze_all<'a>(modules: impl Iterator<Item = &'a mut ExtensionFile>, build: Build) {
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
                        Ok(bytes) => analyze(&mut found, &bytes, build),
                        Err(error) => found.unreadable = Some(error.to_string()),
                    }
                }
            });
        }
    });
}

/// Analyzes the bytes of a module.
///
/// The images of a universal file come from the same sources, so one that does not declare decides
/// for all. If a module exports both init functions, the one that the build uses is kept:
/// `PyModExport_X` from 3.15 on.
pub(super) fn analyze(found: &mut ExtensionFile, bytes: &[u8], build: Build) {
    match Image::parse(bytes) {
        Ok(images) => {
            let analyzed = images.iter().map(gil_analysis::analyze);
            let mut analyzed: Vec<Vec<ModuleAnalysis>> =
                analyzed.filter(|all| !all.is_empty()).collect();
            analyzed.sort_by_key(|all| all.iter().all(|one| one.verdict == Verdict::Declares));
            let mut all = analyzed.into_iter().next().unwrap_or_default();
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
