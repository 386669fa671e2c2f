//! A GIL build, its free-threaded twin, and in what else the two differ.
//!
//! To compare a build with the GIL to one without says something about the GIL only if nothing else
//! differs. Two interpreters of one version may still be as far apart by compiler and optimisation
//! as the GIL sets them; so the twin chosen is the one least different, and what difference is left
//! is put in words.

use crate::find::find;
use crate::resolve::names;
use crate::{Error, Implementation, Interpreter, Pair, Search};
use std::cmp::Reverse;

/// Every GIL build with its best twin: newest series first, in a series the pair least different
/// first.
///
/// A venv is no twin: what is installed in it differs from what is in the other. Nor is a debug
/// build of a release.
pub fn pairs(interpreters: &[Interpreter]) -> Vec<Pair> {
    let gil = interpreters.iter().filter(|i| may_pair(i) && !i.free_threaded && i.venv.is_none());
    let mut pairs: Vec<Pair> = gil
        .filter_map(|gil| {
            let free_threaded = twin(gil, interpreters)?.clone();
            Some(Pair {
                differences: differences(gil, &free_threaded),
                gil: gil.clone(),
                free_threaded,
            })
        })
        .collect();
    pairs.sort_by_key(rank);
    pairs
}

/// Smallest first.
fn rank(pair: &Pair) -> impl Ord + use<> {
    let version = &pair.gil.version;
    (Reverse(version.series()), pair.differences.len(), Reverse(version.clone()), pair.gil.origin)
}

/// The counterpart of an interpreter: the free-threaded build for a GIL build, and the other way
/// round. Same series always; then the same micro, build, origin, and the newest.
pub fn twin<'a>(of: &Interpreter, among: &'a [Interpreter]) -> Option<&'a Interpreter> {
    if !may_pair(of) {
        return None;
    }
    among
        .iter()
        .filter(|i| {
            may_pair(i)
                && i.free_threaded != of.free_threaded
                && i.version.series() == of.version.series()
        })
        .filter(|i| {
            i.venv.is_none() && (i.build.debug == Some(true)) == (of.build.debug == Some(true))
        })
        .min_by_key(|i| {
            let apart = differences(of, i).len();
            (
                i.version != of.version,
                apart,
                i.origin != of.origin,
                Reverse(i.version.clone()),
                i.origin,
            )
        })
}

/// The pair to compare where none was named: the newest GIL build that has a twin, releases before
/// pre-releases.
pub fn default_pair(search: &Search) -> Result<Pair, Error> {
    let found = find(search);
    let mut pairs = pairs(&found);
    pairs.sort_by_key(|pair| {
        let release = pair.gil.version.is_final() && pair.free_threaded.version.is_final();
        (!release, pair.gil.build.debug == Some(true)) // stable: the order of `pairs` stays within
    });
    pairs
        .into_iter()
        .next()
        .ok_or_else(|| Error::NoPair { have: names(&found), install: missing(&found) })
}

/// What to install to have a pair: the other half of the newest that could have one, or both.
fn missing(found: &[Interpreter]) -> Vec<String> {
    let half = found
        .iter()
        .filter(|i| may_pair(i) && i.venv.is_none() && i.version.is_final())
        .find_map(|i| {
            let (major, minor) = i.version.series();
            let other = format!("{major}.{minor}{}", if i.free_threaded { "" } else { "t" });
            crate::assemble::knows(&other).then_some(other)
        });
    match half {
        Some(half) => vec![half],
        None => vec!["3.14".to_owned(), "3.14t".to_owned()],
    }
}

/// Free-threading begins with 3.13, and only CPython has it.
fn may_pair(i: &Interpreter) -> bool {
    i.implementation == Implementation::CPython && i.version.series() >= (3, 13)
}

/// In words, each way in which two builds differ beside the GIL.
fn differences(gil: &Interpreter, free_threaded: &Interpreter) -> Vec<String> {
    let mut said = Vec::new();
    let mut compare = |what: &str, a: String, b: String| {
        if a != b {
            said.push(format!("{what}: {a} against {b}"));
        }
    };
    let (a, b) = (&gil.build, &free_threaded.build);
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "not known".to_owned());
    compare("version", gil.version.to_string(), free_threaded.version.to_string());
    compare("compiler", text(&a.compiler), text(&b.compiler));
    let switches = [
        ("PGO", a.pgo, b.pgo),
        ("LTO", a.lto, b.lto),
        ("debug build", a.debug, b.debug),
        ("libpython shared", a.shared, b.shared),
    ];
    for (what, a, b) in switches {
        compare(what, yes_no(a).to_owned(), yes_no(b).to_owned());
    }
    // A JIT that is missing in the free-threaded build is the state of CPython, and not of how this
    // one was built; but it is a difference measured all the same. One that cannot be asked is
    // older than the JIT.
    if a.jit == Some(true) || b.jit == Some(true) {
        compare("JIT", yes_no(a.jit).to_owned(), yes_no(b.jit).to_owned());
    }
    if let (Some(a), Some(b)) = (&a.cflags, &b.cflags) {
        compare_flags(a, b, &mut said);
    }
    said
}

fn yes_no(value: Option<bool>) -> &'static str {
    match value {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not known",
    }
}

/// Only the flags that the other lacks: two lists of thirty flags side by side show nobody
/// anything. Folders say where it was built, and not how.
fn compare_flags(a: &str, b: &str, said: &mut Vec<String>) {
    let lacking = |these: &str, those: &str| -> Vec<String> {
        let mut flags: Vec<String> = Vec::new();
        for flag in these.split_whitespace() {
            let folder = flag.contains('/') || flag.contains("-prefix-map=");
            if !folder
                && !those.split_whitespace().any(|other| other == flag)
                && !flags.iter().any(|f| f == flag)
            {
                flags.push(flag.to_owned());
            }
        }
        flags
    };
    let (only_a, only_b) = (lacking(a, b), lacking(b, a));
    if !only_a.is_empty() || !only_b.is_empty() {
        let words =
            |flags: Vec<String>| if flags.is_empty() { "none".to_owned() } else { flags.join(" ") };
        said.push(format!("compiler flags: {} against {}", words(only_a), words(only_b)));
    }
}
