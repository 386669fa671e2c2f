//! Colour on a terminal, where nobody has said no to it.

use std::fmt::Display;
use std::io::IsTerminal;

/// How to set words off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    coloured: bool,
}

impl Style {
    /// Colour if standard output is a terminal and `NO_COLOR` is not set.
    pub(crate) fn of_stdout() -> Style {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Style { coloured: std::io::stdout().is_terminal() && !refused }
    }

    fn wrap(self, code: &str, text: impl Display) -> String {
        if self.coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    /// A heading.
    pub(crate) fn bold(self, text: impl Display) -> String {
        self.wrap("1", text)
    }

    /// What is beside the point.
    pub(crate) fn dim(self, text: impl Display) -> String {
        self.wrap("2", text)
    }

    /// What waits.
    pub(crate) fn wait(self, text: impl Display) -> String {
        self.wrap("33", text)
    }

    /// What is held.
    pub(crate) fn hold(self, text: impl Display) -> String {
        self.wrap("36", text)
    }

    /// What is wrong.
    pub(crate) fn wrong(self, text: impl Display) -> String {
        self.wrap("1;31", text)
    }
}
