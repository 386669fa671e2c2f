//! The words of a dump. Whatever comes from the target is cleaned here.

use crate::args::Target;
use crate::clean::clean;
use crate::failure::Edge;
use ungil_format::counted;
use ungil_remote::AttachError;
use ungil_remote::locks::Confidence;
use ungil_remote::snapshot::{CoreView, EdgeView, FrameView, HoldView, HolderView, ThreadView, WaitView};

/// What a thread is doing.
pub(super) fn state(thread: &ThreadView) -> String {
    if let Some(interpreter) = thread.entered {
        return format!("in interpreter {interpreter}");
    }
    let call = thread.system_call.as_deref();
    match (thread.state, &thread.waits) {
        ("running", _) => "running".into(),
        ("lock", Some(wait)) if wait.contention => "waiting for a lock".into(),
        ("lock", Some(wait)) => match wait.kind.as_str() {
            "threading.Thread" => "waiting for a thread to end".into(),
            "concurrent.futures.Future" => "waiting for a result".into(),
            kind if kind.ends_with("Queue") => "waiting for a queue".into(),
            _ => "waiting for an event".into(),
        },
        ("gil", _) => "waiting for the GIL".into(),
        ("stopped", _) => "suspended (stop-the-world)".into(),
        ("syscall", _) => match call {
            Some(call) => format!("in the system call {}", clean(call)),
            None => "asleep in the kernel".into(),
        },
        ("native", _) => "in C code".into(),
        ("ending", _) => "ending".into(),
        (other, _) => other.into(),
    }
}

/// `killed by SIGSEGV at 0x0 in thread "worker-1" (24094)`.
pub(crate) fn death(core: &CoreView, name: Option<&str>) -> String {
    let Some(killed) = &core.killed else { return "written of a process that went on".into() };
    let at = killed.address.as_deref().map(|address| format!(" at {address}")).unwrap_or_default();
    let thread = match name {
        Some(name) => format!("\"{}\" ({})", clean(name), killed.thread),
        None => killed.thread.to_string(),
    };
    let sender = killed.sender.map(|sender| format!(", sent by process {sender}")).unwrap_or_default();
    format!("killed by {}{at} in thread {thread}{sender}", killed.signal_name)
}

/// `a threading.Lock "L1"`, `the mutex of a dict "cache"`, `the GIL`.
pub(super) fn thing(kind: &str, name: Option<&str>) -> String {
    let what = match kind {
        "GIL" => "the GIL".into(),
        "runtime:stop-the-world" => "the end of a stop-the-world pause".into(),
        "runtime:mutex" => "a mutex of the runtime".into(),
        "import lock" => "the import lock of".into(),
        "ungil" => "a structure of the package ungil".into(),
        _ => match kind.split_once(':') {
            Some(("object", kind)) => format!("the mutex of {}", article(kind)),
            Some(("inside", kind)) => format!("a lock inside {}", article(kind)),
            Some(("runtime", kind)) => clean(kind).into_owned(),
            _ => article(kind),
        },
    };
    match (name, kind) {
        (Some(name), "import lock") => format!("{what} module {}", clean(name)),
        (None, "import lock") => "an import lock".into(),
        (Some(name), _) => format!("{what} \"{}\"", clean(name)),
        (None, _) => what,
    }
}

/// `a threading.RLock`, `an import lock`.
fn article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o', 'A', 'E', 'I', 'O']);
    format!("{} {}", if vowel { "an" } else { "a" }, clean(kind))
}

/// `3.2 s`, `12 ms`, `2 h 5 min`.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 0.001 => format!("{:.1} ms", s * 1e3),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 100.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{:.0} min {:.0} s", (s / 60.0).floor(), s % 60.0),
        s => format!("{:.0} h {:.0} min", (s / 3600.0).floor(), (s % 3600.0 / 60.0).floor()),
    }
}

