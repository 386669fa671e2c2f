//! The main loop: views and keys in, frames out.

use super::app::{Action, App, ProcessList, Screen};
use super::terminal::{Terminal, TerminalEvent};
use super::{attach, draw, export, processes};
use crate::args::Top;
use crate::error::CliError;
use std::process::ExitCode;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use ungil_profile::live::{LiveMonitor, MonitorOptions, NextView};

/// Maximum delay of a frame.
const TICK: Duration = Duration::from_millis(50);
/// Exit code after a signal, as in shells (SIGTERM and SIGINT are not distinguished: nothing was
/// lost).
const INTERRUPTED: u8 = 130;

/// Shows the screen until the user quits.
pub(super) fn run(args: &Top, options: MonitorOptions, colour: bool) -> Result<ExitCode, CliError> {
    let mut app = App::new(args, colour);
    // Before the terminal is taken over, so that errors are printed as plain lines.
    let mut live = args.pid.map(|pid| monitor(pid, options)).transpose()?;
    let mut list: Option<Receiver<ProcessList>> = match args.pid {
        None => Some(processes::search_in_background().map_err(no_thread_error)?),
        Some(_) => None,
    };
    let mut terminal = Terminal::take_over().map_err(|e| {
        CliError::failed(
            "cannot use this terminal",
            e,
            "use --once or --json, which need no terminal",
        )
    })?;
    let mut code = ExitCode::SUCCESS;
    loop {
        let news = receive(&mut app, live.as_ref(), list.as_ref());
        if news {
            let mut page = 1;
            let drawn = terminal.screen.draw(|frame| page = draw::draw(frame, &app));
            app.page = page;
            if drawn.is_err() {
                // The terminal has disappeared.
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
            Action::Open(pid) => match monitor(pid, options) {
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

/// Receives new views and lists; returns whether a frame is due.
fn receive(
    app: &mut App,
    live: Option<&LiveMonitor>,
    list: Option<&Receiver<ProcessList>>,
) -> bool {
    if let Some(live) = live {
        while let NextView::View(view) = live.next(Duration::ZERO) {
            app.take(*view);
            app.stale = true;
        }
    }
    if let Some(list) = list {
        while let Ok(processes) = list.try_recv() {
            app.set_processes(processes);
            app.stale = true;
        }
    }
    std::mem::take(&mut app.stale)
}

fn monitor(pid: u32, options: MonitorOptions) -> Result<LiveMonitor, CliError> {
    LiveMonitor::start(attach(pid)?, options).map_err(no_thread_error)
}

fn no_thread_error(error: std::io::Error) -> CliError {
    CliError::failed(
        "cannot start a thread",
        error,
        "end some processes, or raise the limit on threads (ulimit -u)",
    )
}
