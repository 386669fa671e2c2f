//! The rows of a page: which there are, filtering, and sorting.

use super::app::{App, ProcessRow, Screen, Tab};
use super::format;
use std::cmp::Ordering;
use ungil_profile::live::{LineView, ObjectView, ThreadView};
use ungil_remote::gc::Generation;

/// A row of a page.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Row<'a> {
    Process(&'a ProcessRow),
    Thread(&'a ThreadView),
    Line(&'a LineView),
    Object(&'a ObjectView),
    Generation(usize, &'a Generation),
}

/// Returns every row of the current page.
pub(crate) fn of(app: &App) -> Vec<Row<'_>> {
    if app.screen == Screen::ProcessList {
        return app
            .processes
            .iter()
            .flat_map(|processes| &processes.pythons)
            .map(Row::Process)
            .collect();
    }
    let Some(view) = &app.view else { return Vec::new() };
    match app.tab {
        Tab::Threads => view.threads.iter().map(Row::Thread).collect(),
        Tab::Lines => view.lines.iter().map(Row::Line).collect(),
        Tab::Objects => view.objects.iter().map(Row::Object).collect(),
        Tab::Pauses => view
            .collector
            .generations
            .iter()
            .enumerate()
            .map(|(index, of)| Row::Generation(index, of))
            .collect(),
    }
}

/// Keeps the rows that contain `text`, ignoring case.
pub(crate) fn filter(rows: &mut Vec<Row<'_>>, text: &str) {
    let wanted = text.to_lowercase();
    if !wanted.is_empty() {
        rows.retain(|row| haystack(row).to_lowercase().contains(&wanted));
    }
}

/// Returns the searchable text of a row.
fn haystack(row: &Row<'_>) -> String {
    match row {
        Row::Process(host) => format!("{} {} {}", host.pid, host.version, host.command),
        Row::Thread(thread) => format!(
            "{} {} {} {}",
            format::thread_name(thread),
            thread.tid,
            thread.state.name(),
            format::doing(thread)
        ),
        Row::Line(line) => format::place(&line.code_line),
        Row::Object(object) => {
            format!(
                "{} {} {}",
                object.object,
                format::object(object),
                object.held_by.as_deref().unwrap_or("")
            )
        }
        Row::Generation(index, _) => index.to_string(),
    }
}

/// Sorts rows by one of the page's keys. The sort is stable.
pub(crate) fn sort(rows: &mut [Row<'_>], key: &str) {
    rows.sort_by(|a, b| compare(a, b, key));
}

/// Orders larger values first, unknown ones last.
fn descending(a: Option<f64>, b: Option<f64>) -> Ordering {
    b.unwrap_or(-1.0).total_cmp(&a.unwrap_or(-1.0))
}

fn compare(a: &Row<'_>, b: &Row<'_>, key: &str) -> Ordering {
    match (a, b) {
        (Row::Process(a), Row::Process(b)) => match key {
            "memory" => b.rss_bytes.cmp(&a.rss_bytes),
            "pid" => a.pid.cmp(&b.pid),
            "command" => a.command.cmp(&b.command),
            _ => descending(a.cores, b.cores),
        },
        (Row::Thread(a), Row::Thread(b)) => match key {
            "lock" => descending(Some(a.shares.lock), Some(b.shares.lock)),
            "gil" => descending(Some(a.shares.gil), Some(b.shares.gil)),
            "wait" => {
                let since = |thread: &ThreadView| {
                    thread.wait.as_ref().map(|wait| wait.since_s.unwrap_or(0.0))
                };
                descending(since(a), since(b))
            }
            "state" => a.state.index().cmp(&b.state.index()),
            "name" => format::thread_name(a).cmp(&format::thread_name(b)),
            "tid" => a.tid.cmp(&b.tid),
            _ => descending(a.cores, b.cores),
        },
        (Row::Line(a), Row::Line(b)) => match key {
            "lock" => descending(Some(a.threads.lock), Some(b.threads.lock)),
            "gil" => descending(Some(a.threads.gil), Some(b.threads.gil)),
            "all" => descending(Some(a.total), Some(b.total)),
            "place" => {
                (&a.code_line.file, a.code_line.line).cmp(&(&b.code_line.file, b.code_line.line))
            }
            _ => descending(
                Some(a.threads.running + a.threads.native),
                Some(b.threads.running + b.threads.native),
            ),
        },
        (Row::Object(a), Row::Object(b)) => match key {
            "waiters" => b.waiters.cmp(&a.waiters),
            "kind" => a.kind.to_string().cmp(&b.kind.to_string()),
            _ => descending(Some(a.waiting), Some(b.waiting)),
        },
        _ => Ordering::Equal,
    }
}
