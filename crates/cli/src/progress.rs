//! The progress bar of an experiment on standard error; hidden if that is not a terminal.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use ungil_experiment::runner::RunnerEvent;
use ungil_format::{duration, percent};

/// Shows the progress of an experiment.
pub(crate) struct Progress {
    bar: ProgressBar,
    arms: u64,
    time_limit_s: f64,
}

impl Progress {
    /// Returns a bar for an experiment of `arms` arms.
    pub(crate) fn new(arms: usize, time_limit_s: f64, quiet: bool) -> Progress {
        let bar = if quiet || !std::io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            let bar = ProgressBar::new(1);
            // The default style is used if the template does not parse.
            if let Ok(style) =
                ProgressStyle::with_template("{bar:24} {elapsed} of about {eta_precise}  {msg}")
            {
                bar.set_style(style);
            }
            // No thread of the bar disturbs the measurement: it draws only on events.
            bar.disable_steady_tick();
            bar
        };
        Progress { bar, arms: arms as u64, time_limit_s }
    }

    /// Updates the bar.
    pub(crate) fn show(&self, event: &RunnerEvent<'_>) {
        match event {
            RunnerEvent::Starting { arm, block, expected, elapsed_s } => {
                self.bar.set_length(u64::from(*expected + 1) * self.arms);
                let name = if *block == 0 {
                    "warm-up".to_string()
                } else {
                    format!("block {block} of {expected}")
                };
                let left = duration((self.time_limit_s - elapsed_s).max(0.0));
                self.bar.set_message(format!("{name}  {}  (at most {left} more)", arm.id));
            }
            RunnerEvent::Finished(_) => self.bar.inc(1),
            RunnerEvent::Block(Some(width)) => {
                self.bar.set_message(format!("widest interval ±{}", percent(*width)))
            }
            RunnerEvent::Block(None) => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