/// `waiting 3.2 s for <0x..> (a threading.Lock "L1"), held by "worker-3"`.
pub(super) fn wait(wait: &WaitView) -> String {
    let since = wait.seconds.map(|since| format!(" {}", seconds(since))).unwrap_or_default();
    let mut text =
        format!("waiting{since} for <{}> ({})", wait.lock, thing(&wait.kind, wait.name.as_deref()));
    if wait.timed {
        text += &wait.left_s.map_or_else(
            || ", with a timeout".into(),
            |left| format!(", for {} more at most", seconds(left)),
        );
    }
    let verb = if wait.kind == "threading.Thread" { "which is" } else { "held by" };
    match wait.holders.as_slice() {
        [] if wait.contention => text += ", holder unknown",
        [] => {}
        holders => {
            let names: Vec<String> = holders.iter().take(8).map(holder).collect();
            let more = holders.len().saturating_sub(names.len());
            text += &format!(", {verb} {}", names.join(", "));
            if more > 0 {
                text += &format!(" and {more} more");
            }
        }
    }
    text
}

fn holder(holder: &HolderView) -> String {
    format!("\"{}\"{}", clean(&holder.name), how(holder.confidence))
}

/// How it is known, where that is not the lock's own word.
fn how(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Owner => "",
        Confidence::CriticalSection => " (in a critical section)",
        Confidence::With => " (inside a with)",
        Confidence::Unknown => " (not surely)",
    }
}

/// `holds <0x..> (a threading.RLock "R1", 2 deep)`.
pub(super) fn hold(hold: &HoldView) -> String {
    let deep = if hold.depth > 1 { format!(", {} deep", hold.depth) } else { String::new() };
    format!("holds <{}> ({}{deep})", hold.lock, thing(&hold.kind, hold.name.as_deref()))
}

/// `at Queue.get (/usr/lib/python3.14/queue.py:202)`.
pub(super) fn frame(frame: &FrameView) -> String {
    let line = frame.line.map(|line| format!(":{line}")).unwrap_or_default();
    format!("at {} ({}{line})", clean(&frame.function), clean(&frame.file))
}

/// One wait of a deadlock.
pub(super) fn edge(edge: &EdgeView) -> String {
    format!(
        "\"{}\" ({}) waits for <{}> ({}), which \"{}\" ({}) {}",
        clean(&edge.thread),
        edge.native_id,
        edge.waits_for,
        thing(&edge.kind, edge.name.as_deref()),
        clean(&edge.holder),
        edge.held_by,
        match (edge.kind.as_str(), edge.confidence) {
            ("threading.Thread", _) => "is",
            ("concurrent.futures.Future", _) => "works on",
            (_, Confidence::With) => "holds (inside a with)",
            _ => "holds",
        }
    )
}

/// Formats what `--all` found and what it left out.
pub(super) fn all(found: usize, refused: &[(Target, AttachError)]) -> String {
    let mut text =
        format!("{} found among the processes that may be looked into.\n", counted(found, "Python"));
    if let Some(first) = first(refused) {
        text += &format!("Left out: {}. The first: {first}\n", counted(refused.len(), "process"));
    }
    text
}

/// Nothing was found by `--all`.
pub(super) fn none(refused: &[(Target, AttachError)]) -> Edge {
    let what = "no Python of 3.13 or later was found";
    match first(refused) {
        None => Edge::failed(
            what,
            "no process that can be seen from here is one",
            "ungil dump PID says why a process is none",
        ),
        Some(first) => Edge::failed(
            what,
            format!(
                "none is among the processes that may be looked into; left out: {}, the first: {first}",
                counted(refused.len(), "process")
            ),
            "run it as the user of the process that you look for, or as root",
        ),
    }
}

/// Returns the reason why the first of the skipped processes was skipped.
fn first(refused: &[(Target, AttachError)]) -> Option<String> {
    Some(match &refused.first()?.1 {
        AttachError::Denied { why, mend, .. } => format!("{}; try: {}", clean(why), clean(mend)),
        other => clean(&other.to_string()).into_owned(),
    })
}
