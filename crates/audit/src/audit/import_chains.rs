//! Finds the import chains to modules that enable the GIL.
//!
//! A user does not import `lxml.etree` directly; a package they installed does. The search starts
//! at the given entry points or sources, else at the packages that no other package requires, which
//! are those a user chose.

use super::{Audit, AuditError};
use crate::import_graph::{self, ImportGraph, ImportTiming};
use crate::inventory::Distribution;
use crate::tags::normalize_name;
use rustc_hash::{FxHashMap, FxHashSet};
use std::path::{Path, PathBuf};

/// The import graph, and the modules at which programs start.
#[derive(Debug, Clone, Default)]
pub(super) struct ProgramGraph {
    modules: ImportGraph,
    /// Modules of the audited sources.
    pub(super) programs: Vec<String>,
    /// Sources in wheels, by path.
    texts: FxHashMap<PathBuf, Vec<u8>>,
}

impl ProgramGraph {
    /// Adds modules. Those added earlier take precedence, as on `sys.path`.
    pub(super) fn add(&mut self, modules: ImportGraph) {
        self.modules.extend(modules);
    }

    /// Adds the content of a source in a wheel.
    pub(super) fn add_text(&mut self, path: PathBuf, text: Vec<u8>) {
        self.texts.insert(path, text);
    }

    /// Adds a source file as a module, and returns its name.
    pub(super) fn add_program(&mut self, file: &Path) -> String {
        self.modules.add_program(file);
        import_graph::module_name(&file.file_name().unwrap_or_default().to_string_lossy())
    }
}

impl Audit {
    /// Finds the chains, and adds notes about what could not be followed.
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
        let enabling = self.importable().filter(|(_, found)| found.enables_gil() == Some(true));
        let enabling: Vec<String> =
            enabling.filter_map(|(_, found)| found.module.clone()).collect();
        if enabling.is_empty() {
            return Ok(());
        }
        if entries.is_empty() {
            entries = std::mem::take(&mut graph.programs);
        }
        // A program may run imports in its functions; for a package only imports that run with its
        // own import count.
        let mut latest = ImportTiming::Later;
        if entries.is_empty() {
            latest = ImportTiming::Guarded;
            entries = top_level_packages(self.distributions.iter().map(|one| &one.distribution));
        }
        let texts = graph.texts;
        let load = |path: &Path| match texts.get(path) {
            Some(text) => Ok(text.clone()),
            None => import_graph::read_source(path),
        };
        let found = graph.modules.chains(&entries, &enabling, latest, load);
        self.chains = found.chains;
        self.notes.extend(found.notes);
        Ok(())
    }
}

/// Returns the packages of the distributions that no other one requires, or of all if there are
/// none.
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
