//! Pairs GIL builds with their free-threaded twins and lists their other differences.
//!
//! Comparing two builds shows the effect of the GIL only if nothing else differs. Compiler and
//! optimisation can matter as much as the GIL, so the twin with the fewest differences is chosen
//! and the remaining differences are reported.

use crate::find::find;
use crate::resolve::names;
use crate::{Error, Implementation, Interpreter, Pair, Search};
use std::cmp::Reverse;

/// Returns every GIL build with its best twin: newest series first, and within a series the pair
/// with the fewest differences first.
///
/// Virtual environments are not paired, because their installed packages differ; nor is a debug
/// build with a release build.
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

/// Returns the sort key of a pair.
fn rank(pair: &Pair) -> impl Ord + use<> {
    let version = &pair.gil.version;
    (Reverse(version.series()), pair.differences.len(), Reverse(version.clone()), pair.gil.origin)
}

/// Returns the counterpart of an interpreter: the free-threaded build of a GIL build, or vice
/// versa. It is always of the same series; preferred are the same version, the fewest differences,
/// the same origin, and the newest.
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
            let differing = differences(of, i).len();
            (
                i.version != of.version,
                differing,
                i.origin != of.origin,
                Reverse(i.version.clone()),
                i.origin,
            )
        })
}

/// Returns the pair to compare by default: the newest GIL build that has a twin, releases before
/// pre-releases.
pub fn default_pair(search: &Search) -> Result<Pair, Error> {
    let found = find(search);
    let mut pairs = pairs(&found);
    pairs.sort_by_key(|pair| {
        let release = pair.gil.version.is_final() && pair.free_threaded.version.is_final();
        // The sort is stable: equal keys keep the order of `pairs`.
        (!release, pair.gil.build.debug == Some(true))
    });
    pairs
        .into_iter()
        .next()
        .ok_or_else(|| Error::NoPair { have: names(&found), install: missing(&found) })
}

/// Returns what to install to get a pair: the twin of the newest interpreter that can have one, or
/// both builds.
fn missing(found: &[Interpreter]) -> Vec<String> {
    let half = found
        .iter()
        .filter(|i| may_pair(i) && i.venv.is_none() && i.version.is_final())
        .find_map(|i| {
            let (major, minor) = i.version.series();
            let other = format!("{major}.{minor}{}", if i.free_threaded { "" } else { "t" });
            crate::assemble::has_recipe(&other).then_some(other)
        });
    match half {
        Some(half) => vec![half],
        None => vec!["3.14".to_owned(), "3.14t".to_owned()],
    }
}

/// Returns whether an interpreter can have a twin: free-threaded builds exist for CPython from
/// 3.13.
fn may_pair(i: &Interpreter) -> bool {
    i.implementation == Implementation::CPython && i.version.series() >= (3, 13)
}

/// Describes each difference between two builds other than the GIL.
fn differences(gil: &Interpreter, free_threaded: &Interpreter) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, a: String, b: String| {
        if a != b {
            found.push(format!("{what}: {a} against {b}"));
        }
    };
    let (a, b) = (&gil.build, &free_threaded.build);
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
    compare("version", gil.version.to_string(), free_threaded.version.to_string());
    compare("compiler", text(&a.compiler), text(&b.compiler));
    let switches = [
        ("PGO", a.pgo, b.pgo),
        ("LTO", a.lto, b.lto),
        ("debug build", a.debug, b.debug),
        ("shared libpython", a.shared, b.shared),
    ];
    for (what, a, b) in switches {
        compare(what, yes_no(a).to_owned(), yes_no(b).to_owned());
    }
    // CPython has no JIT in free-threaded builds yet; it still makes a measured difference. `None`
    // is a version older than the JIT.
    if a.jit == Some(true) || b.jit == Some(true) {
        compare("JIT", yes_no(a.jit).to_owned(), yes_no(b.jit).to_owned());
    }
    if let (Some(a), Some(b)) = (&a.cflags, &b.cflags) {
        compare_flags(a, b, &mut found);
    }
    found
}

fn yes_no(value: Option<bool>) -> &'static str {
    match value {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    }
}

/// Describes the compiler flags that only one of two builds has. Flags with folders are left out:
/// they depend on where it was built.
fn compare_flags(a: &str, b: &str, found: &mut Vec<String>) {
    let only_in = |these: &str, those: &str| -> Vec<String> {
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
    let (only_a, only_b) = (only_in(a, b), only_in(b, a));
    if !only_a.is_empty() || !only_b.is_empty() {
        let list =
            |flags: Vec<String>| if flags.is_empty() { "none".to_owned() } else { flags.join(" ") };
        found.push(format!("compiler flags: {} against {}", list(only_a), list(only_b)));
    }
}
