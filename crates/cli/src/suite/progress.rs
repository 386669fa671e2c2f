//! Progress of a suite on standard error: a bar on a terminal, otherwise one line per point with
//! the remaining time.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use ungil_experiment::runner;
use ungil_format::duration;
use ungil_suite::drive::SuiteEvent;
use ungil_suite::summary::what;

/// Shows the progress of a suite.
pub(crate) struct SuiteProgress {
    bar: Option<ProgressBar>,
    quiet: bool,
    left: String,
}

impl SuiteProgress {
    /// Returns the progress display: nothing if `quiet`, lines if standard error is not a terminal.
    pub(crate) fn new(quiet: bool) -> SuiteProgress {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(1);
            if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos} of {len}  {msg}") {
                bar.set_style(style);
            }
            // No thread of the bar disturbs the measurement: it draws only on events.
            bar.disable_steady_tick();
            bar
        });
        SuiteProgress { bar, quiet, left: String::new() }
    }

    /// Updates the display.
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
                    let line =
                        format!("note: {} failed: {}: {}", what(point), failure.what, failure.why);
                    match &self.bar {
                        Some(bar) => bar.println(line),
                        None => eprintln!("{line}"),
                    }
                }
            }
        }
    }
}

impl Drop for SuiteProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
