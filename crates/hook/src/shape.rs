//! The sizes of the tables, and where each begins in the shared words. Both sides compute it from
//! the same seven sizes.

use crate::wire::{BUCKET, HEADER, code, kind, site, stack, thread};

/// The number of slots of each table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Threads.
    pub threads: usize,
    /// Code objects.
    pub codes: usize,
    /// Types.
    pub types: usize,
    /// Stacks.
    pub stacks: usize,
    /// Sites.
    pub sites: usize,
    /// Sampled blocks that are live at once.
    pub live: usize,
    /// Words of text.
    pub text: usize,
}

/// The position of a table, in words.
pub type Span = std::ops::Range<usize>;

impl Shape {
    /// Sizes for a table whose pages are allocated on first use: about 230 MiB of address space,
    /// with four times as many live blocks if every block is sampled.
    pub fn sparse(every: u64) -> Shape {
        let live = if every < 4096 { 1 << 22 } else { 1 << 20 };
        Shape {
            threads: 1 << 14,
            codes: 1 << 16,
            types: 1 << 13,
            stacks: 1 << 18,
            sites: 1 << 19,
            live,
            text: 1 << 24,
        }
    }

    /// Sizes for a table on a file system that may be small, where all pages are allocated at once:
    /// 34 MiB.
    pub fn dense() -> Shape {
        Shape {
            threads: 1 << 12,
            codes: 1 << 14,
            types: 1 << 12,
            stacks: 1 << 15,
            sites: 1 << 16,
            live: 1 << 18,
            text: 1 << 21,
        }
    }

    /// Returns the seven sizes, in the order of the header.
    pub fn words(&self) -> [u64; 7] {
        [self.threads, self.codes, self.types, self.stacks, self.sites, self.live, self.text]
            .map(|n| n as u64)
    }

    /// Parses the header's words; `None` if they are not sizes that ungil uses.
    pub fn from_words(words: &[u64]) -> Option<Shape> {
        let size = |at: usize| {
            let n = usize::try_from(*words.get(at)?).ok()?;
            (n.is_power_of_two() && (BUCKET..=1 << 28).contains(&n)).then_some(n)
        };
        Some(Shape {
            threads: size(0)?,
            codes: size(1)?,
            types: size(2)?,
            stacks: size(3)?,
            sites: size(4)?,
            live: size(5)?,
            text: size(6)?,
        })
    }

    fn sizes(&self) -> [usize; 9] {
        [
            self.threads * thread::WORDS,
            self.codes * code::WORDS,
            self.types * kind::WORDS,
            self.stacks * stack::WORDS,
            self.sites * site::WORDS,
            self.live,
            self.live * 2,
            self.live / BUCKET,
            self.text,
        ]
    }

    /// Returns the words of the whole table.
    pub fn total(&self) -> usize {
        HEADER + self.sizes().iter().sum::<usize>()
    }

    fn span(&self, which: usize) -> Span {
        let at = HEADER + self.sizes().iter().take(which).sum::<usize>();
        at..at + self.sizes().get(which).copied().unwrap_or_default()
    }

    /// The threads' rows.
    pub fn thread_span(&self) -> Span {
        self.span(0)
    }
    /// The code objects.
    pub fn code_span(&self) -> Span {
        self.span(1)
    }
    /// The types.
    pub fn type_span(&self) -> Span {
        self.span(2)
    }
    /// The stacks.
    pub fn stack_span(&self) -> Span {
        self.span(3)
    }
    /// The sites.
    pub fn site_span(&self) -> Span {
        self.span(4)
    }
    /// Addresses of live blocks.
    pub fn key_span(&self) -> Span {
        self.span(5)
    }
    /// Two words for each live block.
    pub fn block_span(&self) -> Span {
        self.span(6)
    }
    /// One word per bucket: 1 if a block overflowed to the next bucket.
    pub fn spill_span(&self) -> Span {
        self.span(7)
    }
    /// The text arena.
    pub fn text_span(&self) -> Span {
        self.span(8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_contiguous() {
        for shape in [Shape::dense(), Shape::sparse(1), Shape::sparse(65536)] {
            let mut at = HEADER;
            for which in 0..9 {
                assert_eq!(shape.span(which).start, at);
                at = shape.span(which).end;
            }
            assert_eq!(at, shape.total());
            assert_eq!(Shape::from_words(&shape.words()), Some(shape));
        }
        assert!(Shape::dense().total() * 8 < 36 << 20);
    }

    #[test]
    fn other_sizes_are_rejected() {
        let mut words = Shape::dense().words();
        words[3] = 1000;
        assert_eq!(Shape::from_words(&words), None);
        words[3] = 1 << 40;
        assert_eq!(Shape::from_words(&words), None);
        assert_eq!(Shape::from_words(&words[..5]), None);
    }
}
