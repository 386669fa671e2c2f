//! Takes the terminal over and restores it: at the end, in a panic, at a signal, and while
//! suspended.
//!
//! ratatui's own hook restores it in a panic. Signals only set flags, which the main loop reads.

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEvent};
use rustix::event::{PollFd, PollFlags, Timespec};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::flag;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Timeout for reading available input. With zero crossterm does not read.
const READ_TIMEOUT: Duration = Duration::from_millis(1);

/// The terminal while it is taken over.
pub(super) struct Terminal {
    pub(super) screen: DefaultTerminal,
    ended: Arc<AtomicBool>,
    suspended: Arc<AtomicBool>,
    resumed: Arc<AtomicBool>,
    resized: Arc<AtomicBool>,
    /// Keys that were read but not handled yet.
    typed: VecDeque<KeyEvent>,
}

/// An event of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TerminalEvent {
    /// A key.
    Key(KeyEvent),
    /// The size changed, or the screen was overwritten.
    Redraw,
    /// Suspended from outside (`kill -TSTP`).
    Suspend,
    /// A termination signal, or the terminal has disappeared.
    End,
    /// No event within the timeout.
    Nothing,
}

impl Terminal {
    /// Takes the terminal over.
    pub(super) fn take_over() -> io::Result<Terminal> {
        let [ended, suspended, resumed, resized] =
            [(); 4].map(|()| Arc::new(AtomicBool::new(false)));
        for signal in [SIGTERM, SIGHUP, SIGINT] {
            flag::register(signal, Arc::clone(&ended))?;
        }
        flag::register(SIGTSTP, Arc::clone(&suspended))?;
        flag::register(SIGCONT, Arc::clone(&resumed))?;
        flag::register(SIGWINCH, Arc::clone(&resized))?;
        let screen = ratatui::try_init()?;
        Ok(Terminal { screen, ended, suspended, resumed, resized, typed: VecDeque::new() })
    }

    /// Waits for an event, at most for `timeout`.
    pub(super) fn wait(&mut self, timeout: Duration) -> TerminalEvent {
        if self.ended.load(Ordering::Relaxed) {
            return TerminalEvent::End;
        }
        if self.suspended.swap(false, Ordering::Relaxed) {
            return TerminalEvent::Suspend;
        }
        if self.resumed.swap(false, Ordering::Relaxed) {
            // Stopped by a signal that cannot be caught: the shell has used the terminal meanwhile.
            return if self.take_over_again().is_ok() {
                TerminalEvent::Redraw
            } else {
                TerminalEvent::End
            };
        }
        if self.resized.swap(false, Ordering::Relaxed) {
            return TerminalEvent::Redraw;
        }
        if self.typed.is_empty() && self.read(timeout).is_err() {
            return TerminalEvent::End;
        }
        self.typed.pop_front().map_or(TerminalEvent::Nothing, TerminalEvent::Key)
    }

    /// Reads the available keys, waiting at most for `timeout`. Polls the terminal first: crossterm
    /// reads one that has disappeared for ever.
    fn read(&mut self, timeout: Duration) -> io::Result<()> {
        let stdin = io::stdin();
        let mut there = [PollFd::new(&stdin, PollFlags::IN)];
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        match rustix::event::poll(&mut there, Some(&timeout)) {
            // A signal arrived; its handler has set a flag.
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        if there[0].revents() != PollFlags::IN {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while event::poll(READ_TIMEOUT)? {
            if let Event::Key(key) = event::read()? {
                self.typed.push_back(key);
            }
        }
        Ok(())
    }

    /// Restores the terminal, stops as a job until the shell continues it, and takes the terminal
    /// over again.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        ratatui::try_restore()?;
        signal_hook::low_level::emulate_default_handler(SIGTSTP)?;
        self.suspended.store(false, Ordering::Relaxed);
        self.resumed.store(false, Ordering::Relaxed);
        self.take_over_again()
    }

    fn take_over_again(&mut self) -> io::Result<()> {
        ratatui::crossterm::terminal::enable_raw_mode()?;
        ratatui::crossterm::execute!(
            io::stdout(),
            ratatui::crossterm::terminal::EnterAlternateScreen
        )?;
        self.screen.clear()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The terminal may have disappeared; there is nobody to report to.
        let _ = ratatui::try_restore();
    }
}
