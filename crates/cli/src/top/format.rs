//! Formats the parts of a view, the same on the screen, in a file and without a terminal. Text from
//! the target is sanitized here.

use crate::sanitize::sanitize;
use std::borrow::Cow;
use ungil_format::{bytes, counted, digits, duration, frequency, grouped, number, percent};
use ungil_profile::live::{
    GilView, MemoryView, ObjectView, ProcessView, ThreadView, View, WaitView,
};
use ungil_remote::frames::CodeLine;
use ungil_remote::{ThreadState, WaitTarget};
use unicode_width::UnicodeWidthStr;

/// Returns a thread's name, or its id.
pub(crate) fn thread_name(thread: &ThreadView) -> Cow<'_, str> {
    match &thread.name {
        Some(name) => sanitize(name),
        None => format!("thread {}", thread.tid).into(),
    }
}

/// Shortens a name to `max` characters by removing its middle, because threads of one pool differ
/// at the end.
pub(crate) fn short(name: &str, max: usize) -> String {
    let count = name.chars().count();
    if count <= max {
        return name.into();
    }
    let end = max / 2;
    let head: String = name.chars().take(max.saturating_sub(end + 1)).collect();
    let tail: String = name.chars().skip(count - end).collect();
    format!("{head}…{tail}")
}

/// Formats a line: `work (app.py:31)`. The whole path is in the JSON.
pub(crate) fn place(place: &CodeLine) -> String {
    let file = place.file.rsplit('/').next().unwrap_or_default();
    match place.line {
        Some(line) => format!("{} ({}:{line})", sanitize(&place.function), sanitize(file)),
        None => format!("{} ({})", sanitize(&place.function), sanitize(file)),
    }
}

/// Formats a command line without the folder of its program, which may fill the whole width:
/// `python3.15t app.py --port 80`.
pub(crate) fn command(line: &str) -> Cow<'_, str> {
    let end = line.find(' ').unwrap_or(line.len());
    let folder = line[..end].rfind('/').map_or(0, |slash| slash + 1);
    sanitize(&line[folder..])
}

/// Formats an object by its kind and name.
pub(crate) fn named(kind: &WaitTarget, name: Option<&str>) -> String {
    let what = kind.label();
    match name {
        Some(name) => format!("{} \"{}\"", sanitize(&what), sanitize(name)),
        None => sanitize(&what).into_owned(),
    }
}

/// Formats a contended object.
pub(crate) fn object(object: &ObjectView) -> String {
    named(&object.kind, object.name.as_deref())
}

/// Formats a wait: `waits 3.2 s for threading.Lock "L1", held by worker-3`.
pub(crate) fn wait(wait: &WaitView) -> String {
    let since = wait.since_s.map(|s| format!(" {}", duration(s))).unwrap_or_default();
    let what = named(&wait.kind, wait.name.as_deref());
    match &wait.held_by {
        // A thread that is waited for is not held.
        Some(by) if wait.kind == WaitTarget::ThreadEnd => {
            format!("waits{since} for {} to end", sanitize(by))
        }
        Some(by) => format!("waits{since} for {what}, held by {}", sanitize(by)),
        None => format!("waits{since} for {what}"),
    }
}

/// Describes what a thread does.
pub(crate) fn doing(thread: &ThreadView) -> String {
    let at = thread.stack.first().map(place);
    match (&thread.wait, &thread.call, at) {
        (Some(found), _, Some(at)) => format!("{} at {at}", wait(found)),
        (Some(found), _, None) => wait(found),
        (None, Some(call), Some(at)) => format!("{} in {at}", sanitize(call)),
        (None, Some(call), None) => sanitize(call).into_owned(),
        (None, None, Some(at)) => at,
        (None, None, None) => "no Python frame".into(),
    }
}

/// Formats a share as a table cell without its unit; empty if it is almax nothing.
pub(crate) fn cell(share: f64) -> String {
    if share < 0.00005 { String::new() } else { digits(share * 100.0) }
}

/// Formats cores in use as a table cell, in percent of one core; `-` if unknown.
pub(crate) fn cores(cores: Option<f64>) -> String {
    cores.map_or_else(|| "-".into(), |cores| digits(cores * 100.0))
}

/// Formats the header of a view in lines of at most `width` columns, if its parts fit.
pub(crate) fn header(view: &View, width: usize) -> Vec<String> {
    let mut lines = vec![process(&view.process)];
    lines.extend(joined(spending(view), width));
    lines.extend(joined(pauses(view), width));
    lines.push(cost(view));
    lines
}

/// Joins parts to lines of at most `width` columns.
fn joined(parts: Vec<String>, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if line.width() + 3 + part.width() <= width => {
                *line = format!("{line}   {part}");
            }
            _ => lines.push(part),
        }
    }
    lines
}

