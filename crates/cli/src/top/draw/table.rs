//! Draws the table of a page, with as many columns as fit.

use super::super::app::{App, Screen, Tab};
use super::super::format;
use super::super::rows::Row;
use super::of_state;
use crate::sanitize::sanitize;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row as TableRow, Table, TableState};
use ungil_format::truncate;
use ungil_profile::live::Shares;
use ungil_remote::ThreadState;

/// Width of the bar of states.
const BAR: usize = 12;
/// Minimum width of a column that takes the remaining width.
const MIN_FILL: u16 = 24;
/// Width of a thread's name: enough for `ThreadPoolExecutor-0_12`.
const NAME: u16 = 24;

/// A column. A `width` of 0 takes the remaining width. Columns with a larger `drop_order` are left
/// out first; 0 is always shown.
struct Column {
    head: &'static str,
    width: u16,
    drop_order: u8,
    right: bool,
}

const fn text(head: &'static str, width: u16, drop_order: u8) -> Column {
    Column { head, width, drop_order, right: false }
}

const fn number(head: &'static str, width: u16, drop_order: u8) -> Column {
    Column { head, width, drop_order, right: true }
}

const PROCESSES: &[Column] = &[
    number("PID", 8, 0),
    text("VERSION", 9, 2),
    number("CPU %", 7, 1),
    number("RSS", 9, 3),
    number("THREADS", 8, 4),
    text("COMMAND", 0, 0),
];
const THREADS: &[Column] = &[
    text("THREAD", NAME, 0),
    number("TID", 8, 6),
    number("CPU %", 6, 1),
    text("STATE", 9, 2),
    text("TIME", BAR as u16, 3),
    number("LOCK %", 6, 4),
    number("GIL %", 6, 5),
    text("DOING", 0, 0),
];
const LINES: &[Column] = &[
    number("RUN", 6, 0),
    number("LOCK", 6, 1),
    number("GIL", 6, 2),
    number("ALL", 6, 3),
    text("LINE (average number of threads, in %)", 0, 0),
];
const OBJECTS: &[Column] = &[
    number("WAIT %", 6, 0),
    number("SHARE %", 7, 3),
    number("NOW", 5, 1),
    number("MOST", 5, 4),
    text("OBJECT", 34, 0),
    text("HELD BY", NAME, 2),
    text("WAITED FOR AT", 0, 1),
];
const PAUSES: &[Column] = &[
    number("GENERATION", 10, 0),
    number("COLLECTIONS", 11, 0),
    number("IN SPAN", 8, 1),
    number("FREED", 12, 2),
    number("NOT FREED", 10, 3),
    number("TIME", 10, 1),
    text("", 0, 0),
];

/// Draws the current page's table into `area`.
pub(super) fn draw(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let columns = match (app.screen, app.tab) {
        (Screen::ProcessList, _) => PROCESSES,
        (_, Tab::Threads) => THREADS,
        (_, Tab::Lines) => LINES,
        (_, Tab::Objects) => OBJECTS,
        (_, Tab::Pauses) => PAUSES,
    };
    let rows = app.rows();
    if rows.is_empty() {
        frame.render_widget(Paragraph::new(nothing(app)), area);
        return;
    }
    let kept = fit(columns, area.width);
    let fixed: u16 = kept.iter().map(|&index| columns[index].width + 1).sum();
    let fill = area.width.saturating_sub(fixed - 1);
    let cut = |line: Line<'static>, column: &Column| {
        let width = usize::from(if column.width == 0 { fill } else { column.width });
        if line.width() <= width { line } else { truncated(&line, width) }
    };
    let pick = |cells: Vec<Line<'static>>| -> Vec<Cell<'static>> {
        let kept =
            kept.iter().filter_map(|&index| Some((cells.get(index)?.clone(), &columns[index])));
        kept.map(|(line, column)| {
            let line = cut(line, column);
            Cell::new(if column.right { line.right_aligned() } else { line })
        })
        .collect()
    };
    let head = pick(columns.iter().map(|column| Line::raw(column.head)).collect());
    let widths = kept.iter().map(|&index| match columns[index].width {
        0 => Constraint::Fill(1),
        width => Constraint::Length(width),
    });
    // Only visible rows are built: a program may have thousands of threads.
    let page = usize::from(area.height.saturating_sub(1)).max(1);
    let selected = app.selected.min(rows.len() - 1);
    let first = (selected + 1).saturating_sub(page);
    let shown = rows.iter().skip(first).take(page).map(|row| TableRow::new(pick(cells(app, row))));
    let table = Table::new(shown, widths)
        .header(TableRow::new(head).style(Style::new().add_modifier(Modifier::BOLD)))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .column_spacing(1);
    let mut state = TableState::new().with_selected(Some(selected - first));
    frame.render_stateful_widget(table, area, &mut state);
}

