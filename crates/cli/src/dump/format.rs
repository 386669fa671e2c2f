//! Formats the parts of a dump. Text from the target is sanitized here.

use crate::args::Target;
use crate::error::CliError;
use crate::sanitize::sanitize;
use ungil_format::{counted, duration};
use ungil_remote::locks::Confidence;
use ungil_remote::snapshot::{
    CoreView, EdgeView, FrameView, HoldView, HolderView, StrandedView, ThreadView, WaitView,
};
use ungil_remote::{AttachError, ThreadState, WaitTarget};

/// Describes what a thread is doing.
pub(super) fn state(thread: &ThreadView) -> String {
    if let Some(interpreter) = thread.entered {
        return format!("in interpreter {interpreter}");
    }
    match (thread.state, &thread.waits, &thread.system_call) {
        (ThreadState::Lock | ThreadState::Event, Some(wait), _) => wait.kind.activity().into(),
        (ThreadState::Syscall, _, Some(call)) => format!("in the system call {}", sanitize(call)),
        (ThreadState::Syscall, _, None) => "in a system call".into(),
        (state, ..) => state.description().into(),
    }
}

/// Formats how a process died: `killed by SIGSEGV at 0x0 in thread "worker-1" (24094)`.
pub(crate) fn death(core: &CoreView, name: Option<&str>) -> String {
    let Some(killed) = &core.killed else {
        return "written by a process that was not killed".into();
    };
    let at = killed.address.as_deref().map(|address| format!(" at {address}")).unwrap_or_default();
    let thread = match name {
        Some(name) => format!("\"{}\" ({})", sanitize(name), killed.thread),
        None => killed.thread.to_string(),
    };
    let sender =
        killed.sender.map(|sender| format!(", sent by process {sender}")).unwrap_or_default();
    format!("killed by {}{at} in thread {thread}{sender}", killed.signal_name)
}

/// Formats an object: `a threading.Lock "L1"`, `the mutex of a dict "cache"`, `the GIL`.
pub(super) fn object(target: &WaitTarget, name: Option<&str>) -> String {
    match (target, name) {
        (WaitTarget::ImportLock, Some(name)) => {
            format!("the import lock of module {}", sanitize(name))
        }
        (_, Some(name)) => format!("{} \"{}\"", sanitize(&target.description()), sanitize(name)),
        (_, None) => sanitize(&target.description()).into_owned(),
    }
}

/// Formats a wait: `waiting 3.2 s for <0x..> (a threading.Lock "L1"), held by "worker-3"`.
pub(super) fn wait(wait: &WaitView) -> String {
    let since = wait.seconds.map(|since| format!(" {}", duration(since))).unwrap_or_default();
    let mut text = format!(
        "waiting{since} for <{}> ({})",
        wait.lock,
        object(&wait.kind, wait.name.as_deref())
    );
    if wait.timed {
        text += &wait.left_s.map_or_else(
            || ", with a timeout".into(),
            |left| format!(", timeout in {}", duration(left)),
        );
    }
    let verb = wait.kind.held_by();
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
    match &holder.task {
        Some(task) => {
            format!(
                "task \"{}\" of \"{}\" across an await",
                sanitize(&task.name),
                sanitize(&holder.name)
            )
        }
        None => format!("\"{}\"{}", sanitize(&holder.name), how(holder.confidence)),
    }
}

/// Says how the holder is known, unless the lock stores its owner.
fn how(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Owner => "",
        Confidence::CriticalSection => " (in a critical section)",
        Confidence::With => " (inside a with)",
        Confidence::Unknown => " (uncertain)",
    }
}

/// Formats a held lock: `holds <0x..> (a threading.RLock "R1", 2 deep)`.
pub(super) fn hold(hold: &HoldView) -> String {
    let deep = if hold.depth > 1 { format!(", {} deep", hold.depth) } else { String::new() };
    format!("holds <{}> ({}{deep})", hold.lock, object(&hold.kind, hold.name.as_deref()))
}

/// Formats a frame: `at Queue.get (/usr/lib/python3.14/queue.py:202)`.
pub(super) fn frame(frame: &FrameView) -> String {
    let line = frame.line.map(|line| format!(":{line}")).unwrap_or_default();
    format!("at {} ({}{line})", sanitize(&frame.function), sanitize(&frame.file))
}

/// Formats one wait of a deadlock.
pub(super) fn edge(edge: &EdgeView) -> String {
    let task = edge
        .task
        .as_ref()
        .map(|task| format!("task \"{}\" of ", sanitize(&task.name)))
        .unwrap_or_default();
    format!(
        "\"{}\" ({}) waits for <{}> ({}), which {task}\"{}\" ({}) {}",
        sanitize(&edge.thread),
        edge.native_id,
        edge.waits_for,
        object(&edge.kind, edge.name.as_deref()),
        sanitize(&edge.holder),
        edge.held_by,
        match (&edge.kind, edge.confidence) {
            _ if edge.task.is_some() => "holds across an await",
            (WaitTarget::ThreadEnd, _) => "is",
            (WaitTarget::Future, _) => "works on",
            (_, Confidence::With) => "holds (inside a with)",
            _ => "holds",
        }
    )
}

/// Formats a wait that no thread can end.
pub(super) fn stranded(of: &StrandedView) -> String {
    let waits = format!(
        "\"{}\" ({}) waits for <{}> ({}), ",
        sanitize(&of.thread),
        of.native_id,
        of.waits_for,
        object(&of.kind, of.name.as_deref())
    );
    let holder =
        of.holder.as_ref().map(|name| format!(" by \"{}\"", sanitize(name))).unwrap_or_default();
    match of.forked_from {
        Some(parent) => {
            format!(
                "{waits}held{holder} when this process was forked from {parent}: no thread here can release it"
            )
        }
        None => {
            format!("{waits}and is the only thread of the process: no other thread can release it")
        }
    }
}

/// Formats what `--all` found and what it left out.
pub(super) fn all(found: usize, refused: &[(Target, AttachError)]) -> String {
    let mut text = format!("{} found among the readable processes.\n", counted(found, "Python"));
    if let Some(first) = first(refused) {
        text += &format!("Skipped: {}. The first: {first}\n", counted(refused.len(), "process"));
    }
    text
}

/// The error when `--all` finds nothing.
pub(super) fn none(refused: &[(Target, AttachError)]) -> CliError {
    let what = "no CPython 3.13 or later was found";
    match first(refused) {
        None => CliError::failed(
            what,
            "no visible process runs one",
            "run ungil dump PID to see why a certain process is not one",
        ),
        Some(first) => CliError::failed(
            what,
            format!(
                "no readable process runs one; skipped: {}, the first: {first}",
                counted(refused.len(), "process")
            ),
            "run ungil as the user of the process, or as root",
        ),
    }
}

/// Returns the reason why the first of the skipped processes was skipped.
fn first(refused: &[(Target, AttachError)]) -> Option<String> {
    Some(match &refused.first()?.1 {
        AttachError::Denied { why, help, .. } => {
            format!("{}; try: {}", sanitize(why), sanitize(help))
        }
        other => sanitize(&other.to_string()).into_owned(),
    })
}
