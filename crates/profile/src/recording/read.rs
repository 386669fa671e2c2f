//! Reads a recording block by block, up to its end or the first inconsistency.

use super::RecordingError;
use super::state::ReplayState;
use crate::model::Sample;
use crate::profile::Profile;
use crate::wire::*;
use flate2::{Crc, Decompress, FlushDecompress, Status};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Bytes of text that a file may define regardless of its size.
const BASE_TEXT_LIMIT: u64 = 4 << 20;
/// Additional bytes of text per byte of the file. Deflate can expand a byte a thousandfold, but
/// text with real definitions never compresses that well.
const TEXT_LIMIT_PER_BYTE: u64 = 64;

pub(super) struct Replay {
    pub(super) profile: Profile,
    pub(super) cut: Option<String>,
    pub(super) timed: bool,
}

/// The reason why reading stopped.
enum ReadStop {
    Io(io::Error),
    Cut(String),
}

pub(super) fn read(
    mut from: impl Read,
    path: &Path,
    mut each: impl FnMut(&Sample),
) -> Result<Replay, RecordingError> {
    let path = || path.display().to_string();
    let io_error = |source| RecordingError::Io { path: path(), source };
    let mut magic = [0; MAGIC.len()];
    match from.read_exact(&mut magic) {
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => {
            return Err(RecordingError::Foreign { path: path() });
        }
        other => other.map_err(io_error)?,
    }
    let [name @ .., version] = magic;
    if name != MAGIC[..7] {
        return Err(RecordingError::Foreign { path: path() });
    }
    if !(1..=MAGIC[7]).contains(&version) {
        return Err(RecordingError::Version { path: path(), version });
    }
    let mut reader = BlockReader {
        from,
        body: Vec::new(),
        text: Vec::new(),
        inflate: Decompress::new(false),
        blocks: 0,
        bytes: 0,
        state: ReplayState::default(),
    };
    let cut = loop {
        match reader.block(&mut each) {
            Ok(true) => {}
            Ok(false) if reader.state.ended() => break None,
            Ok(false) => {
                break Some(
                    "it has no end marker: the profiler was killed, or the disk was full".into(),
                );
            }
            Err(ReadStop::Cut(why)) => break Some(format!("block {}: {why}", reader.blocks)),
            Err(ReadStop::Io(e)) => return Err(io_error(e)),
        }
    };
    let timed = reader.state.timed();
    match reader.state.finish(cut.as_deref()) {
        None => Err(RecordingError::Empty { path: path(), why: cut.unwrap_or_default() }),
        Some(profile) => Ok(Replay { profile, cut, timed }),
    }
}

/// Reads the blocks of a file.
struct BlockReader<R> {
    from: R,
    body: Vec<u8>,
    text: Vec<u8>,
    inflate: Decompress,
    blocks: u64,
    bytes: u64,
    state: ReplayState,
}

impl<R: Read> BlockReader<R> {
    /// Reads one block and executes its operations; returns false at the end of the file.
    fn block(&mut self, each: &mut impl FnMut(&Sample)) -> Result<bool, ReadStop> {
        let mut head = [0; 12];
        match fill(&mut self.from, &mut head)? {
            0 => return Ok(false),
            12 => self.blocks += 1,
            _ => return Err(ReadStop::Cut("it is cut off".into())),
        }
        let number =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (body, text, sum) = (number(0) as usize, number(4) as usize, number(8));
        if body > MAX_BLOCK_TEXT || text > MAX_BLOCK_TEXT {
            return Err(ReadStop::Cut("it is longer than the maximum".into()));
        }
        self.body.resize(body, 0);
        if fill(&mut self.from, &mut self.body)? != body {
            return Err(ReadStop::Cut("it is cut off".into()));
        }
        let mut crc = Crc::new();
        crc.update(&self.body);
        if crc.sum() != sum {
            return Err(ReadStop::Cut("its checksum is wrong".into()));
        }
        self.bytes += body as u64;
        self.text.resize(text, 0);
        self.inflate.reset(false);
        let done = self.inflate.decompress(&self.body, &mut self.text, FlushDecompress::Finish);
        if !matches!(done, Ok(Status::StreamEnd)) || self.inflate.total_out() != text as u64 {
            return Err(ReadStop::Cut("it does not decompress to the declared length".into()));
        }
        let mut text = self.text.as_slice();
        let limit = BASE_TEXT_LIMIT.saturating_add(self.bytes.saturating_mul(TEXT_LIMIT_PER_BYTE));
        while !text.is_empty() {
            let at = self.text.len() - text.len();
            let Some(()) = self.state.operation(&mut text, each) else {
                return Err(ReadStop::Cut(format!("invalid operation at byte {at}")));
            };
            if self.state.defined > limit {
                return Err(ReadStop::Cut(
                    "it defines more than is plausible for the size of the file".into(),
                ));
            }
        }
        Ok(true)
    }
}

/// Reads until the buffer is full or the file ends; returns the number of bytes read.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> Result<usize, ReadStop> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(ReadStop::Io(e)),
        }
    }
    Ok(filled)
}
