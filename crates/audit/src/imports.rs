//! The way by which importing one module imports another: what would pull in the extension that switches the GIL on.
//!
//! A static graph of `import` statements. It is searched from the entry on, and a file is parsed when it is reached. A way of
//! imports that surely run is preferred to one with an import that may be skipped or fail, and that to one with an import in a
//! function; which it is, the chain says. What is imported by a computed name is not seen.

mod chain;

pub use chain::{Chain, Chains, Step, When};

use crate::environment::Environment;
use crate::found::{Distribution, Found, is_python};
use crate::names;
use crate::source::{self, Source};
use crate::target::Build;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// Files that are parsed in one search.
const MOST_FILES: usize = 50_000;
/// Bytes of a dotted name; a longer one names nothing.
const LONGEST_NAME: usize = 1_000;

#[derive(Debug, Clone)]
struct Module {
    file: PathBuf,
    is_package: bool,
    is_source: bool,
}

/// Which modules there are, by the names they are imported by.
#[derive(Debug, Clone, Default)]
pub struct Modules {
    by_name: FxHashMap<String, Module>,
}

impl Modules {
    /// The modules of an environment that a build would take.
    #[must_use]
    pub fn of_environment(environment: &Environment, build: Build) -> Modules {
        let mut modules = Modules::default();
        for one in &environment.distributions {
            modules.add_distribution(one, build);
        }
        for (folder, path) in &environment.sources {
            modules.add_source(path, folder.join(path));
        }
        environment.loose.iter().for_each(|found| modules.add_extension(found, build));
        modules
    }

    /// The modules of a wheel or another distribution that a build would take.
    #[must_use]
    pub fn of_distribution(distribution: &Distribution, build: Build) -> Modules {
        let mut modules = Modules::default();
        modules.add_distribution(distribution, build);
        modules
    }

    /// Adds a program of the user's own: a file, as the module of that name.
    pub fn add_program(&mut self, file: &Path) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.add_source(&name, file.to_owned());
    }

    fn add_distribution(&mut self, one: &Distribution, build: Build) {
        for path in &one.sources {
            let file = one.folder.as_deref().map_or_else(|| PathBuf::from(path), |folder| folder.join(path));
            self.add_source(path, file);
        }
        one.modules.iter().for_each(|found| self.add_extension(found, build));
    }

    /// The first folder of `sys.path` wins, and in one folder the extension module does.
    fn add_source(&mut self, path: &str, file: PathBuf) {
        let Some(stem) = path.strip_suffix(".py") else { return };
        let (name, is_package) = match stem.strip_suffix("/__init__") {
            Some(package) => (package, true),
            None => (stem, false),
        };
        if name.split('/').all(names::is_identifier) {
            let module = Module { file, is_package, is_source: true };
            self.by_name.entry(name.replace('/', ".")).or_insert(module);
        }
    }

    fn add_extension(&mut self, found: &Found, build: Build) {
        if let Some(name) = found.module.clone().filter(|_| found.is_taken_by(build)) {
            let is_package = found.path.rsplit('/').next().is_some_and(|file| file.starts_with("__init__."));
            self.by_name.insert(name, Module { file: found.file.clone(), is_package, is_source: false });
        }
    }

    /// Looks for the ways from entries (modules' names) to targets. `load` reads a source by the path it was added with: from
    /// disk ([`from_disk`]) or out of a wheel.
    pub fn chains(
        &self,
        entries: &[String],
        targets: &[String],
        load: impl FnMut(&Path) -> Result<Vec<u8>, String>,
    ) -> Chains {
        let mut search = Search { modules: self, load, parsed: FxHashMap::default(), notes: Vec::new() };
        let mut left: Vec<&str> = targets.iter().map(String::as_str).collect();
        let mut chains = Vec::new();
        for when in [When::Always, When::Guarded, When::Later] {
            if !left.is_empty() {
                let found = search.pass(entries, &left, when);
                left.retain(|target| !found.iter().any(|chain| chain.target == *target));
                chains.extend(found);
            }
        }
        Chains { chains, notes: search.notes }
    }
}

/// Reads a source from disk.
///
/// # Errors
/// Why it cannot be read, in words.
pub fn from_disk(path: &Path) -> Result<Vec<u8>, String> {
    crate::files::read(path, source::MAX_BYTES as u64).map_err(|error| error.to_string())
}

struct Edge {
    to: String,
    line: usize,
    when: When,
}

struct Search<'a, L> {
    modules: &'a Modules,
    load: L,
    parsed: FxHashMap<String, Vec<Edge>>,
    notes: Vec<String>,
}

