//! The loop around the screen: views and keys in, frames out.

use super::app::{Action, App, Hosts, Screen};
use super::terminal::{Happened, Terminal};
use super::{attach, draw, export, hosts};
use crate::args::Top;
use crate::error::CliError;
use std::process::ExitCode;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use ungil_profile::live::{Live, Next, Pace};

/// How long a frame may be late.
const TICK: Duration = Duration::from_millis(50);
/// Ended by a signal, as a shell would have it (128 + SIGTERM is not told apart: nothing was lost).
const INTERRUPTED: u8 = 130;

/// Shows the screen until the user has seen enough.
pub(super) fn run(args: &Top, pace: Pace, colour: bool) -> Result<ExitCode, CliError> {
    let mut app = App::new(args, colour);
    // Before the terminal is taken: what is wrong with the process is said in plain lines.
    let mut live = args.pid.map(|pid| watch(pid, pace)).transpose()?;
    let mut list: Option<Receiver<Hosts>> = match args.pid {
        None => Some(hosts::keep_finding().map_err(no_thread)?),
        Some(_) => None,
    };
    let mut terminal = Terminal::take().map_err(|e| {
        CliError::failed("cannot use this terminal", e, "use --once or --json, which need none")
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
            Happened::Key(key) => app.key(key),
            Happened::Suspend => Action::Suspend,
            Happened::End => {
                code = ExitCode::from(INTERRUPTED);
                break;
            }
            Happened::Redraw => Action::None,
            Happened::Nothing => continue,
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
                app.go(Screen::Hosts);
                if list.is_none() {
                    list = hosts::keep_finding().ok();
                }
            }
            Action::Open(pid) => match watch(pid, pace) {
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
fn take(app: &mut App, live: Option<&Live>, list: Option<&Receiver<Hosts>>) -> bool {
    if let Some(live) = live {
        while let Next::View(view) = live.next(Duration::ZERO) {
            app.take(*view);
            app.stale = true;
        }
    }
    if let Some(list) = list {
        while let Ok(hosts) = list.try_recv() {
            app.take_hosts(hosts);
            app.stale = true;
        }
    }
    std::mem::take(&mut app.stale)
}

fn watch(pid: u32, pace: Pace) -> Result<Live, CliError> {
    Live::start(attach(pid)?, pace).map_err(no_thread)
}

fn no_thread(error: std::io::Error) -> CliError {
    CliError::failed(
        "cannot start a thread",
        error,
        "end some processes, or raise the limit on threads (ulimit -u)",
    )
}
