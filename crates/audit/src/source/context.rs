//! What the rules know while a module is walked: the function they are in, what is locked there,
//! what has been looked at, and what a name refers to; and where they put what they find.

use super::hazard::{Confidence, Rule};
use super::names;
use super::outline::{ModuleOutline, ValueKind};
use ruff_python_ast::Expr;
use ruff_text_size::{Ranged, TextRange};
use rustc_hash::{FxHashMap, FxHashSet};

/// Most findings of one file; more are told as left out.
pub(super) const MAX_FINDINGS: usize = 1_000;

/// Most checks that are remembered of one container in one function.
const MAX_CHECKS: usize = 16;

/// A container that all threads share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SharedObject<'a> {
    /// `cache`, or `ClassOutline.cache`.
    pub name: String,
    pub kind: ValueKind<'a>,
}

/// A look at a container before it is changed: at one key of it, or at the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check<'a> {
    pub object: SharedObject<'a>,
    pub key: Option<&'a str>,
}

/// A function.
#[derive(Default)]
pub(super) struct FunctionFrame<'a> {
    pub name: &'a str,
    pub class: Option<&'a str>,
    /// Names of its own, which hide the module's.
    pub locals: FxHashSet<&'a str>,
    pub globals: FxHashSet<&'a str>,
    pub nonlocals: FxHashSet<&'a str>,
    /// Keys that were looked at, by container.
    pub checks: FxHashMap<String, Vec<Option<&'a str>>>,
    /// FunctionScope names that hold what a look gave.
    pub derived: FxHashMap<&'a str, Check<'a>>,
    /// What was found to be missing: `x`, `self.x`, `cls.x`.
    pub missing: FxHashSet<String>,
    /// Locks held here.
    pub held: usize,
    /// Blocks around that go on where something is found to be gone.
    pub missing_handled: usize,
    pub is_async: bool,
    /// It is handed to a thread.
    pub is_thread: bool,
}

/// How the module uses one of its functions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FunctionUses {
    /// When it is imported, or run as a program.
    pub at_import: usize,
    /// In a function that kind a lock.
    pub held: usize,
    /// In any other way.
    pub free: usize,
}

/// A finding before it is known how its function is used.
pub(super) struct RawFinding<'a> {
    pub rule: Rule,
    pub confidence: Confidence,
    pub range: TextRange,
    pub what: String,
    /// What it is about; there is one finding of a kind for a subject in a function.
    pub subject: String,
    pub function: &'a str,
    pub class: Option<&'a str>,
}

/// The state of a walk.
pub(super) struct ModuleContext<'a> {
    pub text: &'a str,
    pub outline: ModuleOutline<'a>,
    pub frames: Vec<FunctionFrame<'a>>,
    pub classes: Vec<&'a str>,
    pub uses: FxHashMap<&'a str, FunctionUses>,
    pub found: Vec<RawFinding<'a>>,
    pub left_out: usize,
    /// Where threads start: the function, its class, and the offset.
    pub starts: Vec<(&'a str, Option<&'a str>, TextRange)>,
    /// Containers that change size, and the functions that do it.
    pub changed: FxHashMap<String, FxHashSet<&'a str>>,
    pub cached_properties: usize,
}

impl<'a> ModuleContext<'a> {
    /// Adds a finding.
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

    /// The function that is being walked, if no lock is held in it.
    pub(super) fn unlocked(&self) -> Option<&FunctionFrame<'a>> {
        self.frames.last().filter(|frame| frame.held == 0)
    }

    /// Whether a failure to remove something is caught.
    pub(super) fn is_missing_handled(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.missing_handled > 0)
    }

    /// An expression as it stands in the source, shortened for words.
    pub(super) fn excerpt(&self, at: &impl Ranged) -> &'a str {
        let text = self.text.get(at.range().to_std_range()).unwrap_or_default();
        let end = text.char_indices().nth(80).map_or(text.len(), |(at, _)| at);
        text.get(..end).unwrap_or_default().lines().next().unwrap_or_default()
    }

    /// An expression as it stands in the source, if it is short enough to be compared.
    pub(super) fn key(&self, at: &impl Ranged) -> Option<&'a str> {
        self.text.get(at.range().to_std_range()).filter(|text| text.len() <= 200)
    }

    /// What a name refers to, if that is the module's.
    pub(super) fn module_value(&self, name: &str) -> Option<ValueKind<'a>> {
        let is_hidden = self.frames.iter().any(|frame| frame.locals.contains(name));
        if is_hidden { None } else { self.outline.names.get(name).copied() }
    }

    /// The class whose attribute `base.x` is, if `base` is a class or an instance of the one
    /// around.
    pub(super) fn class_of(&self, base: &str) -> Option<&'a str> {
        match base {
            "self" | "cls" => self.frames.last().and_then(|frame| frame.class),
            _ => self.outline.classes.get_key_value(base).map(|(&class, _)| class),
        }
    }

    /// The shared thing that an expression refers to: a module's name, or a class's attribute that
    /// instances do not hide.
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

    /// The shared container that an expression refers to.
    pub(super) fn container(&self, expr: &Expr) -> Option<SharedObject<'a>> {
        self.shared(expr).filter(|object| object.kind.is_container())
    }

    /// Remembers that a container was looked at.
    pub(super) fn record_check(&mut self, check: &Check<'a>) {
        if let Some(frame) = self.frames.last_mut() {
            let checks = frame.checks.entry(check.object.name.clone()).or_default();
            if checks.len() < MAX_CHECKS && !checks.contains(&check.key) {
                checks.push(check.key);
            }
        }
    }

    /// Whether this key was looked at in this function, or the container as a whole where `key` is
    /// `None`.
    pub(super) fn was_checked(&self, object: &SharedObject<'_>, key: Option<&str>) -> bool {
        let checks = self.frames.last().and_then(|frame| frame.checks.get(&object.name));
        checks.is_some_and(|checks| checks.contains(&key))
    }
}
