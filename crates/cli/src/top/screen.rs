//! The loop around the screen: views and keys in, frames out.

use super::app::{Action, App, ProcessList, Screen};
use super::terminal::{Terminal, TerminalEvent};
use super::{attach, draw, export, processes};
use crate::args::Top;
use crate::failure::Edge;
use std::process::ExitCode;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use ungil_profile::live::{LiveMonitor, MonitorOptions, NextView};

/// How long a frame may be late.
const TICK: Duration = Duration::from_millis(50);
/// Ended by a signal, as a shell would have it (128 + SIGTERM is not told apart: nothing was lost).
const INTERRUPTED: u8 = 130;

/// Shows the screen until the user has seen enough.
pub(super) fn run(args: &Top, options: MonitorOptions, colour: bool) -> Result<ExitCode, Edge> {
    let mut app = App::new(args, colour);
    // Before the terminal is taken: what is wrong with the process is said in plain lines.
    let mut live = args.pid.map(|pid| watch(pid, options)).transpose()?;
    let mut list: Option<Receiver<ProcessList>> = match args.pid {
        None => Some(processes::search_in_background().map_err(no_thread)?),
        Some(_) => None,
    };
    let mut terminal = Terminal::take().map_err(|e| {
        Edge::failed("cannot use this terminal", e, "use --once or --json, which need none")
    })?;
    let mut code = ExitCode::SUCCESS;
    loop {
        let news = take(&mut app, live.as_ref(), list.as_ref());
        if news {
            let mut page = 1;
            let drawn = terminal.screen.draw(|frame| page = draw::draw(frame, &app));
            app.page = page;
            if drawn.is_err() {
                // The terminal went away.
                break;
            }
        }
        let action = match terminal.wait(TICK) {
            TerminalEvent::Key(key) => app.key(key),
            TerminalEvent::Suspend => Action::Suspend,
            TerminalEvent::End => {
                code = ExitCode::from(INTERRUPTED);
                break;
            }
            TerminalEvent::Redraw => Action::None,
            TerminalEvent::Nothing => continue,
        };
        app.stale = true;
        match action {
            Action::None => {}
            Action::Quit => break,
            Action::Suspend => {
                if terminal.suspend().is_err() {
                    break;
                }
            }
            Action::Span(span) => live.iter().for_each(|live| live.show(span)),
            Action::Export(path) => app.message = Some(export::export(&app, &path)),
            Action::List => {
                live = None;
                app.go(Screen::ProcessList);
                if list.is_none() {
                    list = processes::search_in_background().ok();
                }
            }
            Action::Open(pid) => match watch(pid, options) {
                Ok(found) => {
                    (live, list) = (Some(found), None);
                    app.go(Screen::Process(pid));
                }
                Err(edge) => app.message = Some(edge.in_one_line()),
            },
        }
    }
    drop(terminal);
    Ok(code)
}

/// Takes in what has come; whether a frame is due.
fn take(app: &mut App, live: Option<&LiveMonitor>, list: Option<&Receiver<ProcessList>>) -> bool {
    if let Some(live) = live {
        while let NextView::View(view) = live.next(Duration::ZERO) {
            app.take(*view);
            app.stale = true;
        }
    }
    if let Some(list) = list {
        while let Ok(processes) = list.try_recv() {
            app.take_hosts(processes);
            app.stale = true;
        }
    }
    std::mem::take(&mut app.stale)
}

fn watch(pid: u32, options: MonitorOptions) -> Result<LiveMonitor, Edge> {
    LiveMonitor::start(attach(pid)?, options).map_err(no_thread)
}

fn no_thread(error: std::io::Error) -> Edge {
    Edge::failed(
        "cannot start a thread",
        error,
        "end some processes, or raise the limit on threads (ulimit -u)",
    )
}
