//! What the keys do, and what the letters mean.

use super::super::app::App;
use super::super::format::letter;
use super::of_state;
use ratatui::text::{Line, Span};
use ungil_remote::ThreadState;

const KEYS: &[(&str, &str)] = &[
    ("1 2 3 4, tab", "threads, lines, objects, pauses"),
    ("up down, pgup pgdn, home end", "move"),
    ("enter", "the selected thread's stack; in the list: watch that process"),
    ("s S r", "sort by the next column, by the previous one; reverse"),
    ("/", "show only rows that contain a text; esc shows all again"),
    ("p", "pause: the view stays, looking goes on"),
    ("t", "shares of the last seconds, or of the whole time"),
    ("e", "write the view to a file: .json, or .txt as shown"),
    ("b", "back to the list of Pythons"),
    ("ctrl-z, q", "suspend, quit"),
];

const STATES: &[(ThreadState, &str)] = &[
    (ThreadState::Running, "runs Python code"),
    (ThreadState::Native, "runs C code that let the interpreter go"),
    (ThreadState::Lock, "waits for a lock somebody holds"),
    (ThreadState::Gil, "waits for the GIL"),
    (ThreadState::Suspended, "suspended by a stop-the-world pause"),
    (ThreadState::Event, "waits for something to happen"),
    (ThreadState::Syscall, "sleeps in a system call"),
    (ThreadState::Ending, "its interpreter is shutting down"),
];

pub(super) fn lines(app: &App) -> Vec<Line<'static>> {
    let keys = KEYS.iter().map(|(key, what)| Line::raw(format!("  {key:<30}{what}")));
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
        "  CPU is the kernel's count; states are shares of looks, ~ marks what is only sampled.",
    ));
    lines.push(Line::raw("  Any key goes back."));
    lines
}
