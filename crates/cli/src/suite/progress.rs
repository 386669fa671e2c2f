//! Progress on standard error while a suite runs: a line a point, with the time left; on a terminal
//! a bar below.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use ungil_experiment::runner;
use ungil_format::duration;
use ungil_suite::drive::SuiteEvent;
use ungil_suite::summary::what;

/// Shows what a suite does.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    left: String,
}

impl Progress {
    /// Nothing if `quiet`; lines alone if standard error is no terminal.
    pub(crate) fn new(quiet: bool) -> Progress {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(1);
            if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos} of {len}  {msg}") {
                bar.set_style(style);
            }
            // Drawn only when something happens: no thread of its own disturbs the measurement.
            bar.disable_steady_tick();
            bar
        });
        Progress { bar, quiet, left: String::new() }
    }

    /// Takes in an event.
    pub(crate) fn show(&mut self, event: &SuiteEvent<'_>) {
        match event {
            SuiteEvent::Point(number, of, point, left_s) => {
                self.left = format!("about {} left", duration(*left_s));
                if let Some(bar) = &self.bar {
                    bar.set_length(*of as u64);
                    bar.set_position(*number as u64 - 1);
                    bar.set_message(format!("{}  {}", what(point), self.left));
                } else if !self.quiet {
                    eprintln!("note: {number} of {of}: {}, {}", what(point), self.left);
                }
            }
            SuiteEvent::Run(point, runner::RunnerEvent::Starting { arm, block, expected, .. }) => {
                if let Some(bar) = &self.bar {
                    let name = if *block == 0 {
                        "warm-up".into()
                    } else {
                        format!("block {block} of {expected}")
                    };
                    bar.set_message(format!("{} {} {name}  {}", what(point), arm.id, self.left));
                }
            }
            SuiteEvent::Run(..) => {}
            SuiteEvent::Ended(point, _, failure) => {
                if let Some(failure) = failure.filter(|_| !self.quiet) {
                    let says =
                        format!("note: {} failed: {}: {}", what(point), failure.what, failure.why);
                    match &self.bar {
                        Some(bar) => bar.println(says),
                        None => eprintln!("{says}"),
                    }
                }
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
