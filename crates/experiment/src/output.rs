//! The output of a run. Standard output is hashed, and its beginning is kept to show where two arms
//! differ. The end of standard error is kept to show why a run failed. Memory is bounded however
//! much a workload prints.

use std::io::{ErrorKind, Read};
use ungil_format::bytes;

/// Bytes kept of the beginning of standard output.
const MAX_HEAD: usize = 64 << 10;
/// Bytes kept of the end of standard error.
const MAX_TAIL: usize = 16 << 10;

/// Standard output, hashed incrementally.
#[derive(Debug, Clone, Default)]
pub struct HashedOutput {
    hasher: blake3::Hasher,
    /// Total bytes.
    pub bytes: u64,
    /// The first bytes, at most 64 KiB.
    pub head: Vec<u8>,
}

impl HashedOutput {
    /// Adds the next chunk.
    pub fn push(&mut self, chunk: &[u8]) {
        self.hasher.update(chunk);
        self.bytes += chunk.len() as u64;
        let free = MAX_HEAD - self.head.len().min(MAX_HEAD);
        self.head.extend_from_slice(&chunk[..chunk.len().min(free)]);
    }

    /// Returns the BLAKE3 hash of the output in hexadecimal.
    pub fn hash(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }

    /// Describes where two different outputs first differ. `names` are the names of the two arms.
    pub fn difference(&self, other: &HashedOutput, names: [&str; 2]) -> String {
        let (a, b) = (String::from_utf8_lossy(&self.head), String::from_utf8_lossy(&other.head));
        let (mut a, mut b) = (a.lines(), b.lines());
        for line in 1.. {
            match (a.next(), b.next()) {
                (None, None) => break,
                (x, y) if x == y => {}
                (x, y) => {
                    let show = |l: Option<&str>| {
                        l.map_or("no such line".into(), |l| format!("'{}'", clip(l)))
                    };
                    return format!(
                        "line {line}: {} has {}, {} has {}",
                        names[0],
                        show(x),
                        names[1],
                        show(y)
                    );
                }
            }
        }
        format!(
            "they differ after the first {} ({} and {})",
            bytes(MAX_HEAD as u64),
            bytes(self.bytes),
            bytes(other.bytes)
        )
    }
}

fn clip(line: &str) -> String {
    if line.chars().count() <= 80 {
        line.into()
    } else {
        line.chars().take(79).chain(['…']).collect()
    }
}

/// The end of standard error, which is also split into lines.
#[derive(Debug, Default)]
pub struct StderrTail {
    tail: Vec<u8>,
    line: Vec<u8>,
}

impl StderrTail {
    /// Adds the next chunk and calls `each` for each line that it completes.
    pub fn push(&mut self, chunk: &[u8], mut each: impl FnMut(&str)) {
        self.tail.extend_from_slice(&chunk[chunk.len().saturating_sub(MAX_TAIL)..]);
        self.tail.drain(..self.tail.len().saturating_sub(MAX_TAIL));
        for part in chunk.split_inclusive(|&b| b == b'\n') {
            let free = MAX_TAIL - self.line.len().min(MAX_TAIL);
            self.line.extend_from_slice(&part[..part.len().min(free)]);
            if part.ends_with(b"\n") {
                each(String::from_utf8_lossy(&self.line).trim_end());
                self.line.clear();
            }
        }
    }

    /// Returns the kept end as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.tail).into_owned()
    }
}

/// Reads the available bytes of a non-blocking pipe, at most about `limit`, and passes them to
/// `sink`. Returns false at the end of the stream.
pub fn drain(
    from: &mut impl Read,
    buffer: &mut [u8],
    limit: usize,
    mut sink: impl FnMut(&[u8]),
) -> bool {
    let mut total = 0;
    while total < limit {
        match from.read(buffer) {
            Ok(0) => return false,
            Ok(n) => {
                sink(&buffer[..n]);
                total += n;
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return e.kind() == ErrorKind::WouldBlock,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(text: &str) -> HashedOutput {
        let mut h = HashedOutput::default();
        text.as_bytes().chunks(7).for_each(|c| h.push(c));
        h
    }

    #[test]
    fn hash_does_not_depend_on_the_chunks() {
        let mut whole = HashedOutput::default();
        whole.push(b"one\ntwo\nthree\n");
        assert_eq!(whole.hash(), hashed("one\ntwo\nthree\n").hash());
        assert_ne!(whole.hash(), hashed("one\ntwo\nthree").hash());
    }

    #[test]
    fn names_the_first_difference() {
        let message = hashed("1\n2\n3\n").difference(&hashed("1\n5\n3\n"), ["a", "b"]);
        assert_eq!(message, "line 2: a has '2', b has '5'");
        let message = hashed("1\n").difference(&hashed("1\n2\n"), ["a", "b"]);
        assert_eq!(message, "line 2: a has no such line, b has '2'");
        let long = "x\n".repeat(100_000);
        let message = hashed(&long).difference(&hashed(&format!("{long}y")), ["a", "b"]);
        assert!(message.contains("after the first 64.0 KiB"), "{message}");
    }

    #[test]
    fn memory_stays_bounded() {
        let (mut h, mut t) = (HashedOutput::default(), StderrTail::default());
        let chunk = vec![b'x'; 1 << 20];
        for _ in 0..8 {
            h.push(&chunk);
            t.push(&chunk, |_| {});
        }
        assert_eq!((h.bytes, h.head.len(), t.tail.len()), (8 << 20, MAX_HEAD, MAX_TAIL));
        assert!(t.line.len() <= MAX_TAIL);
    }
}
