//! The runner's side of the phase protocol: two FIFOs in a directory named by `$UNGIL_PHASE`.
//!
//! The workload writes a line to `up` and, for `start` and `end`, waits for three bytes on `down`;
//! the runner reads its counters in between. FIFOs are used instead of inherited descriptors or a
//! socket because they reach any descendant, whatever descriptors it closed, and Python can use
//! them with only `os` imported. The lines are untrusted: a line that is not understood is reported
//! and otherwise ignored.
//!
//! ```text
//! start PID VOLUNTARY INVOLUNTARY CHILDREN_RSS_KIB GIL
//! end   PID VOLUNTARY INVOLUNTARY CHILDREN_RSS_KIB GIL STARTED_NS ENDED_NS
//! metric PID NAME VALUE
//! ```

use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Source of the module that workloads import.
pub const MODULE: &str = include_str!("../py/ungil_phase.py");

/// Maximum length of a line; the rest of a longer one is discarded.
const MAX_LINE: usize = 1024;

/// What a process reports about itself at a mark. A field is `None` if its Python does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Process id.
    pub pid: i32,
    /// Voluntary and involuntary context switches of the process (including ended threads) and of
    /// the children it waited for.
    pub switches: Option<(u64, u64)>,
    /// `ru_maxrss` of the children it waited for, in bytes: the largest resident set of any of
    /// them, or the value one inherited at its start.
    pub children_rss: Option<u64>,
    /// Whether the GIL is on.
    pub gil: Option<bool>,
}

/// A line from the workload.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// A phase is about to begin.
    Start(Mark),
    /// A phase has ended; its start and end in nanoseconds of `CLOCK_MONOTONIC`.
    End(Mark, u64, u64),
    /// A metric of the workload: name and value.
    Metric(String, f64),
    /// A line that was not understood.
    Unknown(String),
}

/// One run's pair of FIFOs.
#[derive(Debug)]
pub struct Channel {
    dir: PathBuf,
    up: File,
    down: File,
    line: Vec<u8>,
}

impl Channel {
    /// Creates the directory `dir` and the FIFOs in it.
    ///
    /// # Errors
    /// If the directory or the FIFOs cannot be created.
    pub fn create(dir: &Path) -> io::Result<Channel> {
        std::fs::create_dir(dir)?;
        let open = |name: &str| -> io::Result<File> {
            let path = dir.join(name);
            mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
            // Opened for reading and writing, so that it is not an error if the workload has not
            // opened its end yet or has ended.
            let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
            OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)
        };
        Ok(Channel { dir: dir.into(), up: open("up")?, down: open("down")?, line: Vec::new() })
    }

    /// Returns the directory, which is the value of `$UNGIL_PHASE`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the FIFO that becomes readable when the workload has written.
    pub fn up(&self) -> &File {
        &self.up
    }

    /// Reads the complete lines that have arrived.
    pub fn messages(&mut self) -> Vec<Message> {
        let mut buffer = [0; 4096];
        let mut found = Vec::new();
        while let Ok(n) = self.up.read(&mut buffer) {
            for &byte in &buffer[..n] {
                if byte == b'\n' {
                    found.push(parse(&String::from_utf8_lossy(&self.line)));
                    self.line.clear();
                } else if self.line.len() < MAX_LINE {
                    self.line.push(byte);
                }
            }
            if n < buffer.len() || found.len() > 1000 {
                break;
            }
        }
        found
    }

    /// Lets the waiting workload continue.
    ///
    /// # Errors
    /// If the FIFO cannot be written.
    pub fn send_go(&mut self) -> io::Result<()> {
        self.down.write_all(b"go\n")
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn parse(line: &str) -> Message {
    parse_known(line).unwrap_or_else(|| Message::Unknown(line.chars().take(80).collect()))
}

fn parse_known(line: &str) -> Option<Message> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let number = |i: usize| words.get(i).and_then(|w: &&str| w.parse::<u64>().ok());
    if let ["metric", _, name, value] = words[..] {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let value: f64 = value.parse().ok().filter(|v: &f64| v.is_finite())?;
        let named = !name.is_empty() && name.len() <= 64 && name.chars().all(plain);
        return named.then(|| Message::Metric(name.into(), value));
    }
    let mark = Mark {
        pid: words.get(1)?.parse().ok().filter(|&pid| pid > 0)?,
        switches: number(2).zip(number(3)),
        children_rss: number(4).and_then(|kib| kib.checked_mul(1024)),
        gil: number(5).map(|on| on != 0),
    };
    match (words[0], words.len()) {
        ("start", 6) => Some(Message::Start(mark)),
        ("end", 8) => {
            let (from, to) = (number(6)?, number(7)?);
            (from <= to).then_some(Message::End(mark, from, to))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_marks_and_metrics() {
        let mark =
            Mark { pid: 7, switches: Some((1, 2)), children_rss: Some(3 << 10), gil: Some(false) };
        assert_eq!(parse("start 7 1 2 3 0"), Message::Start(mark));
        assert_eq!(parse("end 7 1 2 3 0 10 20"), Message::End(mark, 10, 20));
        let bare = Mark { pid: 7, switches: None, children_rss: None, gil: None };
        assert_eq!(parse("start 7 - - - -"), Message::Start(bare));
        assert_eq!(parse("metric 7 rows 1.5"), Message::Metric("rows".into(), 1.5));
    }

    #[test]
    fn malformed_lines_are_unknown() {
        for line in [
            "",
            "start",
            "start -1 0 0 0 0",
            "end 7 1 2 3 0 20 10",
            "metric 7 a/b 1",
            "metric 7 a nan",
            "start 7 1 2",
        ] {
            assert!(matches!(parse(line), Message::Unknown(_)), "{line}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(line in ".*") {
            let _ = parse(&line);
        }
    }

    #[test]
    fn channel_carries_lines_and_answers() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut channel = Channel::create(&dir.path().join("run")).expect("a channel");
        let mut up = OpenOptions::new().write(true).open(channel.dir().join("up")).expect("up");
        let mut down =
            OpenOptions::new().read(true).open(channel.dir().join("down")).expect("down");
        up.write_all(b"start 7 - - - -\nend 7 - - -").expect("written");
        assert_eq!(channel.messages().len(), 1);
        up.write_all(b" - 1 2\n").expect("written");
        assert!(matches!(channel.messages()[..], [Message::End(_, 1, 2)]));
        channel.send_go().expect("answered");
        let mut three = [0; 3];
        down.read_exact(&mut three).expect("three bytes");
        assert_eq!(&three, b"go\n");
    }
}
