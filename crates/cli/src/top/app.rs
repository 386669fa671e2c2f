//! The state of the screen, and what keys do to it. Independent of the terminal and the process:
//! views and keys in, [`Action`]s out.

use super::rows::{self, Row};
use crate::args::{Sort, Top};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ungil_profile::live::{View, ViewSpan};

/// A page of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tab {
    Threads,
    Lines,
    Objects,
    Pauses,
}

impl Tab {
    pub(crate) const ALL: [Tab; 4] = [Tab::Threads, Tab::Lines, Tab::Objects, Tab::Pauses];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Tab::Threads => "threads",
            Tab::Lines => "lines",
            Tab::Objects => "objects",
            Tab::Pauses => "pauses",
        }
    }
}

/// A Python in the list.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct ProcessRow {
    pub(crate) pid: u32,
    pub(crate) version: String,
    pub(crate) free_threaded: bool,
    pub(crate) cores: Option<f64>,
    pub(crate) rss_bytes: u64,
    pub(crate) threads: usize,
    pub(crate) command: String,
}

/// The Pythons of this machine.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub(crate) struct ProcessList {
    pub(crate) pythons: Vec<ProcessRow>,
    /// The reason why some processes could not be read.
    pub(crate) refused: Option<String>,
}

/// The current screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Screen {
    /// The list of Pythons.
    ProcessList,
    /// One process.
    Process(u32),
}

/// A line that is being typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    Filter(String),
    Export(String),
}

/// A task for the main loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    None,
    Quit,
    /// Monitor this process.
    Open(u32),
    /// Back to the list.
    List,
    /// Write the view to this file.
    Export(String),
    /// Suspend this program, as a job of the shell.
    Suspend,
    /// Show the last seconds, or the whole time.
    Span(ViewSpan),
}

/// Everything that determines what is drawn.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) screen: Screen,
    pub(crate) view: Option<View>,
    pub(crate) processes: Option<ProcessList>,
    pub(crate) tab: Tab,
    /// For the list and each tab, the index of the sort key.
    pub(crate) sorts: [usize; 5],
    pub(crate) reversed: bool,
    pub(crate) filter: String,
    pub(crate) input: Option<Input>,
    pub(crate) paused: bool,
    pub(crate) help: bool,
    pub(crate) stack: bool,
    pub(crate) selected: usize,
    /// Number of rows of a page, when it was last drawn.
    pub(crate) page: usize,
    pub(crate) span: ViewSpan,
    /// A message shown at the bottom until the next key.
    pub(crate) message: Option<String>,
    pub(crate) colour: bool,
    /// Whether there is a list to go back to.
    pub(crate) listed: bool,
    /// Whether something changed since it was last drawn.
    pub(crate) stale: bool,
}

impl App {
    pub(crate) fn new(args: &Top, colour: bool) -> App {
        let thread_sort = match args.sort {
            Sort::Cpu => 0,
            Sort::Lock => 1,
            Sort::Gil => 2,
            Sort::Wait => 3,
            Sort::State => 4,
            Sort::Name => 5,
            Sort::Tid => 6,
        };
        App {
            screen: args.pid.map_or(Screen::ProcessList, Screen::Process),
            view: None,
            processes: None,
            tab: Tab::Threads,
            sorts: [0, thread_sort, 0, 0, 0],
            reversed: false,
            filter: args.filter.clone(),
            input: None,
            paused: false,
            help: false,
            stack: false,
            selected: 0,
            page: 10,
            span: ViewSpan::Recent,
            message: None,
            colour,
            listed: args.pid.is_none(),
            stale: true,
        }
    }

    /// Returns the current page's index in `sorts`.
    fn page_index(&self) -> usize {
        match self.screen {
            Screen::ProcessList => 0,
            Screen::Process(_) => 1 + self.tab as usize,
        }
    }

