//! What an object is called: the global, the attribute, the element or the local variable that
//! refers to it.
//!
//! An address tells a reader nothing; `cache`, `pool.lock` or `locks[3]` does. Objects carry no
//! names, so they are looked for from where programs keep them: the globals of the functions on the
//! stacks and of every module, the locals of the frames, and two steps on from there. The search is
//! broad first, so that the shortest name is found, and has a bound, so that it takes milliseconds.

use crate::frames::Frame;
use crate::memory::ReadError;
use crate::objects::Objects;
use cpython_layout::structures::FRAME_GLOBALS;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;

/// Objects whose attributes or elements are looked at in one search.
const MOST_OPENED: usize = 20_000;
/// The same for what the variables of the standard library's functions lead to.
const MOST_OPENED_LAST: usize = 2_000;
/// Elements of one list or dictionary that are looked at.
const MOST_ELEMENTS: usize = 1_000;
/// Modules whose globals are looked through.
const MOST_MODULES: usize = 5_000;
/// Steps from a variable: `server.pool.lock` is two.
const STEPS: u8 = 2;

/// Where a name is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// A global of this module.
    Module(String),
    /// A local variable of this function.
    Function(String),
}

/// What an object is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// As a program would write it: `pool.lock`.
    pub path: String,
    /// Where it would.
    pub scope: Scope,
}

impl std::fmt::Display for Name {
    /// `pool.lock`, `queue.mutex in worker()`, `logging._lock`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.scope {
            Scope::Module(module) if module == "__main__" || module.is_empty() => {
                f.write_str(&self.path)
            }
            Scope::Module(module) => write!(f, "{module}.{}", self.path),
            Scope::Function(function) => write!(f, "{} in {function}()", self.path),
        }
    }
}

/// Something a name leads to, whose parts may have names.
struct Open {
    object: u64,
    name: Name,
    steps: u8,
}

/// A search for the names of some objects.
pub struct Search<'a> {
    objects: Objects<'a>,
    wanted: FxHashSet<u64>,
    found: FxHashMap<u64, Name>,
    seen: FxHashSet<u64>,
    to_open: VecDeque<Open>,
    /// Local variables of functions of the standard library, and what they refer to.
    of_library: Vec<(u64, Name)>,
    types: FxHashMap<u64, Option<Kind>>,
}

/// How an object's parts are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Dict,
    List,
    Tuple,
    Class,
    Instance,
    Leaf,
}

/// Returns whether a file is the standard library's: below `python3.X`, but not among installed
/// packages, or frozen.
fn is_library(file: &str) -> bool {
    let installed = file.contains("/site-packages/") || file.contains("/dist-packages/");
    file.starts_with("<frozen ") || file.contains("/lib/python3") && !installed
}

impl<'a> Search<'a> {
    /// A search for `wanted`.
    #[must_use]
    pub fn new(objects: Objects<'a>, wanted: FxHashSet<u64>) -> Search<'a> {
        Search {
            objects,
            wanted,
            found: FxHashMap::default(),
            seen: FxHashSet::default(),
            to_open: VecDeque::new(),
            of_library: Vec::new(),
            types: FxHashMap::default(),
        }
    }

    /// Looks in the globals and locals of these frames.
    pub fn frames<'f>(&mut self, frames: impl IntoIterator<Item = &'f Frame> + Clone) {
        for frame in frames.clone() {
            let at = frame.address.saturating_add(FRAME_GLOBALS);
            if let Ok(globals) = self.objects.memory.u64(at) {
                let _ = self.globals(globals, STEPS);
            }
        }
        // Many threads run the same few functions, whose variables are called the same in each.
        let mut names = FxHashMap::default();
        for frame in frames {
            if self.is_done() {
                return;
            }
            let names = names
                .entry(frame.code.address)
                .or_insert_with(|| self.objects.local_names(frame).unwrap_or_default());
            let Ok(locals) = self.objects.locals_called(frame, names) else { continue };
            // A module's own frame has its globals for locals, and a class body's are about to be
            // attributes.
            for (name, value) in locals {
                let scope = Scope::Function(frame.code.qualname.clone());
                let name = Name { path: name, scope };
                if is_library(&frame.code.file) {
                    self.of_library.push((value, name));
                } else {
                    self.meet(value, name, STEPS);
                }
            }
        }
    }

    /// Looks in the globals of every module of an interpreter, whose `sys.modules` is at `modules`.
    pub fn modules(&mut self, modules: u64) {
        let modules = self.objects.entries(modules).unwrap_or_default();
        for (_, module) in modules.into_iter().take(MOST_MODULES) {
            if self.is_done() {
                return;
            }
            // `md_dict` is the first field of a module object.
            let dict = module.saturating_add(self.objects.offsets.pyobject.size);
            if let Ok(globals) = self.objects.memory.u64(dict) {
                let _ = self.globals(globals, 0);
            }
        }
    }

