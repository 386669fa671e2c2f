//! Opens a core file, decompressing gzip and zstd.
//!
//! The decompressed core goes to an unnamed file in the temporary directory, with holes for zeros:
//! a free-threaded CPython reserves 1 GiB and touches little of it.

use super::elf;
use super::error::CoreError;
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Cores that decompress to more are rejected and have to be decompressed manually.
const MAX_UNPACKED: u64 = 64 << 30;
/// Number of bytes decompressed at a time; a multiple of the page size.
const CHUNK: usize = 1 << 16;

/// Opens `path` as an uncompressed file.
pub(super) fn open(path: &Path) -> Result<File, CoreError> {
    // Check the file type first: opening a FIFO would block until there is a writer.
    let about = std::fs::metadata(path).map_err(|error| CoreError::io(path, &error))?;
    if about.is_dir() {
        let help = "give a core file; `coredumpctl dump -o FILE` writes one";
        return Err(CoreError::new(path, "it is a directory", help));
    }
    if !about.is_file() {
        let help = "copy it to a regular file first: reading a core needs random access";
        return Err(CoreError::new(path, "it is not a regular file", help));
    }
    let file = File::open(path).map_err(|error| CoreError::io(path, &error))?;
    let mut magic = [0; 6];
    let len = file.read_at(&mut magic, 0).map_err(|error| CoreError::io(path, &error))?;
    let other = |format: &str, command: &str| {
        let help = format!("decompress it first: {command}");
        Err(CoreError::new(
            path,
            format!("it is compressed with {format}, which ungil does not read"),
            help,
        ))
    };
    match &magic[..len] {
        [] => Err(CoreError::new(
            path,
            "it is empty",
            "allow cores with `ulimit -c unlimited`, check that the disk is not full, and write another core",
        )),
        [0x1f, 0x8b, ..] => unpack(path, MultiGzDecoder::new(BufReader::new(file))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => unpack(path, ZstdFrames::new(BufReader::new(file))),
        [0x04, 0x22, 0x4d, 0x18, ..] => other("lz4", "lz4 -d FILE CORE"),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => other("xz", "xz -dk FILE"),
        [b'B', b'Z', b'h', ..] => other("bzip2", "bzip2 -dk FILE"),
        _ => Ok(file),
    }
}

/// Decompresses `from` to a temporary file.
fn unpack(path: &Path, mut from: impl Read) -> Result<File, CoreError> {
    let read_error = |error: io::Error| {
        let why = format!("decompression failed: {error}");
        CoreError::new(
            path,
            why,
            "it is damaged or incomplete: copy it again from where it was written",
        )
    };
    let write_error = |error: io::Error| {
        let why =
            format!("it cannot be decompressed to {}: {error}", std::env::temp_dir().display());
        CoreError::new(
            path,
            why,
            "set TMPDIR to a directory with enough free space, or decompress it manually",
        )
    };
    let mut into = tempfile::tempfile().map_err(write_error)?;
    let (mut chunk, zeros) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut len = 0;
    loop {
        let now = fill(&mut from, &mut chunk).map_err(read_error)?;
        let bytes = &chunk[..now];
        if len == 0 && elf::check_magic(bytes).is_err() {
            return Err(CoreError::new(
                path,
                "the decompressed file is not a core",
                "give a core file",
            ));
        }
        if bytes == &zeros[..now] {
            into.seek(SeekFrom::Current(now as i64)).map_err(write_error)?;
        } else {
            into.write_all(bytes).map_err(write_error)?;
        }
        len += now as u64;
        if now < CHUNK {
            break;
        }
        if len > MAX_UNPACKED {
            let why = format!("it decompresses to more than {} GiB", MAX_UNPACKED >> 30);
            return Err(CoreError::new(path, why, "decompress it manually and give the result"));
        }
    }
    into.set_len(len).map_err(write_error)?;
    Ok(into)
}

/// Reads until the buffer is full or the source ends.
fn fill(from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < into.len() {
        match from.read(&mut into[len..]) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

/// Reads all frames of a zstd file; a decoder reads one.
struct ZstdFrames<R: Read> {
    source: Option<R>,
    frame: Option<StreamingDecoder<R, FrameDecoder>>,
}

impl<R: BufRead> ZstdFrames<R> {
    fn new(source: R) -> ZstdFrames<R> {
        ZstdFrames { source: Some(source), frame: None }
    }
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let read = frame.read(into)?;
                if read > 0 || into.is_empty() {
                    return Ok(read);
                }
                self.source = self.frame.take().map(StreamingDecoder::into_inner);
            }
            let Some(mut source) = self.source.take() else { return Ok(0) };
            if source.fill_buf()?.is_empty() {
                return Ok(0);
            }
            self.frame = Some(StreamingDecoder::new(source).map_err(io::Error::other)?);
        }
    }
}
