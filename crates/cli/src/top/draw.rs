//! Draws the screen from an [`App`] alone.
//!
//! The layout adapts to any size: what matters least is left out first. Colour is never the only
//! carrier of information.

mod help;
mod table;

use super::app::{App, Input, Screen, Tab};
use super::format;
use crate::sanitize::sanitize;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use ungil_format::{truncate, wrap};
use ungil_profile::live::ViewSpan;
use ungil_remote::ThreadState;

/// Maximum number of rows for a stack.
const STACK_ROWS: u16 = 12;

/// Draws everything; returns the number of rows of a page.
pub(crate) fn draw(frame: &mut Frame<'_>, app: &App) -> usize {
    let area = frame.area();
    if area.width < 20 || area.height < 4 {
        frame.render_widget(Paragraph::new("too small"), area);
        return 1;
    }
    let head = header(app, area.width);
    let head_rows = (head.len() as u16).min(area.height.saturating_sub(4));
    let stack = stack(app, area.width);
    let stack_rows =
        (stack.len() as u16).min(STACK_ROWS).min(area.height.saturating_sub(head_rows + 4) / 2);
    let [top, tabs, body, below, foot] = Layout::vertical([
        Constraint::Length(head_rows),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(stack_rows),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(head), top);
    frame.render_widget(Paragraph::new(tab_line(app)), tabs);
    if app.help {
        frame.render_widget(Paragraph::new(help::lines(app)), body);
    } else {
        table::draw(frame, app, body);
    }
    frame.render_widget(Paragraph::new(stack), below);
    footer(frame, app, foot);
    usize::from(body.height.saturating_sub(1)).max(1)
}

/// Returns the style of a state.
pub(crate) fn of_state(app: &App, state: ThreadState) -> Style {
    let colour = match state {
        ThreadState::Running => Color::Green,
        ThreadState::Native => Color::Cyan,
        ThreadState::Lock => Color::Red,
        ThreadState::Gil => Color::Magenta,
        ThreadState::Suspended => Color::Yellow,
        ThreadState::Event | ThreadState::Syscall | ThreadState::Ending => Color::DarkGray,
    };
    if app.colour { Style::new().fg(colour) } else { Style::new() }
}

fn strong() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn header(app: &App, width: u16) -> Vec<Line<'static>> {
    let title = |text: String| Line::styled(text, strong());
    let mut lines = Vec::new();
    match (app.screen, &app.view) {
        (Screen::ProcessList, _) => {
            let (count, refused) = match &app.processes {
                Some(processes) => {
                    (format!("{} found", processes.pythons.len()), processes.refused.clone())
                }
                None => ("searching…".into(), None),
            };
            lines.push(title(format!("ungil top   Pythons of this machine: {count}")));
            let why = refused.map(|why| wrap(&sanitize(&why), Some(width.into()), 2));
            lines.extend(why.iter().flat_map(|why| why.lines()).map(|l| Line::raw(l.to_owned())));
        }
        (Screen::Process(pid), None) => lines.push(title(format!("ungil top   {pid}   starting…"))),
        (Screen::Process(pid), Some(view)) => {
            let state = match (&view.ended, app.paused) {
                (Some(_), _) => "  ENDED",
                (None, true) => "  PAUSED",
                (None, false) => "",
            };
            let available = usize::from(width).saturating_sub(16 + state.len());
            let command: String =
                format::command(&view.process.command).chars().take(available).collect();
            lines.push(title(format!("ungil top   {pid}   {command}{state}")));
            lines.extend(format::header(view, width.into()).into_iter().map(Line::raw));
            let warn = if app.colour { Style::new().fg(Color::Yellow) } else { strong() };
            let notes = view.notes.iter().take(3).map(|note| format!("{}\n", sanitize(note)));
            let notes = wrap(&notes.collect::<String>(), Some(width.into()), 2);
            lines.extend(notes.lines().take(4).map(|note| Line::styled(note.to_owned(), warn)));
        }
    }
    lines
}

fn tab_line(app: &App) -> Line<'static> {
    let mut spans = Vec::new();
    if app.screen != Screen::ProcessList {
        for (index, tab) in Tab::ALL.into_iter().enumerate() {
            let style = if tab == app.tab {
                strong().add_modifier(Modifier::REVERSED)
            } else {
                Style::new()
            };
            spans.push(Span::styled(format!(" {} {} ", index + 1, tab.title()), style));
        }
        let of = match (app.span, &app.view) {
            (ViewSpan::Recent, Some(view)) => {
                format!("   last {}", ungil_format::duration(view.span_s))
            }
            (ViewSpan::Whole, Some(view)) => {
                format!("   all {}", ungil_format::duration(view.span_s))
            }
            (_, None) => String::new(),
        };
        spans.push(Span::raw(of));
    }
    let order = if app.reversed { ", reversed" } else { "" };
    spans.push(Span::raw(format!("   by {}{order}", app.sort())));
    if !app.filter.is_empty() {
        spans.push(Span::styled(format!("   with \"{}\"", sanitize(&app.filter)), strong()));
    }
    Line::from(spans)
}

/// Returns the selected thread's stack, if it is shown.
fn stack(app: &App, width: u16) -> Vec<Line<'static>> {
    if !app.stack || app.help {
        return Vec::new();
    }
    let rows = app.rows();
    let Some(super::rows::Row::Thread(thread)) =
        rows.get(app.selected.min(rows.len().saturating_sub(1)))
    else {
        return Vec::new();
    };
    let head =
        format!("{} ({}): {}", format::thread_name(thread), thread.tid, format::doing(thread));
    let cut = |text: String| truncate(&text, Some(width.into()));
    let mut lines = vec![Line::styled(cut(head), strong())];
    lines.extend(thread.stack.iter().map(|place| {
        let line = place.line.map(|line| format!(":{line}")).unwrap_or_default();
        Line::raw(cut(format!("  {} ({}{line})", sanitize(&place.function), sanitize(&place.file))))
    }));
    if usize::from(STACK_ROWS) < lines.len() {
        let left = lines.len() - usize::from(STACK_ROWS) + 1;
        lines.truncate(usize::from(STACK_ROWS) - 1);
        lines.push(Line::raw(format!("  … {left} more")));
    }
    lines
}

fn footer(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let (text, typed) = match (&app.input, &app.message, &app.view) {
        (Some(Input::Filter(text)), _, _) => (format!("filter: {}", sanitize(text)), true),
        (Some(Input::Export(text)), _, _) => {
            (format!("write to (.json or .txt): {}", sanitize(text)), true)
        }
        (None, Some(message), _) => (sanitize(message).into_owned(), false),
        (None, None, Some(view)) if view.ended.is_some() => {
            let why = view.ended.as_deref().unwrap_or_default();
            (format!("{}; this is the last view. q quits", sanitize(why)), false)
        }
        _ if app.screen == Screen::ProcessList => {
            ("enter monitor  s sort  / filter  p pause  h help  q quit".to_string(), false)
        }
        _ => (
            "enter stack  s sort  / filter  p pause  t span  e export  h help  q quit".to_string(),
            false,
        ),
    };
    if typed {
        let column = Span::raw(text.as_str()).width() as u16;
        frame.set_cursor_position((area.x + column.min(area.width.saturating_sub(1)), area.y));
    }
    frame.render_widget(Paragraph::new(truncate(&text, Some(area.width.into()))), area);
}

#[cfg(test)]
mod tests;