/// Cuts a line, which keeps its first style.
fn truncated(line: &Line<'static>, width: usize) -> Line<'static> {
    let style = line.spans.first().map(|span| span.style).unwrap_or_default();
    Line::styled(truncate(&line.to_string(), Some(width)), style)
}

/// Returns the indexes of the columns that fit into `width`.
fn fit(columns: &[Column], width: u16) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let need = |kept: &[usize]| -> u16 {
        kept.iter()
            .map(|&index| if columns[index].width == 0 { MIN_FILL } else { columns[index].width } + 1)
            .sum()
    };
    while need(&kept) > width {
        let Some(place) = (0..kept.len()).max_by_key(|&place| columns[kept[place]].drop_order)
        else {
            break;
        };
        if columns[kept[place]].drop_order == 0 {
            break;
        }
        kept.remove(place);
    }
    kept
}

fn nothing(app: &App) -> String {
    let what = match (app.screen, app.tab) {
        _ if !app.filter.is_empty() => "no row contains the filter text",
        (Screen::ProcessList, _) if app.processes.is_none() => "searching…",
        (Screen::ProcessList, _) => "no readable Python process",
        (_, _) if app.view.is_none() => "starting…",
        (_, Tab::Threads) => "no threads",
        (_, Tab::Lines) => "no lines yet",
        (_, Tab::Objects) => "no thread has waited for a lock",
        (_, Tab::Pauses) => "the collector's counters could not be read",
    };
    format!("  {what}")
}

fn cells(app: &App, row: &Row<'_>) -> Vec<Line<'static>> {
    let plain = |text: String| Line::raw(text);
    match row {
        Row::Process(host) => vec![
            plain(host.pid.to_string()),
            plain(format!("{}{}", host.version, if host.free_threaded { "t" } else { "" })),
            plain(format::cores(host.cores)),
            plain(ungil_format::bytes(host.rss_bytes)),
            plain(host.threads.to_string()),
            plain(format::command(&host.command).into_owned()),
        ],
        Row::Thread(thread) => vec![
            plain(format::short(&format::thread_name(thread), NAME.into())),
            plain(thread.tid.to_string()),
            plain(format::cores(thread.cores)),
            Line::styled(thread.state.name(), of_state(app, thread.state)),
            bar(app, &thread.shares),
            Line::styled(format::cell(thread.shares.lock), of_state(app, ThreadState::Lock)),
            Line::styled(format::cell(thread.shares.gil), of_state(app, ThreadState::Gil)),
            plain(format::doing(thread)),
        ],
        Row::Line(line) => vec![
            plain(format::cell(line.threads.running + line.threads.native)),
            Line::styled(format::cell(line.threads.lock), of_state(app, ThreadState::Lock)),
            Line::styled(format::cell(line.threads.gil), of_state(app, ThreadState::Gil)),
            plain(format::cell(line.total)),
            plain(format::place(&line.code_line)),
        ],
        Row::Object(object) => vec![
            plain(format::cell(object.waiting)),
            plain(format::cell(object.share)),
            plain(object.waiters.to_string()),
            plain(object.most_waiters.to_string()),
            plain(format::object(object)),
            plain(
                object
                    .held_by
                    .as_deref()
                    .map_or_else(|| "-".into(), |by| sanitize(by).into_owned()),
            ),
            plain(object.at.as_ref().map(format::place).unwrap_or_default()),
        ],
        Row::Generation(index, generation) => vec![
            plain(index.to_string()),
            plain(generation.collections.to_string()),
            plain(
                app.view
                    .as_ref()
                    .map_or(0, |view| view.collector.span.count[*index % 3])
                    .to_string(),
            ),
            plain(generation.collected.to_string()),
            plain(generation.uncollectable.to_string()),
            plain(generation.duration_s.map_or_else(|| "-".into(), ungil_format::duration)),
            plain(String::new()),
        ],
    }
}

/// Formats time by state as a bar: one letter per cell, in the state's colour.
fn bar(app: &App, shares: &Shares) -> Line<'static> {
    let cells = format::bar(shares, BAR);
    let span = |(state, cells): (ThreadState, usize)| {
        Span::styled(format::letter(state).to_string().repeat(cells), of_state(app, state))
    };
    Line::from(cells.into_iter().map(span).collect::<Vec<_>>())
}
