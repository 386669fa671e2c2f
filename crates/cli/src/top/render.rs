//! Renders a view as plain text, for `--once` and for an exported `.txt`.

use super::app::{ProcessList, ProcessRow};
use super::format;
use crate::clean::clean;
use std::fmt::Write;
use ungil_profile::live::View;

/// Maximum width of a thread's name.
const MAX_NAME: usize = 40;
/// Maximum number of rows of each table.
const MAX_ROWS: usize = 20;

/// Renders a view. `threads` are the threads to show, in order.
pub(crate) fn view(view: &View, threads: &[&ungil_profile::live::ThreadView]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, view, threads);
    text
}

fn write(
    text: &mut String,
    view: &View,
    threads: &[&ungil_profile::live::ThreadView],
) -> std::fmt::Result {
    writeln!(text, "{}  {}", view.process.pid, clean(&view.process.command))?;
    for line in [
        format::process(&view.process),
        format::spending(view),
        format::pauses(view),
        format::cost(view),
    ] {
        writeln!(text, "{line}")?;
    }
    for note in &view.notes {
        writeln!(text, "note: {}", clean(note))?;
    }
    if let Some(why) = &view.ended {
        writeln!(text, "ended: {}", clean(why))?;
    }
    let names: Vec<String> = threads
        .iter()
        .map(|thread| format::short(&format::thread_name(thread), MAX_NAME))
        .collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(16);
    writeln!(
        text,
        "\n{:<width$} {:>8} {:>6} {:<8} {:>6} {:>6}  DOING",
        "THREAD", "TID", "CPU %", "STATE", "LOCK %", "GIL %"
    )?;
    for (thread, name) in threads.iter().zip(names) {
        writeln!(
            text,
            "{name:<width$} {:>8} {:>6} {:<8} {:>6} {:>6}  {}",
            thread.tid,
            format::cores(thread.cores),
            thread.state.name(),
            format::cell(thread.shares.lock),
            format::cell(thread.shares.gil),
            format::doing(thread)
        )?;
    }
    if !view.lines.is_empty() {
        writeln!(
            text,
            "\n{:>6} {:>6} {:>6} {:>6}  LINE (average number of threads there, in %)",
            "RUN", "LOCK", "GIL", "ALL"
        )?;
    }
    for line in view.lines.iter().take(MAX_ROWS) {
        let running = line.threads.running + line.threads.native;
        let of = [running, line.threads.lock, line.threads.gil, line.total].map(format::cell);
        let [running, lock, gil, all] = of;
        writeln!(
            text,
            "{running:>6} {lock:>6} {gil:>6} {all:>6}  {}",
            format::place(&line.code_line)
        )?;
    }
    if !view.objects.is_empty() {
        writeln!(text, "\n{:>6} {:>6} {:>4}  OBJECT WAITED FOR", "WAIT %", "OF ALL", "NOW")?;
    }
    for object in view.objects.iter().take(MAX_ROWS) {
        let by = object
            .held_by
            .as_ref()
            .map(|by| format!(", held by {}", clean(by)))
            .unwrap_or_default();
        let at = object
            .at
            .as_ref()
            .map(|at| format!(", waited for at {}", format::place(at)))
            .unwrap_or_default();
        writeln!(
            text,
            "{:>6} {:>6} {:>4}  {}{by}{at}",
            format::cell(object.waiting),
            format::cell(object.share),
            object.waiters,
            format::object(object)
        )?;
    }
    Ok(())
}

/// Renders the list of Pythons.
pub(crate) fn processes(processes: &ProcessList, rows: &[&ProcessRow]) -> String {
    let mut text = format!(
        "{:>8} {:<9} {:>7} {:>9} {:>7}  COMMAND\n",
        "PID", "VERSION", "CPU %", "RSS", "THREADS"
    );
    for host in rows {
        let version = format!("{}{}", host.version, if host.free_threaded { "t" } else { "" });
        let _ = writeln!(
            text,
            "{:>8} {version:<9} {:>7} {:>9} {:>7}  {}",
            host.pid,
            format::cores(host.cores),
            ungil_format::bytes(host.rss_bytes),
            host.threads,
            clean(&host.command)
        );
    }
    if let Some(refused) = &processes.refused {
        let _ = writeln!(text, "note: {}", clean(refused));
    }
    text
}
