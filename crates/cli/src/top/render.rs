//! Renders a view as plain text, for `--once` and for an exported `.txt`.

use super::app::{ProcessList, ProcessRow};
use super::format;
use crate::sanitize::sanitize;
use std::fmt::Write;
use ungil_format::{Align, TextTable, wrap, wrap_beside};
use ungil_profile::live::{LineView, ObjectView, ThreadView, View};
use unicode_width::UnicodeWidthStr;

/// Maximum width of a thread's name, and in a narrow terminal.
const MAX_NAME: usize = 40;
const MAX_NARROW_NAME: usize = 24;
/// Terminals of up to this width are narrow.
const NARROW: usize = 100;
/// Maximum number of rows of each table.
const MAX_ROWS: usize = 20;

/// Renders a view in lines of at most `width` columns. `threads` are the threads to show, in order.
pub(crate) fn view(view: &View, threads: &[&ThreadView], width: Option<usize>) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, view, threads, width);
    text
}

fn write(
    text: &mut String,
    view: &View,
    threads: &[&ThreadView],
    width: Option<usize>,
) -> std::fmt::Result {
    let mut head = format!("{}  {}\n", view.process.pid, sanitize(&view.process.command));
    for line in format::header(view, width.unwrap_or(usize::MAX)) {
        writeln!(head, "{line}")?;
    }
    for note in &view.notes {
        writeln!(head, "note: {}", sanitize(note))?;
    }
    if let Some(why) = &view.ended {
        writeln!(head, "ended: {}", sanitize(why))?;
    }
    *text += &wrap(&head, width, 4);
    threads_table(text, view, threads, width)?;
    lines_table(text, view, width)?;
    objects_table(text, view, width)
}

fn threads_table(
    text: &mut String,
    view: &View,
    threads: &[&ThreadView],
    width: Option<usize>,
) -> std::fmt::Result {
    let mut table = TextTable::new();
    let column = |cell: &dyn Fn(&ThreadView) -> String| threads.iter().map(|t| cell(t)).collect();
    let is_narrow = width.is_some_and(|width| width <= NARROW);
    let max_name = if is_narrow { MAX_NARROW_NAME } else { MAX_NAME };
    let name = |thread: &ThreadView| format::short(&format::thread_name(thread), max_name);
    table.add("THREAD", Align::Left, column(&name));
    table.add("TID", Align::Right, column(&|thread| thread.tid.to_string()));
    table.add("CPU %", Align::Right, column(&|thread| format::cores(thread.cores)));
    table.add("STATE", Align::Left, column(&|thread| thread.state.name().into()));
    table.add("LOCK %", Align::Right, column(&|thread| format::cell(thread.shares.lock)));
    if view.gil.is_some() {
        table.add("GIL %", Align::Right, column(&|thread| format::cell(thread.shares.gil)));
    }
    let doing = threads.iter().map(|thread| format::doing(thread));
    write_rows(text, &table, "DOING", doing, width)
}

fn lines_table(text: &mut String, view: &View, width: Option<usize>) -> std::fmt::Result {
    let lines = &view.lines[..view.lines.len().min(MAX_ROWS)];
    if lines.is_empty() {
        return Ok(());
    }
    let mut table = TextTable::new();
    let column = |share: &dyn Fn(&LineView) -> f64| {
        lines.iter().map(|line| format::cell(share(line))).collect()
    };
    let running = |line: &LineView| line.threads.running + line.threads.native;
    table.add("RUN", Align::Right, column(&running));
    table.add("LOCK", Align::Right, column(&|line| line.threads.lock));
    table.add("GIL", Align::Right, column(&|line| line.threads.gil));
    table.add("ALL", Align::Right, column(&|line| line.total));
    let heading = "LINE (average number of threads, in %)";
    write_rows(text, &table, heading, lines.iter().map(|l| format::place(&l.code_line)), width)
}

