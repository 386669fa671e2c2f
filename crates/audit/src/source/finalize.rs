//! Turns raw findings into hazards once the whole module is known: drops findings in functions that
//! are only used under a lock, adjusts confidences, removes duplicates, and applies the comments `#
//! ungil: ignore` and `# ungil: ignore[shared-cache, lazy-init]`.

use super::context::{ModuleContext, RawFinding};
use super::hazard::{Confidence, Hazard, Rule};
use super::text::LineIndex;
use super::{fork, threads};
use ruff_python_ast::token::{TokenKind, Tokens};
use ruff_text_size::{Ranged, TextRange};
use rustc_hash::FxHashMap;
use std::path::PathBuf;

/// Rules to ignore, by line. An empty list means all rules.
pub(super) struct IgnoreComments(FxHashMap<usize, Vec<String>>);

impl IgnoreComments {
    /// Collects the comments of a source.
    pub(super) fn of(tokens: &Tokens, text: &str, lines: &LineIndex<'_>) -> IgnoreComments {
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
                ids.filter(|id| !id.is_empty()).take(Rule::ALL.len()).collect(),
            ))
        });
        IgnoreComments(ignored.collect())
    }

    fn has(&self, line: usize, rule: Rule) -> bool {
        let id = rule.id().trim_start_matches("ungil/");
        self.0.get(&line).is_some_and(|ids| ids.is_empty() || ids.iter().any(|one| one == id))
    }
}

/// Returns the hazards of a module.
pub(super) fn finalize(
    mut cx: ModuleContext<'_>,
    lines: &LineIndex<'_>,
    ignored: &IgnoreComments,
) -> Vec<Hazard> {
    let found = std::mem::take(&mut cx.found);
    let weighed = found.into_iter().filter_map(|raw| {
        let confidence = final_confidence(&cx, &raw)?;
        Some(RawFinding { confidence, ..raw })
    });
    let mut hazards: Vec<Hazard> = deduplicate(weighed)
        .into_iter()
        .map(|raw| into_hazard(&cx, raw, lines))
        .filter(|hazard| {
            !ignored.has(hazard.line, hazard.rule) && !ignored.has(hazard.end.0, hazard.rule)
        })
        .collect();
    hazards.sort_by_key(|hazard| (hazard.line, hazard.column, hazard.rule));
    hazards
}

/// Returns the confidence of a finding, or `None` to drop it.
fn final_confidence(cx: &ModuleContext<'_>, raw: &RawFinding<'_>) -> Option<Confidence> {
    match raw.rule {
        Rule::ForkWithThreads | Rule::PreexecFn => return Some(fork_confidence(cx, raw)),
        Rule::SharedCache | Rule::SharedCounter | Rule::LazyInit => {}
        Rule::SharedIteration => {
            let object = raw.subject.strip_prefix(threads::ITERATED)?;
            let is_elsewhere = |function: &&&str| **function != raw.function && !is_setup(function);
            cx.changed.get(object)?.iter().find(is_elsewhere)?;
        }
        _ => return Some(raw.confidence),
    }
    let uses = cx.uses.get(raw.function).copied().unwrap_or_default();
    let is_private = raw.function.starts_with('_') && !raw.function.starts_with("__");
    let is_free = uses.free > 0 || (uses.held == 0 && uses.at_import == 0);
    // Every caller is in this module, and holds a lock or runs during import.
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

/// Returns whether the name of a function suggests that it runs once, or while a program is set up.
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

/// Returns the confidence of a fork finding. It is high if a thread is started before the fork in
/// the same function, during import, or in `__init__` of the same class.
fn fork_confidence(cx: &ModuleContext<'_>, raw: &RawFinding<'_>) -> Confidence {
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

/// Keeps the finding with the highest confidence for each subject and function. Plain changes of a
/// container are reported once per module, and only if there is no other finding about it.
fn deduplicate<'a>(found: impl Iterator<Item = RawFinding<'a>>) -> Vec<RawFinding<'a>> {
    type Key<'a> = (Rule, String, &'a str, Option<&'a str>);
    let mut kept: Vec<RawFinding<'a>> = Vec::new();
    let mut at: FxHashMap<Key<'a>, usize> = FxHashMap::default();
    let mut surest: FxHashMap<(Rule, String), Confidence> = FxHashMap::default();
    for raw in found {
        let best = surest.entry((raw.rule, raw.subject.clone())).or_insert(raw.confidence);
        *best = raw.confidence.max(*best);
        let is_each = raw.subject == fork::FORK;
        let key = (raw.rule, raw.subject.clone(), raw.function, raw.class);
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
    let mut kept_plain: FxHashMap<String, ()> = FxHashMap::default();
    kept.retain(|raw| {
        let is_plain = raw.rule == Rule::SharedCache && raw.confidence == Confidence::Low;
        if !is_plain {
            return true;
        }
        let best = surest.get(&(raw.rule, raw.subject.clone())).copied();
        best == Some(Confidence::Low) && kept_plain.insert(raw.subject.clone(), ()).is_none()
    });
    kept
}

fn into_hazard(cx: &ModuleContext<'_>, raw: RawFinding<'_>, lines: &LineIndex<'_>) -> Hazard {
    let (line, column) = lines.position(raw.range.start());
    let mut what = raw.what;
    if raw.rule == Rule::CachedProperty && cx.cached_properties > 1 {
        what = format!("{what}, the first of {} in this file", cx.cached_properties);
    }
    Hazard {
        rule: raw.rule,
        confidence: raw.confidence,
        file: PathBuf::new(),
        line,
        column,
        end: lines.position(raw.range.end()),
        what,
        why: raw.rule.why().to_owned(),
        instead: raw.rule.instead().to_owned(),
    }
}
