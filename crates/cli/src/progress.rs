//! Progress on standard error while an experiment runs: a bar on a terminal, nothing elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use ungil_experiment::runner::RunnerEvent;
use ungil_format::{duration, percent};

/// Shows what an experiment does.
pub(crate) struct Progress {
    bar: ProgressBar,
    arms: u64,
    time_limit_s: f64,
}

impl Progress {
    /// A bar for an experiment of `arms` arms; hidden if `quiet` or if standard error is no
    /// terminal.
    pub(crate) fn new(arms: usize, time_limit_s: f64, quiet: bool) -> Progress {
        let bar = if quiet || !std::io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            let bar = ProgressBar::new(1);
            // A template that does not parse is a defect of this line alone; the default bar serves
            // too.
            if let Ok(style) =
                ProgressStyle::with_template("{bar:24} {elapsed} of about {eta_precise}  {msg}")
            {
                bar.set_style(style);
            }
            // The bar draws only when something happens: no thread of its own disturbs the
            // measurement.
            bar.disable_steady_tick();
            bar
        };
        Progress { bar, arms: arms as u64, time_limit_s }
    }

    /// Takes in an event.
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