/// Formats the process.
fn process(process: &ProcessView) -> String {
    let build = if process.free_threaded { "free-threaded" } else { "GIL" };
    let gil = match (process.free_threaded, process.gil_on) {
        (true, true) => ", GIL enabled",
        (true, false) => ", GIL disabled",
        (false, _) => "",
    };
    let more = if process.interpreters > 1 {
        format!(", {}", counted(process.interpreters, "interpreter"))
    } else {
        String::new()
    };
    format!("CPython {} {build}{gil}{more}, up {}", process.version, duration(process.age_s))
}

/// Formats what the process uses: cores, threads, memory.
fn spending(view: &View) -> Vec<String> {
    let others = match view.other_threads.count {
        0 => String::new(),
        n => format!(" + {} without Python ({} %)", grouped(n), cores(view.other_threads.cores)),
    };
    let mut parts = vec![
        format!("CPU {} %", cores(view.process.cores)),
        format!("threads {}{others}", view.threads.len()),
    ];
    parts.extend(memory(&view.memory));
    parts
}

fn memory(memory: &MemoryView) -> Vec<String> {
    let peak = memory.rss_peak_bytes.map(|peak| format!(" (peak {})", bytes(peak)));
    let mut parts = vec![format!("RSS {}{}", bytes(memory.rss_bytes), peak.unwrap_or_default())];
    match (memory.pss_bytes, &memory.missing) {
        (Some(pss), _) => {
            let age = memory.shares_age_s.filter(|age| *age >= 5.0);
            let age = age.map(|age| format!(" ({} old)", duration(age))).unwrap_or_default();
            parts.push(format!("PSS {}{age}", bytes(pss)));
        }
        (None, Some(why)) => parts.push(format!("PSS - ({why})")),
        (None, None) => {}
    }
    if let Some(swap) = memory.swap_bytes.filter(|&swap| swap > 0) {
        parts.push(format!("swap {}", bytes(swap)));
    }
    parts
}

/// Formats what pauses all threads: the collector, stop-the-world pauses, the GIL.
fn pauses(view: &View) -> Vec<String> {
    let gc = &view.collector.span;
    let approximately = if gc.exact { "" } else { "~" };
    let mut text = format!(
        "GC {} in {}: {approximately}{}",
        gc.total(),
        duration(view.span_s),
        percent(share(gc.seconds, view.span_s))
    );
    if gc.longest_s > 0.0 {
        text += &format!(", longest {approximately}{}", duration(gc.longest_s));
    }
    let mut parts = vec![text];
    if view.world.possible {
        let stopped = percent(share(view.world.span.seconds, view.span_s));
        let by = view.world.requester.as_ref().filter(|_| view.world.now);
        let by = by.map(|by| format!(", now by {}", sanitize(by))).unwrap_or_default();
        parts.push(format!("stop-the-world ~{stopped}{by}"));
    }
    parts.extend(view.gil.as_ref().map(gil));
    parts
}

fn gil(gil: &GilView) -> String {
    let mut text = format!("GIL {} held", percent(gil.taken));
    if let Some(holder) = &gil.holder {
        text += &format!(" by {}", sanitize(holder));
    }
    if !gil.waiters.is_empty() {
        text += &format!(", {} waiting", gil.waiters.len());
    }
    if let Some(switches) = gil.switches_per_s {
        text += &format!(", {} switches/s", number(switches));
    }
    text
}

/// Formats the cost of monitoring.
fn cost(view: &View) -> String {
    let cost = &view.cost;
    let torn = if cost.torn > 0 { format!(", {} torn", cost.torn) } else { String::new() };
    format!(
        "{} in {} ({}), top uses {} of a core{torn}",
        counted(cost.looks, "look"),
        duration(view.span_s),
        frequency(cost.rate_hz),
        percent(cost.cores)
    )
}

/// Returns a share; 0 if the whole is 0.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { (part / whole).clamp(0.0, 1.0) } else { 0.0 }
}

/// Returns the letter of a state in a bar.
pub(crate) fn letter(state: ThreadState) -> char {
    match state {
        ThreadState::Running => 'R',
        ThreadState::Native => 'N',
        ThreadState::Lock => 'L',
        ThreadState::Gil => 'G',
        ThreadState::Suspended => 'S',
        ThreadState::Event => '.',
        ThreadState::Syscall => '_',
        ThreadState::Ending => 'E',
    }
}

/// Converts shares of time to `width` letters, by the largest remainder method.
pub(crate) fn bar(shares: &ungil_profile::live::Shares, width: usize) -> Vec<(ThreadState, usize)> {
    let exact: Vec<f64> =
        ThreadState::ALL.iter().map(|&state| shares.get(state) * width as f64).collect();
    let mut cells: Vec<usize> = exact.iter().map(|cells| cells.floor() as usize).collect();
    let whole = (exact.iter().sum::<f64>().round() as usize).min(width);
    while cells.iter().sum::<usize>() < whole {
        let rest = |index: &usize| exact[*index] - cells[*index] as f64;
        let Some(next) = (0..cells.len()).max_by(|a, b| rest(a).total_cmp(&rest(b))) else { break };
        cells[next] += 1;
    }
    ThreadState::ALL.into_iter().zip(cells).filter(|&(_, cells)| cells > 0).collect()
}
