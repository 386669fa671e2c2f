//! The ways by which what was audited imports the modules that switch the GIL on.
//!
//! A user does not import `lxml.etree`; something they installed does. The search begins where
//! their program does, if they said so or named its sources, and else at the packages that nothing
//! else asks for: those somebody chose.

use super::{Audit, AuditError};
use crate::import_graph::{self, ImportGraph, ImportTiming};
use crate::inventory::Distribution;
use crate::tags::normalize_name;
use rustc_hash::{FxHashMap, FxHashSet};
use std::path::{Path, PathBuf};

/// What can be imported, and where programs begin.
#[derive(Debug, Clone, Default)]
pub(super) struct ProgramGraph {
    modules: ImportGraph,
    /// ImportGraph of the sources that were named: a program's own.
    pub(super) programs: Vec<String>,
    /// Sources that lie in wheels.
    texts: FxHashMap<PathBuf, Vec<u8>>,
}

impl ProgramGraph {
    /// More modules; those that are there already come first, as on `sys.path`.
    pub(super) fn add(&mut self, modules: ImportGraph) {
        self.modules.extend(modules);
    }

    /// A source of a wheel, by the path that its module has.
    pub(super) fn add_text(&mut self, path: PathBuf, text: Vec<u8>) {
        self.texts.insert(path, text);
    }

    /// One source, as the module of its name.
    pub(super) fn add_program(&mut self, file: &Path) -> String {
        self.modules.add_program(file);
        import_graph::module_name(&file.file_name().unwrap_or_default().to_string_lossy())
    }
}

impl Audit {
    /// Finds the ways, and notes what stood in them.
    pub(super) fn find_import_chains(
        &mut self,
        mut graph: ProgramGraph,
        from: &[String],
    ) -> Result<(), AuditError> {
        let mut entries = Vec::new();
        for text in from {
            let name = import_graph::module_name(text);
            if graph.modules.contains(&name) {
                entries.push(name);
            } else if import_graph::module_name(text) != *text && Path::new(text).is_file() {
                entries.push(graph.add_program(Path::new(text)));
            } else {
                return Err(AuditError::NoEntry(text.clone()));
            }
        }
        let bad = self.importable().filter(|(_, found)| found.enables_gil() == Some(true));
        let bad: Vec<String> = bad.filter_map(|(_, found)| found.module.clone()).collect();
        if bad.is_empty() {
            return Ok(());
        }
        if entries.is_empty() {
            entries = std::mem::take(&mut graph.programs);
        }
        // Of a program it matters what it may do later; of a package, what comes with its import.
        let mut most = ImportTiming::Later;
        if entries.is_empty() {
            most = ImportTiming::Guarded;
            entries = top_level_packages(self.distributions.iter().map(|one| &one.distribution));
        }
        let texts = graph.texts;
        let load = |path: &Path| match texts.get(path) {
            Some(text) => Ok(text.clone()),
            None => import_graph::read_source(path),
        };
        let found = graph.modules.chains(&entries, &bad, most, load);
        self.chains = found.chains;
        self.notes.extend(found.notes);
        Ok(())
    }
}

/// The packages of the distributions that no other one requires; all, where each is required by
/// another.
fn top_level_packages<'a>(all: impl Iterator<Item = &'a Distribution> + Clone) -> Vec<String> {
    let name = |requirement: &str| {
        let is_end = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.');
        normalize_name(requirement.split(is_end).next().unwrap_or_default())
    };
    let required: FxHashSet<String> = all
        .clone()
        .flat_map(|one| {
            one.requires.iter().map(move |text| (normalize_name(&one.name), name(text)))
        })
        .filter_map(|(by, required)| (by != required).then_some(required))
        .collect();
    let is_chosen = |one: &&Distribution| !required.contains(&normalize_name(&one.name));
    let top = |one: &'a Distribution| one.top_level.iter().cloned();
    let top_level_packages: Vec<String> = all.clone().filter(is_chosen).flat_map(top).collect();
    if top_level_packages.is_empty() { all.flat_map(top).collect() } else { top_level_packages }
}
