//! Finds names for objects: the global, attribute, element or local variable that refers to them.
//!
//! An address means nothing to a user; `cache`, `pool.lock` or `locks[3]` does. Objects do not
//! store names, so the search starts from where programs keep them: the globals of the functions on
//! the stacks and of every module, and the locals of the frames, and follows two steps from there.
//! The search is breadth-first, so that the shortest name is found, and bounded, so that it takes
//! milliseconds.

mod name;

pub use name::{NameScope, ReferrerName};

use crate::frames::Frame;
use crate::memory::ReadError;
use crate::objects::ObjectReader;
use cpython_layout::structures::FRAME_GLOBALS;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;

/// Maximum number of objects whose attributes or elements are searched.
const MAX_SEARCHED: usize = 20_000;
/// The same for objects reachable from variables of standard library functions.
const MAX_SEARCHED_LIBRARY: usize = 2_000;
/// Maximum number of elements searched in one list or dictionary.
const MAX_ELEMENTS: usize = 1_000;
/// Maximum number of modules whose globals are searched.
const MAX_MODULES: usize = 5_000;
/// Maximum number of steps from a variable: `server.pool.lock` has two.
const MAX_STEPS: u8 = 2;

/// A named object whose contents are to be searched.
struct OpenObject {
    object: u64,
    name: ReferrerName,
    steps: u8,
}

/// Search for the names of a set of objects.
pub struct ReferrerSearch<'a> {
    objects: ObjectReader<'a>,
    wanted: FxHashSet<u64>,
    found: FxHashMap<u64, ReferrerName>,
    seen: FxHashSet<u64>,
    queue: VecDeque<OpenObject>,
    /// Local variables of standard library functions and their values.
    library_variables: Vec<(u64, ReferrerName)>,
    types: FxHashMap<u64, Option<ContentKind>>,
}

/// How the contents of an object are enumerated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ContentKind {
    Dict,
    List,
    Tuple,
    Class,
    Instance,
    Leaf,
}

/// Returns whether a file is from the standard library: frozen, or below `python3.X` but not an
/// installed package.
fn is_library(file: &str) -> bool {
    let installed = file.contains("/site-packages/") || file.contains("/dist-packages/");
    file.starts_with("<frozen ") || file.contains("/lib/python3") && !installed
}

impl<'a> ReferrerSearch<'a> {
    /// Creates a search for `wanted`.
    #[must_use]
    pub fn new(objects: ObjectReader<'a>, wanted: FxHashSet<u64>) -> ReferrerSearch<'a> {
        ReferrerSearch {
            objects,
            wanted,
            found: FxHashMap::default(),
            seen: FxHashSet::default(),
            queue: VecDeque::new(),
            library_variables: Vec::new(),
            types: FxHashMap::default(),
        }
    }

    /// Searches the globals and locals of these frames.
    pub fn frames<'f>(&mut self, frames: impl IntoIterator<Item = &'f Frame> + Clone) {
        for frame in frames.clone() {
            let at = frame.address.saturating_add(FRAME_GLOBALS);
            if let Ok(globals) = self.objects.memory.u64(at) {
                let _ = self.globals(globals, MAX_STEPS);
            }
        }
        // Many threads run the same few functions, so the variable names are cached per code
        // object.
        let mut names = FxHashMap::default();
        for frame in frames {
            if self.is_done() {
                return;
            }
            let names = names
                .entry(frame.code.address)
                .or_insert_with(|| self.objects.local_names(frame).unwrap_or_default());
            let Ok(locals) = self.objects.locals_with_names(frame, names) else { continue };
            // Does not skip module and class frames: a module's locals are its globals, and those
            // of a class body become attributes.
            for (name, value) in locals {
                let scope = NameScope::Function(frame.code.qualname.clone());
                let name = ReferrerName { path: name, scope };
                if is_library(&frame.code.file) {
                    self.library_variables.push((value, name));
                } else {
                    self.add(value, name, MAX_STEPS);
                }
            }
        }
    }

