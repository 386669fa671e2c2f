//! The ways by which what was audited imports the modules that switch the GIL on.
//!
//! A user does not import `lxml.etree`; something they installed does. The search begins where
//! their program does, if they said so or named its sources, and else at the packages that nothing
//! else asks for: those somebody chose.

use super::{Audit, Error};
use crate::found::Distribution;
use crate::imports::{self, Modules, When};
use crate::tags::normal;
use rustc_hash::{FxHashMap, FxHashSet};
use std::path::{Path, PathBuf};

/// What can be imported, and where programs begin.
#[derive(Debug, Clone, Default)]
pub(super) struct Graph {
    modules: Modules,
    /// Modules of the sources that were named: a program's own.
    pub(super) programs: Vec<String>,
    /// Sources that lie in wheels.
    texts: FxHashMap<PathBuf, Vec<u8>>,
}

impl Graph {
    /// More modules; those that are there already come first, as on `sys.path`.
    pub(super) fn add(&mut self, modules: Modules) {
        self.modules.extend(modules);
    }

    /// A source of a wheel, by the path that its module has.
    pub(super) fn add_text(&mut self, path: PathBuf, text: Vec<u8>) {
        self.texts.insert(path, text);
    }

    /// One source, as the module of its name.
    pub(super) fn add_program(&mut self, file: &Path) -> String {
        self.modules.add_program(file);
        imports::entry(&file.file_name().unwrap_or_default().to_string_lossy())
    }
}

impl Audit {
    /// Finds the ways, and notes what stood in them.
    pub(super) fn find_ways(&mut self, mut graph: Graph, from: &[String]) -> Result<(), Error> {
        let mut entries = Vec::new();
        for text in from {
            let name = imports::entry(text);
            if graph.modules.contains(&name) {
                entries.push(name);
            } else if imports::entry(text) != *text && Path::new(text).is_file() {
                entries.push(graph.add_program(Path::new(text)));
            } else {
                return Err(Error::NoEntry(text.clone()));
            }
        }
        let bad = self.taken().filter(|(_, found)| found.switches_on() == Some(true));
        let bad: Vec<String> = bad.filter_map(|(_, found)| found.module.clone()).collect();
        if bad.is_empty() {
            return Ok(());
        }
        if entries.is_empty() {
            entries = std::mem::take(&mut graph.programs);
        }
        // Of a program it matters what it may do later; of a package, what comes with its import.
        let mut most = When::Later;
        if entries.is_empty() {
            most = When::Guarded;
            entries = chosen(self.distributions.iter().map(|one| &one.distribution));
        }
        let texts = graph.texts;
        let load = |path: &Path| match texts.get(path) {
            Some(text) => Ok(text.clone()),
            None => imports::from_disk(path),
        };
        let found = graph.modules.chains(&entries, &bad, most, load);
        self.chains = found.chains;
        self.notes.extend(found.notes);
        Ok(())
    }
}

/// The packages of the distributions that no other one requires; all, where each is required by
/// another.
fn chosen<'a>(all: impl Iterator<Item = &'a Distribution> + Clone) -> Vec<String> {
    let name = |requirement: &str| {
        let is_end = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.');
        normal(requirement.split(is_end).next().unwrap_or_default())
    };
    let required: FxHashSet<String> = all
        .clone()
        .flat_map(|one| one.requires.iter().map(move |text| (normal(&one.name), name(text))))
        .filter_map(|(by, required)| (by != required).then_some(required))
        .collect();
    let is_chosen = |one: &&Distribution| !required.contains(&normal(&one.name));
    let top = |one: &'a Distribution| one.top_level.iter().cloned();
    let chosen: Vec<String> = all.clone().filter(is_chosen).flat_map(top).collect();
    if chosen.is_empty() { all.flat_map(top).collect() } else { chosen }
}
