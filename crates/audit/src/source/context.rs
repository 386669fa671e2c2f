//! State shared by all rules while a module is visited: the current function, held locks, checks
//! made, what names refer to, and the findings.

use super::hazard::{Confidence, Rule};
use super::names;
use super::outline::{ModuleOutline, ValueKind};
use ruff_python_ast::Expr;
use ruff_text_size::{Ranged, TextRange};
use rustc_hash::{FxHashMap, FxHashSet};

/// Maximum number of findings in one file; more are only counted.
pub(super) const MAX_FINDINGS: usize = 1_000;

/// Maximum number of checks tracked for one container in one function.
const MAX_CHECKS: usize = 16;

/// A module-level name or class attribute that all threads share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SharedObject<'a> {
    /// `cache` or `Class.cache`.
    pub name: String,
    pub kind: ValueKind<'a>,
}

/// A check of a container: of one key, or of the whole container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check<'a> {
    pub object: SharedObject<'a>,
    pub key: Option<&'a str>,
}

/// A function being visited.
#[derive(Default)]
pub(super) struct FunctionFrame<'a> {
    pub name: &'a str,
    pub class: Option<&'a str>,
    /// Local names, which shadow those of the module.
    pub locals: FxHashSet<&'a str>,
    pub globals: FxHashSet<&'a str>,
    pub nonlocals: FxHashSet<&'a str>,
    /// Checked keys by container.
    pub checks: FxHashMap<String, Vec<Option<&'a str>>>,
    /// Local names that hold the result of a check.
    pub derived: FxHashMap<&'a str, Check<'a>>,
    /// Names that were tested for being missing: `x`, `self.x`, `cls.x`.
    pub missing: FxHashSet<String>,
    /// Number of locks held.
    pub held: usize,
    /// Number of enclosing blocks that handle a missing item.
    pub missing_handled: usize,
    pub is_async: bool,
    /// It runs in a thread.
    pub is_thread: bool,
}

/// How the module uses one of its functions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FunctionUses {
    /// During import, or when the module is run as a program.
    pub at_import: usize,
    /// In a function that holds a lock.
    pub held: usize,
    /// Anywhere else.
    pub free: usize,
}

/// A finding before the uses of its function are known.
pub(super) struct RawFinding<'a> {
    pub rule: Rule,
    pub confidence: Confidence,
    pub range: TextRange,
    pub what: String,
    /// What the finding is about. A rule reports a subject once per function.
    pub subject: String,
    pub function: &'a str,
    pub class: Option<&'a str>,
}

/// State of a visit of one module.
pub(super) struct ModuleContext<'a> {
    pub text: &'a str,
    pub outline: ModuleOutline<'a>,
    pub frames: Vec<FunctionFrame<'a>>,
    pub classes: Vec<&'a str>,
    pub uses: FxHashMap<&'a str, FunctionUses>,
    pub found: Vec<RawFinding<'a>>,
    pub left_out: usize,
    /// Where threads are started: function, class and source range.
    pub starts: Vec<(&'a str, Option<&'a str>, TextRange)>,
    /// Containers that change size, and the functions that change them.
    pub changed: FxHashMap<String, FxHashSet<&'a str>>,
    pub cached_properties: usize,
}

impl<'a> ModuleContext<'a> {
    pub(super) fn add(
        &mut self,
        rule: Rule,
        confidence: Confidence,
        at: &impl Ranged,
        subject: &str,
        what: String,
    ) {
        if self.found.len() >= MAX_FINDINGS {
            self.left_out += 1;
            return;
        }
        let (function, class) =
            self.frames.last().map_or(("", None), |frame| (frame.name, frame.class));
        let subject = subject.to_owned();
        self.found.push(RawFinding {
            rule,
            confidence,
            range: at.range(),
            what,
            subject,
            function,
            class,
        });
    }

    /// Returns the current function if it holds no lock.
    pub(super) fn unlocked(&self) -> Option<&FunctionFrame<'a>> {
        self.frames.last().filter(|frame| frame.held == 0)
    }

    /// Returns whether the error for a missing item is caught.
    pub(super) fn is_missing_handled(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.missing_handled > 0)
    }

    /// Returns the source text of an expression, shortened for messages.
    pub(super) fn excerpt(&self, at: &impl Ranged) -> &'a str {
        let text = self.text.get(at.range().to_std_range()).unwrap_or_default();
        let end = text.char_indices().nth(80).map_or(text.len(), |(at, _)| at);
        text.get(..end).unwrap_or_default().lines().next().unwrap_or_default()
    }

    /// Returns the source text of an expression, if it is short enough to be compared.
    pub(super) fn key(&self, at: &impl Ranged) -> Option<&'a str> {
        self.text.get(at.range().to_std_range()).filter(|text| text.len() <= 200)
    }

    /// Returns what a name refers to, if it belongs to the module.
    pub(super) fn module_value(&self, name: &str) -> Option<ValueKind<'a>> {
        let is_hidden = self.frames.iter().any(|frame| frame.locals.contains(name));
        if is_hidden { None } else { self.outline.names.get(name).copied() }
    }

    /// Returns the class whose attribute `base.x` is, if `base` is a class or an instance of the
    /// current class.
    pub(super) fn class_of(&self, base: &str) -> Option<&'a str> {
        match base {
            "self" | "cls" => self.frames.last().and_then(|frame| frame.class),
            _ => self.outline.classes.get_key_value(base).map(|(&class, _)| class),
        }
    }

    /// Returns the shared object that an expression refers to: a module-level name, or a class
    /// attribute that instances do not shadow.
    pub(super) fn shared(&self, expr: &Expr) -> Option<SharedObject<'a>> {
        if let Some(name) = names::name(expr) {
            return self
                .module_value(name)
                .map(|kind| SharedObject { name: name.to_owned(), kind });
        }
        let (base, attribute) = names::attribute(expr)?;
        let class = self.class_of(base)?;
        let of = self.outline.classes.get(class)?;
        let kind = *of.attributes.get(attribute)?;
        if base == "self" && of.own.contains(attribute) {
            return None;
        }
        Some(SharedObject { name: format!("{class}.{attribute}"), kind })
    }

    /// Returns the shared container that an expression refers to.
    pub(super) fn container(&self, expr: &Expr) -> Option<SharedObject<'a>> {
        self.shared(expr).filter(|object| object.kind.is_container())
    }

    /// Records a check of a container.
    pub(super) fn record_check(&mut self, check: &Check<'a>) {
        if let Some(frame) = self.frames.last_mut() {
            let checks = frame.checks.entry(check.object.name.clone()).or_default();
            if checks.len() < MAX_CHECKS && !checks.contains(&check.key) {
                checks.push(check.key);
            }
        }
    }

    /// Returns whether a key was checked in this function, or the whole container if `key` is
    /// `None`.
    pub(super) fn was_checked(&self, object: &SharedObject<'_>, key: Option<&str>) -> bool {
        let checks = self.frames.last().and_then(|frame| frame.checks.get(&object.name));
        checks.is_some_and(|checks| checks.contains(&key))
    }
}