    /// Searches the globals of all modules of an interpreter whose `sys.modules` is at `modules`.
    pub fn modules(&mut self, modules: u64) {
        let modules = self.objects.entries(modules).unwrap_or_default();
        for (_, module) in modules.into_iter().take(MAX_MODULES) {
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

    /// Searches the collected objects within the limits and returns the names. Variables of
    /// standard library functions are followed last: `jobs.mutex` is more informative than
    /// `self._lock in Condition.__enter__()`.
    #[must_use]
    pub fn finish(mut self) -> FxHashMap<u64, ReferrerName> {
        self.search_queue(MAX_SEARCHED);
        self.queue.clear();
        for (value, name) in std::mem::take(&mut self.library_variables) {
            self.add(value, name, MAX_STEPS);
        }
        self.search_queue(MAX_SEARCHED_LIBRARY);
        self.found
    }

    /// Searches the contents of at most `most` collected objects.
    fn search_queue(&mut self, most: usize) {
        for _ in 0..most {
            let Some(open) = self.queue.pop_front().filter(|_| !self.is_done()) else { return };
            let _ = self.search_contents(&open);
        }
    }

    fn is_done(&self) -> bool {
        self.found.len() == self.wanted.len()
    }

    /// Searches the globals of a module. Each module is searched once, with the number of steps of
    /// the first caller.
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
            if !self.is_promising(value) {
                continue;
            }
            let module: &mut String = module
                .get_or_insert_with(|| self.string_value(&entries, "__name__").unwrap_or_default());
            let scope = NameScope::Module(module.clone());
            if let Ok(path) = self.objects.text(key) {
                self.add(value, ReferrerName { path, scope }, steps);
            }
        }
        Ok(())
    }

    fn string_value(&self, entries: &[(u64, u64)], name: &str) -> Option<String> {
        let is = |&&(key, _): &&(u64, u64)| self.objects.text(key).is_ok_and(|text| text == name);
        self.objects.text(entries.iter().find(is)?.1).ok()
    }

    /// Returns whether a value is wanted or may lead to a wanted object.
    fn is_promising(&mut self, value: u64) -> bool {
        self.wanted.contains(&value)
            || self.kind(value).is_some_and(|kind| kind != ContentKind::Leaf)
    }

    /// Adds an object found under a name.
    fn add(&mut self, object: u64, name: ReferrerName, steps: u8) {
        if self.wanted.contains(&object) {
            self.found.entry(object).or_insert_with(|| name.clone());
        }
        if steps > 0 && self.seen.insert(object) && self.is_promising(object) {
            self.queue.push_back(OpenObject { object, name, steps });
        }
    }

    fn search_contents(&mut self, open: &OpenObject) -> Result<(), ReadError> {
        let Some(how) = self.kind(open.object) else { return Ok(()) };
        let part = |path: String| ReferrerName {
            path: format!("{}{path}", open.name.path),
            scope: open.name.scope.clone(),
        };
        let steps = open.steps - 1;
        match how {
            ContentKind::Leaf => {}
            ContentKind::Dict => {
                for (key, value) in
                    self.objects.entries(open.object)?.into_iter().take(MAX_ELEMENTS)
                {
                    if !self.is_promising(value) {
                        continue;
                    }
                    let key = match self.objects.text(key) {
                        Ok(text) => format!("[{text:?}]"),
                        Err(_) => self
                            .objects
                            .int(key)
                            .map_or("[...]".into(), |number| format!("[{number}]")),
                    };
                    self.add(value, part(key), steps);
                }
            }
            ContentKind::List | ContentKind::Tuple => {
                let items = if how == ContentKind::List {
                    self.objects.list(open.object, MAX_ELEMENTS)?
                } else {
                    self.tuple(open.object)?
                };
                for (index, item) in items.into_iter().enumerate() {
                    if self.is_promising(item) {
                        self.add(item, part(format!("[{index}]")), steps);
                    }
                }
            }
            ContentKind::Class | ContentKind::Instance => {
                let entries = if how == ContentKind::Class {
                    self.objects.entries(self.objects.type_at(open.object)?.dict)?
                } else {
                    self.objects.attributes(open.object)?
                };
                for (key, value) in entries.into_iter().take(MAX_ELEMENTS) {
                    if self.is_promising(value)
                        && let Ok(key) = self.objects.text(key)
                    {
                        self.add(value, part(format!(".{key}")), steps);
                    }
                }
            }
        }
        Ok(())
    }

    fn tuple(&self, address: u64) -> Result<Vec<u64>, ReadError> {
        self.objects.tuple(address, MAX_ELEMENTS as u64)
    }

    /// Returns how an object's contents are enumerated; `None` if there is no object.
    fn kind(&mut self, object: u64) -> Option<ContentKind> {
        let address = self.objects.type_address(object).ok()?;
        if let Some(known) = self.types.get(&address) {
            return *known;
        }
        let found = self.objects.type_at(address).ok().and_then(|kind| {
            let how = match self.objects.name(&kind).ok()?.as_str() {
                "dict" | "collections.defaultdict" | "collections.OrderedDict" => ContentKind::Dict,
                "list" => ContentKind::List,
                "tuple" => ContentKind::Tuple,
                "type" => ContentKind::Class,
                // Most modules are full of these, and none of them holds a lock.
                "module" | "function" | "builtin_function_or_method" | "_Feature" => {
                    ContentKind::Leaf
                }
                _ if kind.has_attributes() => ContentKind::Instance,
                _ => ContentKind::Leaf,
            };
            Some(how)
        });
        self.types.insert(address, found);
        found
    }
}
