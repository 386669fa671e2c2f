//! Reads a recording block by block, up to its end or to where it stops making sense.

use super::Error;
use super::state::State;
use crate::model::Sample;
use crate::profile::Profile;
use crate::wire::*;
use flate2::{Crc, Decompress, FlushDecompress, Status};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// What a file may define whatever its size, in bytes of its text.
const FREE_TEXT: u64 = 4 << 20;
/// And for each byte of the file: deflate makes up to a thousand of one, and text that defines
/// never shrinks so far.
const TEXT_PER_BYTE: u64 = 64;

pub(super) struct Replay {
    pub(super) profile: Profile,
    pub(super) cut: Option<String>,
    pub(super) timed: bool,
}

/// Why the reading ended where it did.
enum End {
    Io(io::Error),
    Cut(String),
}

pub(super) fn read(
    mut from: impl Read,
    path: &Path,
    mut each: impl FnMut(&Sample),
) -> Result<Replay, Error> {
    let path = || path.display().to_string();
    let io_error = |source| Error::Io { path: path(), source };
    let mut magic = [0; MAGIC.len()];
    match from.read_exact(&mut magic) {
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => {
            return Err(Error::Foreign { path: path() });
        }
        other => other.map_err(io_error)?,
    }
    let [name @ .., version] = magic;
    if name != MAGIC[..7] {
        return Err(Error::Foreign { path: path() });
    }
    if !(1..=MAGIC[7]).contains(&version) {
        return Err(Error::Version { path: path(), version });
    }
    let mut reader = Reader {
        from,
        body: Vec::new(),
        text: Vec::new(),
        inflate: Decompress::new(false),
        blocks: 0,
        bytes: 0,
        state: State::default(),
    };
    let cut = loop {
        match reader.block(&mut each) {
            Ok(true) => {}
            Ok(false) if reader.state.ended() => break None,
            Ok(false) => {
                break Some(
                    "it was not ended: the profiler was killed, or the disk was full".into(),
                );
            }
            Err(End::Cut(why)) => break Some(format!("block {}: {why}", reader.blocks)),
            Err(End::Io(e)) => return Err(io_error(e)),
        }
    };
    let timed = reader.state.timed();
    match reader.state.finish(cut.as_deref()) {
        None => Err(Error::Empty { path: path(), why: cut.unwrap_or_default() }),
        Some(profile) => Ok(Replay { profile, cut, timed }),
    }
}

/// A reading that is under way: blocks of a file, until they end or make no sense.
struct Reader<R> {
    from: R,
    body: Vec<u8>,
    text: Vec<u8>,
    inflate: Decompress,
    blocks: u64,
    bytes: u64,
    state: State,
}

impl<R: Read> Reader<R> {
    /// Reads one block and does what it says; false at the end of the file.
    fn block(&mut self, each: &mut impl FnMut(&Sample)) -> Result<bool, End> {
        let mut head = [0; 12];
        match fill(&mut self.from, &mut head)? {
            0 => return Ok(false),
            12 => self.blocks += 1,
            _ => return Err(End::Cut("it is cut off".into())),
        }
        let number =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (body, text, sum) = (number(0) as usize, number(4) as usize, number(8));
        if body > LONGEST_TEXT || text > LONGEST_TEXT {
            return Err(End::Cut("it is longer than blocks are".into()));
        }
        self.body.resize(body, 0);
        if fill(&mut self.from, &mut self.body)? != body {
            return Err(End::Cut("it is cut off".into()));
        }
        let mut crc = Crc::new();
        crc.update(&self.body);
        if crc.sum() != sum {
            return Err(End::Cut("its checksum is wrong".into()));
        }
        self.bytes += body as u64;
        self.text.resize(text, 0);
        self.inflate.reset(false);
        let done = self.inflate.decompress(&self.body, &mut self.text, FlushDecompress::Finish);
        if !matches!(done, Ok(Status::StreamEnd)) || self.inflate.total_out() != text as u64 {
            return Err(End::Cut("it does not inflate to what it says".into()));
        }
        let mut text = self.text.as_slice();
        let room = FREE_TEXT.saturating_add(self.bytes.saturating_mul(TEXT_PER_BYTE));
        while !text.is_empty() {
            let at = self.text.len() - text.len();
            let Some(()) = self.state.operation(&mut text, each) else {
                return Err(End::Cut(format!("what it says at byte {at} makes no sense")));
            };
            if self.state.defined > room {
                return Err(End::Cut("it defines more than a file of its size can mean".into()));
            }
        }
        Ok(true)
    }
}

/// Reads until the buffer is full or the file ends; gives how much was read.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> Result<usize, End> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(End::Io(e)),
        }
    }
    Ok(filled)
}
