//! `ungil top`: monitors a live Python in the terminal, or prints views for scripts.

mod app;
mod draw;
mod export;
mod format;
mod processes;
mod render;
mod rows;
#[cfg(test)]
mod sample;
mod screen;
mod terminal;

use crate::args::Top;
use crate::error::{CliError, print};
use crate::sanitize;
use crate::width::table_width;
use app::App;
use rows::Row;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;
use ungil_profile::live::{LiveMonitor, MonitorOptions, NextView, ThreadView, View};
use ungil_remote::Python;

/// Runs the command.
pub(crate) fn run(args: &Top) -> Result<ExitCode, CliError> {
    let options = MonitorOptions {
        rate_hz: args.rate.into(),
        interval_s: args.interval,
        span_s: args.span.max(args.interval),
    };
    let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    match (args.once || args.json || args.views.is_some(), args.pid) {
        (true, Some(pid)) => print_views(args, pid, options),
        (true, None) => list(args),
        (false, _) if is_terminal => screen::run(args, options, colour),
        (false, _) => Err(CliError::usage(
            "top needs a terminal",
            "standard input or output is not a terminal",
            "use ungil top PID --once, or --json, to print a single view",
        )),
    }
}

fn attach(pid: u32) -> Result<Python, CliError> {
    Python::attach(pid).map_err(CliError::from)
}

/// Prints views without a terminal.
fn print_views(args: &Top, pid: u32, options: MonitorOptions) -> Result<ExitCode, CliError> {
    let no_thread =
        |e| CliError::failed("cannot start a thread", e, "end some processes, or raise ulimit -u");
    let app = App::new(args, false);
    let stop = crate::signals::stop()?;
    let live = LiveMonitor::start(attach(pid)?, options).map_err(no_thread)?;
    let mut left = args.views.unwrap_or(1);
    let mut seen = false;
    while left > 0 {
        if stop.wait(0.0) {
            return Ok(ExitCode::from(130));
        }
        let view = match live.next(Duration::from_millis(50)) {
            NextView::View(view) => view,
            NextView::Nothing => continue,
            NextView::Over => break,
        };
        let ended = view.ended.clone();
        show(args, &app, &view)?;
        seen |= !view.threads.is_empty();
        left -= 1;
        if let Some(why) = ended.filter(|_| left > 0) {
            eprintln!("ungil: {}", sanitize::sanitize(&why));
            break;
        }
    }
    if seen {
        return Ok(ExitCode::SUCCESS);
    }
    Err(CliError::failed(
        format!("process {pid} has no threads to show"),
        "it has ended, or its interpreter is starting or ending",
        "try again; ungil dump shows the cause",
    ))
}

fn show(args: &Top, app: &App, view: &View) -> Result<(), CliError> {
    if args.json {
        return print(&(json(view)? + "\n"));
    }
    let mut rows: Vec<Row<'_>> = view.threads.iter().map(Row::Thread).collect();
    rows::filter(&mut rows, &args.filter);
    rows::sort(&mut rows, app.sort());
    print(&(render::view(view, &threads_of(&rows), table_width(false)) + "\n"))
}

/// Lists the Pythons of this machine, once.
fn list(args: &Top) -> Result<ExitCode, CliError> {
    let mut finder = processes::ProcessFinder::default();
    finder.find();
    // CPU use is the difference between two searches.
    std::thread::sleep(Duration::from_secs_f64(args.interval.min(5.0)));
    let found = finder.find();
    let none = || {
        CliError::failed(
            "no CPython 3.13 or later was found",
            found.refused.as_deref().unwrap_or("no visible process runs one"),
            "run ungil dump PID to see why a certain process is not one",
        )
    };
    if args.json {
        print(&(json(&found)? + "\n"))?;
        return if found.pythons.is_empty() { Err(none()) } else { Ok(ExitCode::SUCCESS) };
    }
    if found.pythons.is_empty() {
        return Err(none());
    }
    let mut rows: Vec<Row<'_>> = found.pythons.iter().map(Row::Process).collect();
    rows::filter(&mut rows, &args.filter);
    rows::sort(&mut rows, "cpu");
    let rows: Vec<_> = rows
        .into_iter()
        .filter_map(|row| if let Row::Process(host) = row { Some(host) } else { None })
        .collect();
    print(&render::processes(&found, &rows, table_width(false)))?;
    Ok(ExitCode::SUCCESS)
}

fn json(value: &impl serde::Serialize) -> Result<String, CliError> {
    let text = serde_json::to_string(value).map_err(|e| {
        CliError::failed("cannot write the view as JSON", e, "report this as a bug")
    })?;
    Ok(sanitize::sanitize_json(&text).into_owned())
}

fn threads_of<'a>(rows: &[Row<'a>]) -> Vec<&'a ThreadView> {
    rows.iter()
        .filter_map(|row| if let Row::Thread(thread) = row { Some(*thread) } else { None })
        .collect()
}
