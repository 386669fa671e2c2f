//! What a run printed: all of it hashed, the beginning kept to show where two arms differ, the end
//! of standard error kept to say why one died. Nothing grows with the output: a workload may print
//! for ever.

use std::io::{ErrorKind, Read};
use ungil_format::bytes;

/// Bytes kept of the beginning of an output.
const HEAD: usize = 64 << 10;
/// Bytes kept of the end of standard error.
const TAIL: usize = 16 << 10;

/// Standard output, hashed as it passes.
#[derive(Debug, Clone, Default)]
pub struct Hashed {
    hasher: blake3::Hasher,
    /// Bytes seen.
    pub bytes: u64,
    /// The first of them, at most 64 KiB.
    pub head: Vec<u8>,
}

impl Hashed {
    /// Takes in the next piece.
    pub fn take(&mut self, piece: &[u8]) {
        self.hasher.update(piece);
        self.bytes += piece.len() as u64;
        let room = HEAD - self.head.len().min(HEAD);
        self.head.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    /// BLAKE3 of everything seen, in hexadecimal.
    pub fn hash(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }

    /// Where two different outputs first differ, in words, for someone who has to find out why.
    pub fn difference(&self, other: &Hashed, names: [&str; 2]) -> String {
        let (a, b) = (String::from_utf8_lossy(&self.head), String::from_utf8_lossy(&other.head));
        let (mut a, mut b) = (a.lines(), b.lines());
        for line in 1.. {
            match (a.next(), b.next()) {
                (None, None) => break,
                (x, y) if x == y => {}
                (x, y) => {
                    let show = |l: Option<&str>| {
                        l.map_or("(nothing more)".into(), |l| format!("'{}'", clip(l)))
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
            "they differ after the first {} ({} against {})",
            bytes(HEAD as u64),
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

/// Standard error: its end, and its lines one by one.
#[derive(Debug, Default)]
pub struct Tail {
    tail: Vec<u8>,
    line: Vec<u8>,
}

impl Tail {
    /// Takes in the next piece and gives each line that it completes to `each`.
    pub fn take(&mut self, piece: &[u8], mut each: impl FnMut(&str)) {
        self.tail.extend_from_slice(&piece[piece.len().saturating_sub(TAIL)..]);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
        for part in piece.split_inclusive(|&b| b == b'\n') {
            let room = TAIL - self.line.len().min(TAIL);
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                each(String::from_utf8_lossy(&self.line).trim_end());
                self.line.clear();
            }
        }
    }

    /// The end of it as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.tail).into_owned()
    }
}

/// Reads what is there from a non-blocking pipe, at most `limit` bytes, into `take`. False at the
/// end of the stream.
pub fn drain(
    from: &mut impl Read,
    buffer: &mut [u8],
    limit: usize,
    mut take: impl FnMut(&[u8]),
) -> bool {
    let mut total = 0;
    while total < limit {
        match from.read(buffer) {
            Ok(0) => return false,
            Ok(n) => {
                take(&buffer[..n]);
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

    fn hashed(text: &str) -> Hashed {
        let mut h = Hashed::default();
        text.as_bytes().chunks(7).for_each(|c| h.take(c));
        h
    }

    #[test]
    fn pieces_do_not_change_the_hash() {
        let mut whole = Hashed::default();
        whole.take(b"one\ntwo\nthree\n");
        assert_eq!(whole.hash(), hashed("one\ntwo\nthree\n").hash());
        assert_ne!(whole.hash(), hashed("one\ntwo\nthree").hash());
    }

    #[test]
    fn the_first_difference_is_named() {
        let says = hashed("1\n2\n3\n").difference(&hashed("1\n5\n3\n"), ["a", "b"]);
        assert_eq!(says, "line 2: a has '2', b has '5'");
        let says = hashed("1\n").difference(&hashed("1\n2\n"), ["a", "b"]);
        assert_eq!(says, "line 2: a has (nothing more), b has '2'");
        let long = "x\n".repeat(100_000);
        let says = hashed(&long).difference(&hashed(&format!("{long}y")), ["a", "b"]);
        assert!(says.contains("after the first 64.0 KiB"), "{says}");
    }

    #[test]
    fn memory_stays_bounded() {
        let (mut h, mut t) = (Hashed::default(), Tail::default());
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..8 {
            h.take(&piece);
            t.take(&piece, |_| {});
        }
        assert_eq!((h.bytes, h.head.len(), t.tail.len()), (8 << 20, HEAD, TAIL));
        assert!(t.line.len() <= TAIL);
    }
}
