//! Static graph of `import` statements, to find out which import loads an extension that enables
//! the GIL.
//!
//! The graph is searched from the entry points on, and a file is parsed when it is reached. A chain
//! of imports that certainly run is preferred to one with an import that may be skipped or fail,
//! and that to one with an import in a function. Imports of computed names are not seen.

mod chain;

pub use chain::{ImportChain, ImportChains, ImportStep, ImportTiming};

use crate::environment::Environment;
use crate::inventory::{Distribution, ExtensionFile, is_python};
use crate::names;
use crate::source;
use crate::target::Build;
use rustc_hash::FxHashMap;
use std::path::{Path, PathBuf};

/// Maximum number of files parsed in one search.
const MAX_FILES: usize = 50_000;
/// Maximum length of a dotted name in bytes.
const MAX_NAME_LEN: usize = 1_000;

#[derive(Debug, Clone)]
struct ImportableModule {
    file: PathBuf,
    is_package: bool,
    is_source: bool,
}

/// Modules by import name.
#[derive(Debug, Clone, Default)]
pub struct ImportGraph {
    by_name: FxHashMap<String, ImportableModule>,
}

impl ImportGraph {
    /// Returns the modules of an environment that a build can import.
    #[must_use]
    pub fn of_environment(environment: &Environment, build: Build) -> ImportGraph {
        let mut modules = ImportGraph::default();
        for one in &environment.distributions {
            modules.add_distribution(one, Path::new(""), build);
        }
        for (folder, path) in &environment.sources {
            modules.add_source(path, folder.join(path));
        }
        environment.loose.iter().for_each(|found| modules.add_extension(found, build));
        modules
    }

    /// Returns the modules of a wheel that a build can import. `prefix` is prepended to the paths
    /// of their files.
    #[must_use]
    pub fn of_distribution(wheel: &Distribution, prefix: &Path, build: Build) -> ImportGraph {
        let mut modules = ImportGraph::default();
        modules.add_distribution(wheel, prefix, build);
        modules
    }

    /// Adds the modules of folders that come later on `sys.path`.
    pub fn extend(&mut self, later: ImportGraph) {
        for (name, module) in later.by_name {
            self.by_name.entry(name).or_insert(module);
        }
    }

    /// Returns whether there is a module with this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Adds a program: a file, as the module of its name.
    pub fn add_program(&mut self, file: &Path) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.add_source(&name, file.to_owned());
    }

    fn add_distribution(&mut self, one: &Distribution, prefix: &Path, build: Build) {
        let prefix = one.folder.as_deref().unwrap_or(prefix);
        for path in &one.sources {
            self.add_source(path, prefix.join(path));
        }
        one.modules.iter().for_each(|found| self.add_extension(found, build));
    }

    /// The first folder of `sys.path` takes precedence, and within a folder the extension module.
    fn add_source(&mut self, path: &str, file: PathBuf) {
        let Some(stem) = path.strip_suffix(".py") else { return };
        let (name, is_package) = match stem.strip_suffix("/__init__") {
            Some(package) => (package, true),
            None => (stem, false),
        };
        if name.split('/').all(names::is_identifier) {
            let module = ImportableModule { file, is_package, is_source: true };
            self.by_name.entry(name.replace('/', ".")).or_insert(module);
        }
    }

    fn add_extension(&mut self, found: &ExtensionFile, build: Build) {
        if let Some(name) = found.module.clone().filter(|_| found.is_importable_by(build)) {
            let is_package =
                found.path.rsplit('/').next().is_some_and(|file| file.starts_with("__init__."));
            self.by_name.insert(
                name,
                ImportableModule { file: found.file.clone(), is_package, is_source: false },
            );
        }
    }

    /// Finds the shortest chains from `entries` to `targets`, using only imports with a timing of
    /// at most `latest`. `load` reads a source by the path with which it was added: from disk
    /// ([`read_source`]) or from a wheel.
    pub fn chains(
        &self,
        entries: &[String],
        targets: &[String],
        latest: ImportTiming,
        load: impl Fn(&Path) -> Result<Vec<u8>, String> + Sync,
    ) -> ImportChains {
        let mut search =
            ChainSearch { modules: self, load, parsed: FxHashMap::default(), notes: Vec::new() };
        let mut left: Vec<&str> = targets.iter().map(String::as_str).collect();
        let mut chains = Vec::new();
        for when in [ImportTiming::Always, ImportTiming::Guarded, ImportTiming::Later] {
            if when <= latest && !left.is_empty() {
                let found = search.run(entries, &left, when);
                left.retain(|target| !found.iter().any(|chain| chain.target == *target));
                chains.extend(found);
            }
        }
        ImportChains { chains, notes: search.notes }
    }
}

/// Reads a source from disk.
///
/// # Errors
///
/// The file cannot be read; the error is its description.
pub fn read_source(path: &Path) -> Result<Vec<u8>, String> {
    crate::files::read(path, source::MAX_BYTES as u64).map_err(|error| error.to_string())
}

struct ImportEdge {
    to: String,
    line: usize,
    when: ImportTiming,
}

struct ChainSearch<'a, L> {
    modules: &'a ImportGraph,
    load: L,
    parsed: FxHashMap<String, Vec<ImportEdge>>,
    notes: Vec<String>,
}

