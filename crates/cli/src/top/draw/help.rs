//! The help page: keys and thread states.

use super::super::app::App;
use super::super::format::letter;
use super::of_state;
use ratatui::text::{Line, Span};
use ungil_remote::ThreadState;

const KEYS: &[(&str, &str)] = &[
    ("1 2 3 4, tab", "threads, lines, objects, pauses"),
    ("up down, pgup pgdn, home end", "move"),
    ("enter", "stack of the selected thread; in the list: monitor it"),
    ("s S r", "sort by the next or previous column; reverse"),
    ("/", "show only rows that contain a text; esc: all"),
    ("p", "pause the display"),
    ("t", "shares of the last seconds, or the whole time"),
    ("e", "write the view to a .json or .txt file"),
    ("b", "back to the list of Pythons"),
    ("ctrl-z, q", "suspend, quit"),
];

const STATES: &[(ThreadState, &str)] = &[
    (ThreadState::Running, "runs Python code"),
    (ThreadState::Native, "runs native code outside the interpreter"),
    (ThreadState::Lock, "waits for a lock"),
    (ThreadState::Gil, "waits for the GIL"),
    (ThreadState::Suspended, "suspended by a stop-the-world pause"),
    (ThreadState::Event, "waits for an event, queue, future or thread"),
    (ThreadState::Syscall, "sleeps in a system call"),
    (ThreadState::Ending, "its interpreter is shutting down"),
];

pub(super) fn lines(app: &App) -> Vec<Line<'static>> {
    let keys = KEYS.iter().map(|(key, what)| Line::raw(format!("  {key:<29}{what}")));
    let states = STATES.iter().map(|&(state, what)| {
        Line::from(vec![
            Span::styled(format!("  {} {:<10}", letter(state), state.name()), of_state(app, state)),
            Span::raw(what),
        ])
    });
    let mut lines: Vec<Line<'static>> = keys.collect();
    lines.push(Line::raw(""));
    lines.extend(states);
    lines.push(Line::raw(""));
    lines.push(Line::raw(
        "  CPU use is from the kernel; states are sampled. ~ marks sampled times.",
    ));
    lines.push(Line::raw("  Press any key to return."));
    lines
}
