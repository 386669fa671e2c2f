//! Colours for terminals, unless `NO_COLOR` is set.

use crate::width::text_width;
use std::fmt::Display;
use std::io::IsTerminal;
use ungil_format::truncate;

/// The text styles, and the width of a line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    coloured: bool,
    width: Option<usize>,
}

impl Style {
    /// Uses colour if standard output is a terminal and `NO_COLOR` is not set.
    pub(crate) fn of_stdout() -> Style {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Style { coloured: std::io::stdout().is_terminal() && !refused, width: text_width() }
    }

    /// Cuts a line of source that is indented by `indent`.
    pub(crate) fn source(self, source: &str, indent: usize) -> String {
        truncate(source, self.width.map(|width| width.saturating_sub(indent)))
    }

    fn wrap(self, code: &str, text: impl Display) -> String {
        if self.coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    /// A heading.
    pub(crate) fn bold(self, text: impl Display) -> String {
        self.wrap("1", text)
    }

    /// Secondary information.
    pub(crate) fn dim(self, text: impl Display) -> String {
        self.wrap("2", text)
    }

    /// A wait.
    pub(crate) fn wait(self, text: impl Display) -> String {
        self.wrap("33", text)
    }

    /// A held lock.
    pub(crate) fn hold(self, text: impl Display) -> String {
        self.wrap("36", text)
    }

    /// An error or a deadlock.
    pub(crate) fn wrong(self, text: impl Display) -> String {
        self.wrap("1;31", text)
    }
}