impl<L: FnMut(&Path) -> Result<Vec<u8>, String>> Search<'_, L> {
    /// Breadth first, over imports that are at least as certain as `most`.
    fn pass(&mut self, entries: &[String], targets: &[&str], most: When) -> Vec<Chain> {
        let mut from: FxHashMap<String, Option<Step>> = FxHashMap::default();
        let mut waiting = VecDeque::new();
        for name in
            entries.iter().filter(|entry| entry.len() <= LONGEST_NAME).flat_map(|entry| prefixes(entry))
        {
            if self.modules.by_name.contains_key(name) && !from.contains_key(name) {
                from.insert(name.to_owned(), None);
                waiting.push_back(name.to_owned());
            }
        }
        let mut left = targets.len();
        while let Some(name) = waiting.pop_front() {
            left -= usize::from(targets.contains(&name.as_str()));
            if left == 0 {
                break;
            }
            let Some(module) = self.modules.by_name.get(&name) else { continue };
            self.parse(&name, module);
            for edge in self.parsed.get(&name).into_iter().flatten().filter(|edge| edge.when <= most) {
                if !from.contains_key(&edge.to) {
                    let (file, line, when) = (module.file.clone(), edge.line, edge.when);
                    let step = Step { module: name.clone(), file, line, imports: edge.to.clone(), when };
                    from.insert(edge.to.clone(), Some(step));
                    waiting.push_back(edge.to.clone());
                }
            }
        }
        let reached = targets.iter().filter(|target| from.contains_key(**target));
        reached.map(|target| way(target, &from)).collect()
    }

    fn parse(&mut self, name: &str, module: &Module) {
        if !module.is_source || self.parsed.contains_key(name) {
            return;
        }
        if self.parsed.len() == MOST_FILES {
            let note = format!("no more than {MOST_FILES} files were parsed");
            if self.notes.last() != Some(&note) {
                self.notes.push(note);
            }
            return;
        }
        let source = (self.load)(&module.file)
            .and_then(|bytes| Source::parse(&bytes).map_err(|unread| unread.to_string()));
        let imports = match source {
            Ok(source) => source::imports(&source),
            Err(why) => {
                self.notes.push(format!("what '{}' imports is not known: {why}", module.file.display()));
                Vec::new()
            }
        };
        let mut edges: Vec<Edge> = Vec::new();
        let mut best: FxHashMap<String, When> = FxHashMap::default();
        for import in imports {
            let when = match (import.is_lazy, import.is_guarded) {
                (true, _) => When::Later,
                (false, true) => When::Guarded,
                (false, false) => When::Always,
            };
            let Some(base) = absolute(name, module.is_package, &import.module, import.level) else {
                continue;
            };
            if base.len() > LONGEST_NAME {
                continue;
            }
            // `from a import b` imports `a`, and `a.b` if that is a module.
            let names = import.names.iter().filter(|one| one.len() <= LONGEST_NAME);
            let full = names.map(|one| format!("{base}.{one}"));
            for to in full.chain(prefixes(&base).map(str::to_owned)) {
                let is_new = best.get(&to).is_none_or(|&before| when < before);
                if is_new && self.modules.by_name.contains_key(&to) {
                    best.insert(to.clone(), when);
                    edges.push(Edge { to, line: import.line, when });
                }
            }
        }
        self.parsed.insert(name.to_owned(), edges);
    }
}

/// `a.b.c` imports `a`, `a.b` and `a.b.c`; the whole name first, as it is the shortest way.
fn prefixes(name: &str) -> impl Iterator<Item = &str> {
    let dots = name.match_indices('.').map(|(at, _)| name.get(..at).unwrap_or(name));
    std::iter::once(name).chain(dots)
}

/// The absolute name of what an import names; `None` if its dots lead out of all packages.
fn absolute(importer: &str, is_package: bool, module: &str, level: u32) -> Option<String> {
    if level == 0 {
        return Some(module.to_owned());
    }
    // One dot is the package itself: of a package's `__init__` that is its own name.
    let mut base = importer;
    for _ in 0..(level - u32::from(is_package)) {
        base = base.rsplit_once('.')?.0;
    }
    Some(if module.is_empty() { base.to_owned() } else { format!("{base}.{module}") })
}

/// The steps that led to a target, from its entry on.
fn way(target: &str, from: &FxHashMap<String, Option<Step>>) -> Chain {
    let mut steps = Vec::new();
    let mut at = target;
    // Every step leads to a module that was reached before, so this ends at an entry.
    while let Some(Some(step)) = from.get(at) {
        steps.push(step.clone());
        at = &step.module;
    }
    steps.reverse();
    let when = steps.iter().map(|step| step.when).max().unwrap_or(When::Always);
    Chain { target: target.to_owned(), steps, when }
}

/// The module that a path is, for an entry that the user gave as a file of an environment: `app/main.py` is `app.main`.
#[must_use]
pub fn entry(text: &str) -> String {
    if !is_python(text) {
        return text.to_owned();
    }
    let path = text.trim_start_matches("./");
    let stem = path.strip_suffix(".py").unwrap_or(path);
    stem.strip_suffix("/__init__").unwrap_or(stem).replace('/', ".")
}
