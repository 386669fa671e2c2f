//! Opens a core, decompressed where it is a gzip or zstd file.
//!
//! A core is decompressed to a file without a name in the folder for temporary files, with holes
//! where it has only zeros: a free-threaded CPython reserves a GiB, most of which it never touches.

use super::elf;
use super::error::CoreError;
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A core that decompresses to more is refused: it is to be decompressed by hand.
const MAX_UNPACKED: u64 = 64 << 30;
/// What is decompressed at once; a multiple of the size of a page.
const CHUNK: usize = 1 << 16;

/// Opens `path` as an uncompressed file.
pub(super) fn open(path: &Path) -> Result<File, CoreError> {
    // Without a look at what it is first, opening a FIFO would wait for a writer.
    let about = std::fs::metadata(path).map_err(|error| CoreError::io(path, &error))?;
    if about.is_dir() {
        let help = "give the path of the file in it; `coredumpctl dump -o FILE` writes one";
        return Err(CoreError::new(path, "it is a directory", help));
    }
    if !about.is_file() {
        let help = "copy it to a file first: a core is read in no order";
        return Err(CoreError::new(path, "it is no regular file", help));
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
            "allow cores with `ulimit -c unlimited` and let the program write one again; check that its disk is not full",
        )),
        [0x1f, 0x8b, ..] => unpack(path, MultiGzDecoder::new(BufReader::new(file))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => unpack(path, Zstd::new(BufReader::new(file))),
        [0x04, 0x22, 0x4d, 0x18, ..] => other("lz4", "lz4 -d FILE CORE"),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => other("xz", "xz -dk FILE"),
        [b'B', b'Z', b'h', ..] => other("bzip2", "bzip2 -dk FILE"),
        _ => Ok(file),
    }
}

/// Decompresses `from` to a temporary file.
fn unpack(path: &Path, mut from: impl Read) -> Result<File, CoreError> {
    let damaged = |error: io::Error| {
        let why = format!("its decompression ends with: {error}");
        CoreError::new(
            path,
            why,
            "copy it again from where it was written: it is damaged or not complete",
        )
    };
    let no_room = |error: io::Error| {
        let why =
            format!("it cannot be decompressed to {}: {error}", std::env::temp_dir().display());
        CoreError::new(
            path,
            why,
            "set TMPDIR to a folder with room for the whole core, or decompress it by hand",
        )
    };
    let mut into = tempfile::tempfile().map_err(no_room)?;
    let (mut chunk, zeros) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut len = 0;
    loop {
        let now = fill(&mut from, &mut chunk).map_err(damaged)?;
        let bytes = &chunk[..now];
        if len == 0 && elf::check_magic(bytes).is_err() {
            return Err(CoreError::new(
                path,
                "what is compressed in it is no core",
                "give a core file",
            ));
        }
        if bytes == &zeros[..now] {
            into.seek(SeekFrom::Current(now as i64)).map_err(no_room)?;
        } else {
            into.write_all(bytes).map_err(no_room)?;
        }
        len += now as u64;
        if now < CHUNK {
            break;
        }
        if len > MAX_UNPACKED {
            let why = format!("it decompresses to more than {} GiB", MAX_UNPACKED >> 30);
            return Err(CoreError::new(path, why, "decompress it by hand and give the result"));
        }
    }
    into.set_len(len).map_err(no_room)?;
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

/// The frames of a zstd file, one after the other; a decoder reads one.
struct Zstd<R: Read> {
    source: Option<R>,
    frame: Option<StreamingDecoder<R, FrameDecoder>>,
}

impl<R: BufRead> Zstd<R> {
    fn new(source: R) -> Zstd<R> {
        Zstd { source: Some(source), frame: None }
    }
}

impl<R: BufRead> Read for Zstd<R> {
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