    /// What was found, after following what was met as far as the bounds allow. Variables of the
    /// standard library's functions are followed last: `jobs.mutex` says more than `self._lock in
    /// Condition.__enter__()`.
    #[must_use]
    pub fn finish(mut self) -> FxHashMap<u64, Name> {
        self.follow(MOST_OPENED);
        self.to_open.clear();
        for (value, name) in std::mem::take(&mut self.of_library) {
            self.meet(value, name, STEPS);
        }
        self.follow(MOST_OPENED_LAST);
        self.found
    }

    /// Opens at most `most` of the objects that were met.
    fn follow(&mut self, most: usize) {
        for _ in 0..most {
            let Some(open) = self.to_open.pop_front().filter(|_| !self.is_done()) else { return };
            let _ = self.open(&open);
        }
    }

    fn is_done(&self) -> bool {
        self.found.len() == self.wanted.len()
    }

    /// The globals of a module, each a name. They are looked through once, with as many steps as
    /// the first caller asks for.
    fn globals(&mut self, dict: u64, steps: u8) -> Result<(), ReadError> {
        if !self.seen.insert(dict) {
            return Ok(());
        }
        let entries = self.objects.entries(dict)?;
        let mut module = None;
        for &(key, value) in &entries {
            if steps == 0 && !self.wanted.contains(&value) {
                continue;
            }
            if !self.worth(value) {
                continue;
            }
            let module: &mut String = module
                .get_or_insert_with(|| self.string_under(&entries, "__name__").unwrap_or_default());
            let scope = Scope::Module(module.clone());
            if let Ok(path) = self.objects.text(key) {
                self.meet(value, Name { path, scope }, steps);
            }
        }
        Ok(())
    }

    fn string_under(&self, entries: &[(u64, u64)], name: &str) -> Option<String> {
        let is = |&&(key, _): &&(u64, u64)| self.objects.text(key).is_ok_and(|text| text == name);
        self.objects.text(entries.iter().find(is)?.1).ok()
    }

    /// Whether a value is wanted itself or may lead to what is.
    fn worth(&mut self, value: u64) -> bool {
        self.wanted.contains(&value) || self.kind(value).is_some_and(|kind| kind != Kind::Leaf)
    }

    /// An object under a name.
    fn meet(&mut self, object: u64, name: Name, steps: u8) {
        if self.wanted.contains(&object) {
            self.found.entry(object).or_insert_with(|| name.clone());
        }
        if steps > 0 && self.seen.insert(object) && self.worth(object) {
            self.to_open.push_back(Open { object, name, steps });
        }
    }

    fn open(&mut self, open: &Open) -> Result<(), ReadError> {
        let Some(how) = self.kind(open.object) else { return Ok(()) };
        let part = |path: String| Name {
            path: format!("{}{path}", open.name.path),
            scope: open.name.scope.clone(),
        };
        let steps = open.steps - 1;
        match how {
            Kind::Leaf => {}
            Kind::Dict => {
                for (key, value) in
                    self.objects.entries(open.object)?.into_iter().take(MOST_ELEMENTS)
                {
                    if !self.worth(value) {
                        continue;
                    }
                    let key = match self.objects.text(key) {
                        Ok(text) => format!("[{text:?}]"),
                        Err(_) => self
                            .objects
                            .int(key)
                            .map_or("[...]".into(), |number| format!("[{number}]")),
                    };
                    self.meet(value, part(key), steps);
                }
            }
            Kind::List | Kind::Tuple => {
                let items = if how == Kind::List {
                    self.objects.list(open.object, MOST_ELEMENTS)?
                } else {
                    self.tuple(open.object)?
                };
                for (index, item) in items.into_iter().enumerate() {
                    if self.worth(item) {
                        self.meet(item, part(format!("[{index}]")), steps);
                    }
                }
            }
            Kind::Class | Kind::Instance => {
                let entries = if how == Kind::Class {
                    self.objects.entries(self.objects.type_at(open.object)?.dict)?
                } else {
                    self.objects.attributes(open.object)?
                };
                for (key, value) in entries.into_iter().take(MOST_ELEMENTS) {
                    if self.worth(value)
                        && let Ok(key) = self.objects.text(key)
                    {
                        self.meet(value, part(format!(".{key}")), steps);
                    }
                }
            }
        }
        Ok(())
    }

    fn tuple(&self, address: u64) -> Result<Vec<u64>, ReadError> {
        self.objects.tuple(address, MOST_ELEMENTS as u64)
    }

    /// How an object's parts are reached; `None` where there is no object.
    fn kind(&mut self, object: u64) -> Option<Kind> {
        let address = self.objects.type_address(object).ok()?;
        if let Some(known) = self.types.get(&address) {
            return *known;
        }
        let found = self.objects.type_at(address).ok().and_then(|kind| {
            let how = match self.objects.name(&kind).ok()?.as_str() {
                "dict" | "collections.defaultdict" | "collections.OrderedDict" => Kind::Dict,
                "list" => Kind::List,
                "tuple" => Kind::Tuple,
                "type" => Kind::Class,
                // What nearly every module is full of, and none of it keeps a lock.
                "module" | "function" | "builtin_function_or_method" | "_Feature" => Kind::Leaf,
                _ if kind.has_attributes() => Kind::Instance,
                _ => Kind::Leaf,
            };
            Some(how)
        });
        self.types.insert(address, found);
        found
    }
}