    /// Returns the sort keys of the current page.
    pub(crate) fn sort_keys(&self) -> &'static [&'static str] {
        match self.screen {
            Screen::ProcessList => &["cpu", "memory", "pid", "command"],
            Screen::Process(_) => match self.tab {
                Tab::Threads => &["cpu", "lock", "gil", "wait", "state", "name", "tid"],
                Tab::Lines => &["running", "lock", "gil", "all", "place"],
                Tab::Objects => &["waiting", "waiters", "kind"],
                Tab::Pauses => &["generation"],
            },
        }
    }

    /// Returns the current sort key.
    pub(crate) fn sort(&self) -> &'static str {
        self.sort_keys().get(self.sorts[self.page_index()]).copied().unwrap_or("")
    }

    /// Returns the rows of the current page, filtered and sorted.
    pub(crate) fn rows(&self) -> Vec<Row<'_>> {
        let mut found = rows::of(self);
        rows::filter(&mut found, &self.filter);
        rows::sort(&mut found, self.sort());
        if self.reversed {
            found.reverse();
        }
        found
    }

    /// Sets the current view, unless paused. The last view of a target is always shown.
    pub(crate) fn take(&mut self, view: View) {
        if view.ended.is_some() {
            // The end is more important than an earlier message in the same line.
            self.message = None;
        }
        if !self.paused || view.ended.is_some() {
            self.view = Some(view);
        }
    }

    /// Sets the list of Pythons, unless paused.
    pub(crate) fn set_processes(&mut self, processes: ProcessList) {
        if !self.paused {
            self.processes = Some(processes);
        }
    }

    /// Switches to another process, or to the list.
    pub(crate) fn go(&mut self, screen: Screen) {
        self.screen = screen;
        (self.view, self.selected, self.paused, self.stack) = (None, 0, false, false);
        self.filter.clear();
    }

    /// Handles a key.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Action {
        if key.kind == KeyEventKind::Release {
            return Action::None;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Action::Quit,
            KeyCode::Char('z') if control => return Action::Suspend,
            _ => {}
        }
        self.message = None;
        if self.input.is_some() {
            return self.typed(key.code);
        }
        if self.help {
            self.help = false;
            return Action::None;
        }
        self.command(key.code)
    }

    fn command(&mut self, code: KeyCode) -> Action {
        let last = self.rows().len().saturating_sub(1);
        let keys = self.sort_keys().len();
        let page = self.page_index();
        match code {
            KeyCode::Char('q') => return Action::Quit,
            KeyCode::Esc if self.stack => self.stack = false,
            KeyCode::Esc if !self.filter.is_empty() => self.filter.clear(),
            KeyCode::Esc if self.listed && self.screen != Screen::ProcessList => {
                return Action::List;
            }
            KeyCode::Char('b') if self.listed && self.screen != Screen::ProcessList => {
                return Action::List;
            }
            KeyCode::Char('h' | '?') | KeyCode::F(1) => self.help = true,
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Char('s') => self.sorts[page] = (self.sorts[page] + 1) % keys,
            KeyCode::Char('S') => self.sorts[page] = (self.sorts[page] + keys - 1) % keys,
            KeyCode::Char('r') => self.reversed = !self.reversed,
            KeyCode::Char('/') => self.input = Some(Input::Filter(self.filter.clone())),
            KeyCode::Char('e') => match self.screen {
                Screen::Process(pid) if self.view.is_some() => {
                    self.input = Some(Input::Export(format!("ungil-top-{pid}.json")));
                }
                _ => self.message = Some("there is no view to export yet".into()),
            },
            KeyCode::Char('t') => {
                self.span =
                    if self.span == ViewSpan::Recent { ViewSpan::Whole } else { ViewSpan::Recent };
                return Action::Span(self.span);
            }
            KeyCode::Char(digit @ '1'..='4') => self.show_tab(digit as usize - '1' as usize),
            KeyCode::Tab | KeyCode::Right => self.show_tab((self.tab as usize + 1) % 4),
            KeyCode::BackTab | KeyCode::Left => self.show_tab((self.tab as usize + 3) % 4),
            KeyCode::Up | KeyCode::Char('k') => self.selected = self.selected.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.selected = (self.selected + 1).min(last),
            KeyCode::PageUp => self.selected = self.selected.saturating_sub(self.page),
            KeyCode::PageDown => self.selected = (self.selected + self.page).min(last),
            KeyCode::Home => self.selected = 0,
            KeyCode::End => self.selected = last,
            KeyCode::Enter => return self.enter(),
            _ => {}
        }
        Action::None
    }

    fn show_tab(&mut self, to: usize) {
        if self.screen != Screen::ProcessList {
            self.tab = Tab::ALL[to % 4];
            (self.selected, self.stack) = (0, false);
        }
    }

    fn enter(&mut self) -> Action {
        let rows = self.rows();
        match rows.get(self.selected.min(rows.len().saturating_sub(1))) {
            Some(Row::Process(host)) => Action::Open(host.pid),
            Some(Row::Thread(_)) => {
                self.stack = !self.stack;
                Action::None
            }
            _ => Action::None,
        }
    }

    /// Handles a key while a line is typed.
    fn typed(&mut self, code: KeyCode) -> Action {
        let Some(input) = &mut self.input else { return Action::None };
        let (Input::Filter(text) | Input::Export(text)) = input;
        match code {
            KeyCode::Char(letter) => text.push(letter),
            KeyCode::Backspace => drop(text.pop()),
            KeyCode::Esc => self.input = None,
            KeyCode::Enter => match self.input.take() {
                Some(Input::Filter(text)) => (self.filter, self.selected) = (text, 0),
                Some(Input::Export(path)) if !path.trim().is_empty() => {
                    return Action::Export(path);
                }
                _ => {}
            },
            _ => {}
        }
        Action::None
    }
}

#[cfg(test)]
mod tests;
