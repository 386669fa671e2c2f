//! A terminal for a program under test: a pseudo-terminal with an emulator that keeps the contents
//! of the screen.

use pty_process::blocking::{Command, Pty, open};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use ungil_tests::{Ungil, eventually};

/// A program in a terminal.
pub(crate) struct Terminal {
    child: Child,
    pty: Option<Arc<Pty>>,
    /// Whether the reader continues.
    watched: Arc<AtomicBool>,
    output: Receiver<Vec<u8>>,
    parser: vt100::Parser,
}

impl Terminal {
    /// Starts `ungil` in a terminal of this size.
    pub(crate) fn start(ungil: Ungil, rows: u16, columns: u16) -> Terminal {
        let (pty, pts) = open().expect("a pseudo-terminal");
        pty.resize(pty_process::Size::new(rows, columns)).expect("resized");
        let mut command = ungil.command();
        command.env("TERM", "xterm-256color");
        let command = Command::from(command);
        let child = command.spawn(pts).expect("ungil starts");
        let pty = Arc::new(pty);
        let watched = Arc::new(AtomicBool::new(true));
        let (sender, output) = channel();
        let (reader, wanted) = (Arc::clone(&pty), Arc::clone(&watched));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = (&*reader).read(&mut buffer) {
                // The emulator only draws. A program that clears the screen asks for the cursor
                // position, so it is answered here.
                if buffer[..n].windows(4).any(|bytes| bytes == b"\x1b[6n") {
                    let _ = (&*reader).write_all(b"\x1b[1;1R");
                }
                if !wanted.load(Ordering::Relaxed) || sender.send(buffer[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        let parser = vt100::Parser::new(non_zero(rows), non_zero(columns), 0);
        Terminal { child, pty: Some(pty), watched, output, parser }
    }

    /// Processes the output written so far.
    pub(crate) fn read(&mut self) {
        while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(20)) {
            self.parser.process(&bytes);
        }
    }

    /// Returns the text on the screen.
    pub(crate) fn text(&self) -> String {
        self.parser.screen().contents()
    }

    /// Returns whether the alternate screen is active.
    pub(crate) fn alternate(&self) -> bool {
        self.parser.screen().alternate_screen()
    }

    /// Returns whether any cell on the screen has a colour.
    pub(crate) fn coloured(&self) -> bool {
        let screen = self.parser.screen();
        let (rows, columns) = (screen.size().0.get(), screen.size().1.get());
        let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        cells.filter_map(|(row, column)| screen.cell(row, column)).any(|cell| {
            cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default
        })
    }

    /// Waits until all texts are on the screen.
    #[track_caller]
    pub(crate) fn until(&mut self, texts: &[&str]) {
        eventually(&format!("{texts:?} on the screen"), || {
            self.read();
            let screen = self.text();
            let there = texts.iter().all(|text| screen.contains(text));
            if let (false, Ok(Some(status))) = (there, self.child.try_wait()) {
                panic!("it ended ({status}) without {texts:?}:\n{screen}");
            }
            there
        });
    }

    /// Waits until the text is no longer on the screen.
    #[track_caller]
    pub(crate) fn gone(&mut self, text: &str) {
        eventually(&format!("{text:?} off the screen"), || {
            self.read();
            !self.text().contains(text)
        });
    }

    /// Types keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.pty().write_all(keys.as_bytes()).expect("typed");
        // An escape key is distinguished from an escape sequence by the pause after it.
        if keys == "\x1b" {
            self.read();
        }
    }

    /// Resizes the terminal.
    pub(crate) fn resize(&mut self, rows: u16, columns: u16) {
        self.parser.set_size(non_zero(rows), non_zero(columns));
        self.pty().resize(pty_process::Size::new(rows, columns)).expect("resized");
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let done = std::process::Command::new("kill").arg(format!("-{name}")).arg(pid).status();
        assert!(done.is_ok_and(|status| status.success()), "kill -{name}");
    }

    /// Waits until the program is stopped by job control.
    #[track_caller]
    pub(crate) fn until_stopped(&mut self) {
        let stat = format!("/proc/{}/stat", self.child.id());
        eventually("it is stopped", || {
            self.read();
            let stat = std::fs::read_to_string(&stat).unwrap_or_default();
            stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
        });
    }

    /// Waits until the texts are on the screen, closes the terminal, and waits for the program to
    /// end.
    #[track_caller]
    pub(crate) fn hang_up(mut self, texts: &[&str]) -> Option<i32> {
        self.until(texts);
        self.watched.store(false, Ordering::Relaxed);
        // The next output wakes the reader, which drops its handle; this drops the other one.
        self.pty = None;
        let mut code = None;
        eventually("the end of the program", || {
            code = self.child.try_wait().expect("a child of this process");
            code.is_some()
        });
        code.and_then(|status| status.code())
    }

    fn pty(&self) -> &Pty {
        self.pty.as_deref().expect("the terminal is open")
    }

    /// Waits for the program to end. Fails unless it restored the terminal: the main screen and a
    /// visible cursor.
    #[track_caller]
    pub(crate) fn end(mut self) -> i32 {
        let mut code = None;
        eventually("the end of the program", || {
            self.read();
            code = self.child.try_wait().expect("a child of this process");
            code.is_some()
        });
        self.read();
        assert!(!self.alternate(), "the alternate screen is still active");
        assert!(!self.parser.screen().hide_cursor(), "the cursor is still hidden");
        code.and_then(|status| status.code()).expect("an exit code")
    }
}

fn non_zero(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).expect("more than none")
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