impl<L: Fn(&Path) -> Result<Vec<u8>, String> + Sync> ChainSearch<'_, L> {
    /// Searches breadth first, over imports with a timing of at most `latest`.
    fn run(
        &mut self,
        entries: &[String],
        targets: &[&str],
        latest: ImportTiming,
    ) -> Vec<ImportChain> {
        let mut from: FxHashMap<String, Option<ImportStep>> = FxHashMap::default();
        let mut waiting = Vec::new();
        for name in entries
            .iter()
            .filter(|entry| entry.len() <= MAX_NAME_LEN)
            .flat_map(|entry| prefixes(entry))
        {
            if self.modules.by_name.contains_key(name) && !from.contains_key(name) {
                from.insert(name.to_owned(), None);
                waiting.push(name.to_owned());
            }
        }
        // Each level is parsed in parallel.
        while !waiting.is_empty() && !targets.iter().all(|target| from.contains_key(*target)) {
            self.parse(&waiting);
            for name in std::mem::take(&mut waiting) {
                let Some(module) = self.modules.by_name.get(&name) else { continue };
                for edge in
                    self.parsed.get(&name).into_iter().flatten().filter(|edge| edge.when <= latest)
                {
                    if !from.contains_key(&edge.to) {
                        let (file, line, when) = (module.file.clone(), edge.line, edge.when);
                        let step = ImportStep {
                            module: name.clone(),
                            file,
                            line,
                            imports: edge.to.clone(),
                            when,
                        };
                        from.insert(edge.to.clone(), Some(step));
                        waiting.push(edge.to.clone());
                    }
                }
            }
        }
        let reached = targets.iter().filter(|target| from.contains_key(**target));
        reached.map(|target| chain_to(target, &from)).collect()
    }

    /// Parses the imports of modules that were not parsed yet.
    fn parse(&mut self, names: &[String]) {
        let modules = names.iter().filter(|name| !self.parsed.contains_key(*name));
        let sources = modules.filter_map(|name| {
            let module = self.modules.by_name.get(name).filter(|module| module.is_source)?;
            Some(((name.as_str(), module), module.file.as_path()))
        });
        let mut files: Vec<((&str, &ImportableModule), &Path)> = sources.collect();
        let limit = MAX_FILES.saturating_sub(self.parsed.len());
        if files.len() > limit {
            files.truncate(limit);
            let note = format!("only the first {MAX_FILES} files were parsed");
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        for ((name, module), imports) in source::imports_of_all(files, &self.load) {
            let imports = imports.unwrap_or_else(|why| {
                self.notes
                    .push(format!("the imports of '{}' are unknown: {why}", module.file.display()));
                Vec::new()
            });
            let edges = self.edges(name, module, imports);
            self.parsed.insert(name.to_owned(), edges);
        }
        self.notes.sort_unstable();
    }

    /// Returns the existing modules that imports refer to, each with its earliest import.
    fn edges(
        &self,
        name: &str,
        module: &ImportableModule,
        imports: Vec<source::Import>,
    ) -> Vec<ImportEdge> {
        let mut edges: Vec<ImportEdge> = Vec::new();
        let mut best: FxHashMap<String, ImportTiming> = FxHashMap::default();
        for import in imports {
            let when = match (import.is_lazy, import.is_guarded) {
                (true, _) => ImportTiming::Later,
                (false, true) => ImportTiming::Guarded,
                (false, false) => ImportTiming::Always,
            };
            let Some(base) = absolute(name, module.is_package, &import.module, import.level) else {
                continue;
            };
            if base.len() > MAX_NAME_LEN {
                continue;
            }
            // `from a import b` imports `a`, and `a.b` if that is a module.
            let names = import.names.iter().filter(|one| one.len() <= MAX_NAME_LEN);
            let full = names.map(|one| format!("{base}.{one}"));
            for to in full.chain(prefixes(&base).map(str::to_owned)) {
                let is_new = best.get(&to).is_none_or(|&before| when < before);
                if is_new && self.modules.by_name.contains_key(&to) {
                    best.insert(to.clone(), when);
                    edges.push(ImportEdge { to, line: import.line, when });
                }
            }
        }
        edges
    }
}

/// Returns the modules that importing `a.b.c` imports: the whole name first, then `a` and `a.b`.
fn prefixes(name: &str) -> impl Iterator<Item = &str> {
    let dots = name.match_indices('.').map(|(at, _)| name.get(..at).unwrap_or(name));
    std::iter::once(name).chain(dots)
}

/// Returns the absolute name of an import, or `None` if its dots lead out of all packages.
fn absolute(importer: &str, is_package: bool, module: &str, level: u32) -> Option<String> {
    if level == 0 {
        return Some(module.to_owned());
    }
    // One dot is the package itself; in a package's `__init__` that is its own name.
    let mut base = importer;
    for _ in 0..(level - u32::from(is_package)) {
        base = base.rsplit_once('.')?.0;
    }
    Some(if module.is_empty() { base.to_owned() } else { format!("{base}.{module}") })
}

/// Returns the imports that led to a target, starting at its entry.
fn chain_to(target: &str, from: &FxHashMap<String, Option<ImportStep>>) -> ImportChain {
    let mut steps = Vec::new();
    let mut at = target;
    // Every step leads to a module that was reached earlier, so this ends at an entry.
    while let Some(Some(step)) = from.get(at) {
        steps.push(step.clone());
        at = &step.module;
    }
    steps.reverse();
    let when = steps.iter().map(|step| step.when).max().unwrap_or(ImportTiming::Always);
    ImportChain { target: target.to_owned(), steps, when }
}

/// Returns the module name of an entry point given as a path within an environment: `app/main.py`
/// is `app.main`.
#[must_use]
pub fn module_name(text: &str) -> String {
    if !is_python(text) {
        return text.to_owned();
    }
    let path = text.trim_start_matches("./");
    let stem = path.strip_suffix(".py").unwrap_or(path);
    stem.strip_suffix("/__init__").unwrap_or(stem).replace('/', ".")
}
