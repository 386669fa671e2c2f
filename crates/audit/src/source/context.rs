//! What the rules know while a module is walked: the function they are in, what is locked there,
//! what has been looked at, and what a name refers to; and where they put what they find.

use super::hazard::{Confidence, Kind};
use super::names;
use super::outline::{Holds, Outline};
use ruff_python_ast::Expr;
use ruff_text_size::{Ranged, TextRange};
use rustc_hash::{FxHashMap, FxHashSet};

/// Most findings of one file; more are told as left out.
pub(super) const MOST: usize = 1_000;

/// Most looks that are remembered of one container in one function.
const LOOKS: usize = 16;

/// A container that all threads share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// `cache`, or `Class.cache`.
    pub name: String,
    pub holds: Holds<'a>,
}

/// A look at a container before it is changed: at one key of it, or at the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look<'a> {
    pub place: Place<'a>,
    pub key: Option<&'a str>,
}

/// A function.
#[derive(Default)]
pub(super) struct Frame<'a> {
    pub name: &'a str,
    pub class: Option<&'a str>,
    /// Names of its own, which hide the module's.
    pub locals: FxHashSet<&'a str>,
    pub globals: FxHashSet<&'a str>,
    pub nonlocals: FxHashSet<&'a str>,
    /// Keys that were looked at, by container.
    pub looks: FxHashMap<String, Vec<Option<&'a str>>>,
    /// Own names that hold what a look gave.
    pub derived: FxHashMap<&'a str, Look<'a>>,
    /// What was found to be missing: `x`, `self.x`, `cls.x`.
    pub missing: FxHashSet<String>,
    /// Locks held here.
    pub held: usize,
    /// Blocks around that go on where something is found to be gone.
    pub forgiving: usize,
    pub is_async: bool,
    /// It is handed to a thread.
    pub is_thread: bool,
}

/// How the module uses one of its functions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Uses {
    /// When it is imported, or run as a program.
    pub at_import: usize,
    /// In a function that holds a lock.
    pub held: usize,
    /// In any other way.
    pub free: usize,
}

/// A finding before it is known how its function is used.
pub(super) struct Raw<'a> {
    pub kind: Kind,
    pub confidence: Confidence,
    pub range: TextRange,
    pub what: String,
    /// What it is about; there is one finding of a kind for a subject in a function.
    pub subject: String,
    pub function: &'a str,
    pub class: Option<&'a str>,
}

/// The state of a walk.
pub(super) struct Context<'a> {
    pub text: &'a str,
    pub outline: Outline<'a>,
    pub frames: Vec<Frame<'a>>,
    pub classes: Vec<&'a str>,
    pub uses: FxHashMap<&'a str, Uses>,
    pub found: Vec<Raw<'a>>,
    pub left_out: usize,
    /// Where threads start: the function, its class, and the offset.
    pub starts: Vec<(&'a str, Option<&'a str>, TextRange)>,
    /// Containers that change size, and the functions that do it.
    pub changed: FxHashMap<String, FxHashSet<&'a str>>,
    pub cached_properties: usize,
}

impl<'a> Context<'a> {
    /// Adds a finding.
    pub(super) fn add(
        &mut self,
        kind: Kind,
        confidence: Confidence,
        at: &impl Ranged,
        subject: &str,
        what: String,
    ) {
        if self.found.len() >= MOST {
            self.left_out += 1;
            return;
        }
        let (function, class) =
            self.frames.last().map_or(("", None), |frame| (frame.name, frame.class));
        let subject = subject.to_owned();
        self.found.push(Raw {
            kind,
            confidence,
            range: at.range(),
            what,
            subject,
            function,
            class,
        });
    }

    /// The function that is being walked, if no lock is held in it.
    pub(super) fn unlocked(&self) -> Option<&Frame<'a>> {
        self.frames.last().filter(|frame| frame.held == 0)
    }

    /// Whether a failure to remove something is caught.
    pub(super) fn is_forgiving(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.forgiving > 0)
    }

    /// An expression as it stands in the source, shortened for words.
    pub(super) fn source(&self, at: &impl Ranged) -> &'a str {
        let text = self.text.get(at.range().to_std_range()).unwrap_or_default();
        let end = text.char_indices().nth(80).map_or(text.len(), |(at, _)| at);
        text.get(..end).unwrap_or_default().lines().next().unwrap_or_default()
    }

    /// An expression as it stands in the source, if it is short enough to be compared.
    pub(super) fn key(&self, at: &impl Ranged) -> Option<&'a str> {
        self.text.get(at.range().to_std_range()).filter(|text| text.len() <= 200)
    }

    /// What a name refers to, if that is the module's.
    pub(super) fn of_module(&self, name: &str) -> Option<Holds<'a>> {
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
    pub(super) fn shared(&self, expr: &Expr) -> Option<Place<'a>> {
        if let Some(name) = names::name(expr) {
            return self.of_module(name).map(|holds| Place { name: name.to_owned(), holds });
        }
        let (base, attribute) = names::attribute(expr)?;
        let class = self.class_of(base)?;
        let of = self.outline.classes.get(class)?;
        let holds = *of.attributes.get(attribute)?;
        if base == "self" && of.own.contains(attribute) {
            return None;
        }
        Some(Place { name: format!("{class}.{attribute}"), holds })
    }

    /// The shared container that an expression refers to.
    pub(super) fn container(&self, expr: &Expr) -> Option<Place<'a>> {
        self.shared(expr).filter(|place| place.holds.is_container())
    }

    /// Remembers that a container was looked at.
    pub(super) fn look(&mut self, look: &Look<'a>) {
        if let Some(frame) = self.frames.last_mut() {
            let looks = frame.looks.entry(look.place.name.clone()).or_default();
            if looks.len() < LOOKS && !looks.contains(&look.key) {
                looks.push(look.key);
            }
        }
    }

    /// Whether this key was looked at in this function, or the container as a whole where `key` is
    /// `None`.
    pub(super) fn has_looked(&self, place: &Place<'_>, key: Option<&str>) -> bool {
        let looks = self.frames.last().and_then(|frame| frame.looks.get(&place.name));
        looks.is_some_and(|looks| looks.contains(&key))
    }
}