fn objects_table(text: &mut String, view: &View, width: Option<usize>) -> std::fmt::Result {
    let objects = &view.objects[..view.objects.len().min(MAX_ROWS)];
    if objects.is_empty() {
        return Ok(());
    }
    let mut table = TextTable::new();
    let column = |cell: &dyn Fn(&ObjectView) -> String| objects.iter().map(cell).collect();
    table.add("WAIT %", Align::Right, column(&|object| format::cell(object.waiting)));
    table.add("SHARE %", Align::Right, column(&|object| format::cell(object.share)));
    table.add("NOW", Align::Right, column(&|object| object.waiters.to_string()));
    let describe = |object: &ObjectView| {
        let by = object.held_by.as_ref().map(|by| format!(", held by {}", sanitize(by)));
        let at = object.at.as_ref().map(|at| format!(", waited for at {}", format::place(at)));
        format!("{}{}{}", format::object(object), by.unwrap_or_default(), at.unwrap_or_default())
    };
    write_rows(text, &table, "OBJECT WAITED FOR", objects.iter().map(describe), width)
}

/// Writes a table whose last column is wrapped beside the others.
fn write_rows(
    text: &mut String,
    table: &TextTable,
    heading: &str,
    last: impl Iterator<Item = String>,
    width: Option<usize>,
) -> std::fmt::Result {
    let fixed = table.fit(width).text;
    let prefix = fixed.lines().map(|line| line.width()).max().unwrap_or(0) + 2;
    writeln!(text)?;
    for (row, last) in fixed.lines().zip([heading.into()].into_iter().chain(last)) {
        let padding = " ".repeat(prefix - row.width());
        writeln!(text, "{}", wrap_beside(&format!("{row}{padding}"), &last, width))?;
    }
    Ok(())
}

/// Renders the list of Pythons in lines of at most `width` columns.
pub(crate) fn processes(
    processes: &ProcessList,
    rows: &[&ProcessRow],
    width: Option<usize>,
) -> String {
    let mut table = TextTable::new();
    let column = |cell: &dyn Fn(&ProcessRow) -> String| rows.iter().map(|row| cell(row)).collect();
    let version =
        |row: &ProcessRow| format!("{}{}", row.version, if row.free_threaded { "t" } else { "" });
    table.add("PID", Align::Right, column(&|row| row.pid.to_string()));
    table.add("VERSION", Align::Left, column(&version));
    table.add("CPU %", Align::Right, column(&|row| format::cores(row.cores)));
    table.add("RSS", Align::Right, column(&|row| ungil_format::bytes(row.rss_bytes)));
    table.add("THREADS", Align::Right, column(&|row| row.threads.to_string()));
    table.add("COMMAND", Align::Left, column(&|row| format::command(&row.command).into_owned()));
    let mut text = table.fit(width).text;
    if let Some(refused) = &processes.refused {
        text += &wrap(&format!("note: {}\n", sanitize(refused)), width, 2);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::sample;
    use ungil_profile::live::GilView;

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let mut view = sample::view();
        view.gil = Some(GilView::default());
        view.threads[1].name = Some("ThreadPoolExecutor-0_12 of the request handlers".into());
        view.threads[1].stack[0].function = "Handler.process_the_next_request".into();
        view.notes.push("a note that is longer than eighty columns, ".repeat(3));
        let threads: Vec<&ThreadView> = view.threads.iter().collect();
        for width in [60, 80, 120] {
            let text = super::view(&view, &threads, Some(width));
            let widest = text.lines().map(|line| line.width()).max();
            assert!(widest <= Some(width), "{widest:?} of {width}:\n{text}");
            assert!(text.contains("ThreadPo") && text.contains("held by"), "{text}");
        }
    }

    #[test]
    fn long_commands_are_shortened() {
        let found = sample::processes();
        let rows: Vec<&ProcessRow> = found.pythons.iter().collect();
        let text = processes(&found, &rows, Some(80));
        assert!(text.lines().all(|line| line.width() <= 80), "{text}");
        assert!(text.contains("busy.py"), "{text}");
    }
}
