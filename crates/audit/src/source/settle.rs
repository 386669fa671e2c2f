//! From what the rules found to what is told: what a function's uses take back, what the rest of
//! the module adds, one finding where several say the same, and comments that silence one: `#
//! ungil: ignore`, `# ungil: ignore[shared-cache, lazy-init]`.

use super::context::{Context, Raw};
use super::hazard::{Confidence, Hazard, Kind};
use super::text::Lines;
use super::{fork, threads};
use ruff_python_ast::token::{TokenKind, Tokens};
use ruff_text_size::{Ranged, TextRange};
use rustc_hash::FxHashMap;
use std::path::PathBuf;

/// Which rules a comment silences on its line: none named, all.
pub(super) struct Ignored(FxHashMap<usize, Vec<String>>);

impl Ignored {
    /// Of a source's comments.
    pub(super) fn of(tokens: &Tokens, text: &str, lines: &Lines<'_>) -> Ignored {
        let comments = tokens.iter().filter(|token| token.kind() == TokenKind::Comment);
        let ignored = comments.filter_map(|token| {
            let comment = text.get(token.range().to_std_range())?;
            let rest = comment.split_once("ungil:")?.1.trim_start().strip_prefix("ignore")?;
            let named = rest
                .strip_prefix('[')
                .and_then(|rest| rest.split_once(']'))
                .map_or("", |(ids, _)| ids);
            let ids = named.split(',').map(|id| id.trim().trim_start_matches("ungil/").to_owned());
            Some((
                lines.line(token.start()),
                ids.filter(|id| !id.is_empty()).take(Kind::ALL.len()).collect(),
            ))
        });
        Ignored(ignored.collect())
    }

    fn has(&self, line: usize, kind: Kind) -> bool {
        let id = kind.id().trim_start_matches("ungil/");
        self.0.get(&line).is_some_and(|ids| ids.is_empty() || ids.iter().any(|one| one == id))
    }
}

/// The hazards of a module.
pub(super) fn settle(mut cx: Context<'_>, lines: &Lines<'_>, ignored: &Ignored) -> Vec<Hazard> {
    let found = std::mem::take(&mut cx.found);
    let weighed = found.into_iter().filter_map(|raw| {
        let confidence = weigh(&cx, &raw)?;
        Some(Raw { confidence, ..raw })
    });
    let mut hazards: Vec<Hazard> = once(weighed)
        .into_iter()
        .map(|raw| hazard(&cx, raw, lines))
        .filter(|hazard| {
            !ignored.has(hazard.line, hazard.kind) && !ignored.has(hazard.end.0, hazard.kind)
        })
        .collect();
    hazards.sort_by_key(|hazard| (hazard.line, hazard.column, hazard.kind));
    hazards
}

/// How sure a finding is once the whole module is known; `None` takes it back.
fn weigh(cx: &Context<'_>, raw: &Raw<'_>) -> Option<Confidence> {
    match raw.kind {
        Kind::ForkWithThreads | Kind::PreexecFn => return Some(forked(cx, raw)),
        Kind::SharedCache | Kind::SharedCounter | Kind::LazyInit => {}
        Kind::SharedIteration => {
            let place = raw.subject.strip_prefix(threads::WALKED)?;
            let is_elsewhere = |function: &&&str| **function != raw.function && !is_setup(function);
            cx.changed.get(place)?.iter().find(is_elsewhere)?;
        }
        _ => return Some(raw.confidence),
    }
    let uses = cx.uses.get(raw.function).copied().unwrap_or_default();
    let is_private = raw.function.starts_with('_') && !raw.function.starts_with("__");
    let is_free = uses.free > 0 || (uses.held == 0 && uses.at_import == 0);
    // Every caller is here, and holds a lock or runs when the module is imported.
    if !is_free && is_private {
        return None;
    }
    let mut confidence = raw.confidence;
    if !is_free && uses.at_import > 0 {
        confidence = confidence.lower();
    }
    if is_setup(raw.function) {
        confidence = confidence.lower();
    }
    Some(confidence)
}

/// Whether a function's name says that it runs once, or when a program is put together.
fn is_setup(name: &str) -> bool {
    const STARTS: [&str; 13] = [
        "register",
        "unregister",
        "install",
        "setup",
        "set_up",
        "configure",
        "init",
        "initialize",
        "main",
        "reset",
        "teardown",
        "test",
        "bootstrap",
    ];
    let bare = name.trim_start_matches('_').to_lowercase();
    if name.starts_with("__") {
        return matches!(name, "__init_subclass__" | "__set_name__");
    }
    matches!(name, "setUp" | "tearDown" | "setUpClass" | "tearDownClass")
        || STARTS.iter().any(|start| {
            bare.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        })
}

/// A fork is sure to meet threads if one is started before it in its function, when its module is
/// imported, or by the `__init__` of its class.
fn forked(cx: &Context<'_>, raw: &Raw<'_>) -> Confidence {
    let is_before = |(function, class, range): &(&str, Option<&str>, TextRange)| {
        let is_earlier = range.start() < raw.range.start();
        let is_same = *function == raw.function && *class == raw.class;
        let is_made = *function == "__init__" && class.is_some() && *class == raw.class;
        (is_earlier && (is_same || function.is_empty())) || is_made
    };
    match cx.starts.iter().any(is_before) {
        true => Confidence::High,
        false if !cx.starts.is_empty() => Confidence::Medium,
        false => Confidence::Low,
    }
}

/// One finding for a subject in a function, the surest; one for the plain changes of a container in
/// a whole module, if nothing else is said of it.
fn once<'a>(found: impl Iterator<Item = Raw<'a>>) -> Vec<Raw<'a>> {
    type Key<'a> = (Kind, String, &'a str, Option<&'a str>);
    let mut kept: Vec<Raw<'a>> = Vec::new();
    let mut at: FxHashMap<Key<'a>, usize> = FxHashMap::default();
    let mut surest: FxHashMap<(Kind, String), Confidence> = FxHashMap::default();
    for raw in found {
        let best = surest.entry((raw.kind, raw.subject.clone())).or_insert(raw.confidence);
        *best = raw.confidence.max(*best);
        let is_each = raw.subject == fork::FORK;
        let key = (raw.kind, raw.subject.clone(), raw.function, raw.class);
        match at.get(&key).and_then(|&index| kept.get_mut(index)) {
            Some(before) if !is_each => {
                if raw.confidence > before.confidence {
                    *before = raw;
                }
            }
            _ => {
                at.insert(key, kept.len());
                kept.push(raw);
            }
        }
    }
    let mut told: FxHashMap<String, ()> = FxHashMap::default();
    kept.retain(|raw| {
        let is_plain = raw.kind == Kind::SharedCache && raw.confidence == Confidence::Low;
        if !is_plain {
            return true;
        }
        let best = surest.get(&(raw.kind, raw.subject.clone())).copied();
        best == Some(Confidence::Low) && told.insert(raw.subject.clone(), ()).is_none()
    });
    kept
}

fn hazard(cx: &Context<'_>, raw: Raw<'_>, lines: &Lines<'_>) -> Hazard {
    let (line, column) = lines.place(raw.range.start());
    let mut what = raw.what;
    if raw.kind == Kind::CachedProperty && cx.cached_properties > 1 {
        what = format!("{what}, the first of {} in this file", cx.cached_properties);
    }
    Hazard {
        kind: raw.kind,
        confidence: raw.confidence,
        file: PathBuf::new(),
        line,
        column,
        end: lines.place(raw.range.end()),
        what,
        why: raw.kind.why().to_owned(),
        instead: raw.kind.instead().to_owned(),
    }
}
