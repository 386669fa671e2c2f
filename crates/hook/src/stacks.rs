//! Interns the stack of a sampled block and its code objects in the table.

use crate::sampler::Sampler;
use crate::tables::{intern, mix, publish, take_text};
use crate::wire::{MAX_FRAMES, MAX_TEXT, UNKNOWN, code, dropped, stack, text};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

impl Sampler {
    /// Returns the row of the current stack of this thread.
    pub(crate) fn stack(&self) -> u32 {
        let (mut frames, mut depth, mut cut, mut hash) = ([0u64; MAX_FRAMES], 0, false, 2);
        self.python.walk(|code, at| match frames.get_mut(depth) {
            Some(frame) => {
                *frame = u64::from(self.code(code)) << 32 | u64::from(at);
                hash = mix(hash, *frame);
                depth += 1;
                true
            }
            None => {
                cut = true;
                false
            }
        });
        let Some(slot) = intern(self.stacks, stack::WORDS, hash) else {
            self.drop_one(dropped::STACKS);
            return UNKNOWN;
        };
        if let ([_, _, frames_ref, is_cut], true) = (slot.words, slot.fresh) {
            match take_text(self.header, self.text, depth) {
                Some((at, words)) => {
                    words.iter().zip(frames).for_each(|(word, frame)| word.store(frame, Relaxed));
                    frames_ref.store(text(at, depth), Relaxed);
                    is_cut.store(u64::from(cut), Relaxed);
                    publish(slot.words);
                }
                None => self.drop_one(dropped::STACKS),
            }
        }
        slot.index as u32
    }

    fn code(&self, address: u64) -> u32 {
        let known = self.python.code(address);
        let parts =
            [known.file as u64, known.name as u64, known.lines as u64, u64::from(known.first)];
        let hash = parts.into_iter().fold(mix(3, address), mix);
        let Some(slot) = intern(self.codes, code::WORDS, hash) else {
            self.drop_one(dropped::CODES);
            return UNKNOWN;
        };
        if let ([_, _, file, name, lines, first, ..], true) = (slot.words, slot.fresh) {
            let mut buffer = [0; MAX_TEXT];
            for (word, string) in [(file, known.file), (name, known.name)] {
                let length = self.python.text(string, &mut buffer);
                self.keep(word, buffer.get(..length).unwrap_or_default());
            }
            self.keep(lines, self.python.lines(known.lines));
            first.store(u64::from(known.first), Relaxed);
            publish(slot.words);
        }
        slot.index as u32
    }

    /// Copies bytes into the arena and stores their reference in `word`; leaves it 0 if the arena
    /// is full.
    pub(crate) fn keep(&self, word: &AtomicU64, bytes: &[u8]) {
        if let Some((at, target)) = take_text(self.header, self.text, bytes.len().div_ceil(8)) {
            for (to, from) in target.iter().zip(bytes.chunks(8)) {
                let mut eight = [0; 8];
                eight.iter_mut().zip(from).for_each(|(a, b)| *a = *b);
                to.store(u64::from_le_bytes(eight), Relaxed);
            }
            word.store(text(at, bytes.len()), Relaxed);
        } else {
            self.drop_one(dropped::CODES);
        }
    }
}
