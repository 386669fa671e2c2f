//! The terminal, taken over and given back: at the end, in a panic, at a signal, and while
//! suspended.
//!
//! ratatui's own hook gives it back in a panic. Signals are flags that the loop looks at, so
//! nothing is done in a handler that a handler may not do.

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

/// For what is there already. With no time at all crossterm does not look.
const AT_ONCE: Duration = Duration::from_millis(1);

/// The terminal while it is ours.
pub(super) struct Terminal {
    pub(super) screen: DefaultTerminal,
    ended: Arc<AtomicBool>,
    suspended: Arc<AtomicBool>,
    resumed: Arc<AtomicBool>,
    resized: Arc<AtomicBool>,
    /// Keys that were read with one that came before them.
    typed: VecDeque<KeyEvent>,
}

/// Something that happened at the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TerminalEvent {
    /// A key.
    Key(KeyEvent),
    /// Another size, or the screen was overwritten by somebody.
    Redraw,
    /// Ctrl-Z from outside (`kill -TSTP`).
    Suspend,
    /// A termination signal, or the terminal went away.
    End,
    /// Nothing for as long as was waited.
    Nothing,
}

impl Terminal {
    /// Takes the terminal over.
    pub(super) fn take() -> io::Result<Terminal> {
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

    /// Waits for something to happen, at most for `timeout`.
    pub(super) fn wait(&mut self, timeout: Duration) -> TerminalEvent {
        if self.ended.load(Ordering::Relaxed) {
            return TerminalEvent::End;
        }
        if self.suspended.swap(false, Ordering::Relaxed) {
            return TerminalEvent::Suspend;
        }
        if self.resumed.swap(false, Ordering::Relaxed) {
            // Stopped by a signal that cannot be caught: the shell has used the terminal since.
            return if self.retake().is_ok() { TerminalEvent::Redraw } else { TerminalEvent::End };
        }
        if self.resized.swap(false, Ordering::Relaxed) {
            return TerminalEvent::Redraw;
        }
        if self.typed.is_empty() && self.read(timeout).is_err() {
            return TerminalEvent::End;
        }
        self.typed.pop_front().map_or(TerminalEvent::Nothing, TerminalEvent::Key)
    }

    /// Reads the keys that are there, waiting for one at most for `timeout`. The terminal is asked
    /// first whether it is still there: crossterm reads one that is gone for ever.
    fn read(&mut self, timeout: Duration) -> io::Result<()> {
        let stdin = io::stdin();
        let mut there = [PollFd::new(&stdin, PollFlags::IN)];
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        match rustix::event::poll(&mut there, Some(&timeout)) {
            // A signal came: what it wants is in the flags.
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        if there[0].revents() != PollFlags::IN {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while event::poll(AT_ONCE)? {
            if let Event::Key(key) = event::read()? {
                self.typed.push_back(key);
            }
        }
        Ok(())
    }

    /// Gives the terminal back, stops as a job until the shell says to go on, and takes it over
    /// again.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        ratatui::try_restore()?;
        signal_hook::low_level::emulate_default_handler(SIGTSTP)?;
        self.suspended.store(false, Ordering::Relaxed);
        self.resumed.store(false, Ordering::Relaxed);
        self.retake()
    }

    fn retake(&mut self) -> io::Result<()> {
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
        // The terminal may be gone; there is nobody to tell.
        let _ = ratatui::try_restore();
    }
}
