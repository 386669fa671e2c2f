//! Decodes the shared table into stacks with lines, threads, types and sums. Everything is checked,
//! because the table was written inside the target.

use super::notes::notes;
use super::table::TableImage;
use super::{
    AllocEnd, AllocatingThread, AllocationRow, AllocationSum, Allocations, BlockFate, HookCost,
    SourceLine,
};
use cpython_layout::Version;
use rustc_hash::FxHashMap;
use std::rc::Rc;
use ungil_hook::sampling::weight;
use ungil_hook::wire::{
    self, HASH, READY, UNKNOWN, code, head, kind, live, site, stack, state, thread,
};
use ungil_remote::lines::LineTable;

/// Placeholder for entries that did not fit into a table.
const UNKNOWN_PLACE: &str = "(unknown: a table was full)";
/// Placeholder for the type of blocks of the domain *mem*: items of lists, tables of dicts,
/// buffers.
pub(super) const MEMORY: &str = "(raw memory)";
/// Placeholder for an unknown type.
pub(super) const OBJECT: &str = "(object of unknown type)";

struct CodeInfo {
    file: Rc<str>,
    name: Rc<str>,
    first: u32,
    lines: LineTable,
}

struct Decoder<'a> {
    image: &'a TableImage,
    every: u64,
    codes: FxHashMap<u32, Rc<CodeInfo>>,
    stacks: FxHashMap<u32, usize>,
    done: Allocations,
    rows: FxHashMap<(usize, u32, u32, BlockFate), AllocationSum>,
}

/// Decodes the table. Frames of the file `skip` and those outside it are left out: they belong to
/// ungil's own start script.
pub(super) fn decode(image: &TableImage, skip: &str) -> Allocations {
    let every = image.header.get(head::EVERY).copied().unwrap_or(1).max(1);
    let done = Allocations { every, ..Allocations::default() };
    let mut decoder = Decoder {
        image,
        every,
        codes: FxHashMap::default(),
        stacks: FxHashMap::default(),
        done,
        rows: FxHashMap::default(),
    };
    decoder.threads();
    decoder.sites(skip);
    decoder.live(skip);
    decoder.finish()
}

fn slots(words: &[u64], width: usize) -> impl Iterator<Item = (u32, &[u64])> {
    let used =
        |slot: &&[u64]| slot.get(HASH).is_some_and(|h| *h != 0) && slot.get(READY) == Some(&1);
    let numbered = words.chunks_exact(width).enumerate();
    numbered.filter(move |(_, s)| used(s)).filter_map(|(n, s)| Some((u32::try_from(n).ok()?, s)))
}

impl Decoder<'_> {
    fn word(&self, index: usize) -> u64 {
        self.image.header.get(index).copied().unwrap_or_default()
    }

    fn threads(&mut self) {
        let pid = self.word(head::PID);
        for (n, row) in self.image.threads.chunks_exact(thread::WORDS).enumerate() {
            let &[id, allocations, bytes, spent, samples, a, b, _] = row else { continue };
            if id == 0 {
                continue;
            }
            let bytes_of_name = [a.to_le_bytes(), b.to_le_bytes()].concat();
            let end = bytes_of_name.iter().position(|c| *c == 0).unwrap_or(bytes_of_name.len());
            let named = String::from_utf8_lossy(bytes_of_name.get(..end).unwrap_or_default());
            let name = if id == pid { "main".into() } else { named.into_owned() };
            let row = n as u32;
            self.done.threads.push(AllocatingThread {
                row,
                id,
                name,
                allocations,
                bytes,
                samples,
                spent_ns: spent,
            });
        }
    }

    fn bytes(&self, reference: u64) -> Vec<u8> {
        let (at, len) = wire::of_text(reference);
        let words = self.image.text.get(at..at.saturating_add(len.div_ceil(8))).unwrap_or_default();
        let mut bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        bytes.truncate(len);
        bytes
    }

    fn text(&self, reference: u64) -> Rc<str> {
        String::from_utf8_lossy(&self.bytes(reference)).into()
    }

    fn code(&mut self, index: u32) -> Option<Rc<CodeInfo>> {
        if let Some(found) = self.codes.get(&index) {
            return Some(found.clone());
        }
        let at = (index as usize).checked_mul(code::WORDS)?;
        let slot = self.image.codes.get(at..at + code::WORDS)?;
        if slot.get(READY) != Some(&1) {
            return None;
        }
        let first = u32::try_from(*slot.get(code::FIRST)?).unwrap_or(0);
        let found = Rc::new(CodeInfo {
            file: self.text(*slot.get(code::FILE)?),
            name: self.text(*slot.get(code::NAME)?),
            first,
            lines: LineTable::decode(&self.bytes(*slot.get(code::LINES)?), first),
        });
        self.codes.insert(index, found.clone());
        Some(found)
    }

    fn place(&mut self, frame: u64) -> SourceLine {
        match self.code((frame >> 32) as u32) {
            Some(code) => {
                let unit = (frame as u32) / 2;
                let line = code.lines.at(unit).unwrap_or(code.first);
                SourceLine {
                    file: code.file.clone(),
                    function: code.name.clone(),
                    first: code.first,
                    line,
                }
            }
            None => SourceLine::unknown(UNKNOWN_PLACE),
        }
    }

    /// Decodes a stack, outermost frame first; returns its index in `done.stacks`.
    fn stack(&mut self, index: u32, skip: &str) -> usize {
        if let Some(found) = self.stacks.get(&index) {
            return *found;
        }
        let at = (index as usize).saturating_mul(stack::WORDS);
        let slot = self.image.stacks.get(at..at.saturating_add(stack::WORDS)).unwrap_or_default();
        let mut places = match slot {
            &[_, 1, frames, cut] if index != UNKNOWN => {
                let (at, len) = wire::of_text(frames);
                let frames =
                    self.image.text.get(at..at.saturating_add(len)).unwrap_or_default().to_vec();
                let mut places: Vec<SourceLine> =
                    frames.into_iter().map(|f| self.place(f)).collect();
                if cut != 0 {
                    places.push(SourceLine::unknown("(outer frames left out)"));
                }
                places
            }
            _ => vec![SourceLine::unknown(UNKNOWN_PLACE)],
        };
        if let Some(outer) = places.iter().position(|p| &*p.file == skip) {
            places.truncate(outer);
        }
        while places.last().is_some_and(|p| &*p.file == "<frozen runpy>" && !skip.is_empty()) {
            places.pop();
        }
        if places.is_empty() {
            places.push(SourceLine::unknown("(no Python code)"));
        }
        places.reverse();
        self.done.stacks.push(places);
        let found = self.done.stacks.len() - 1;
        self.stacks.insert(index, found);
        found
    }

    fn sites(&mut self, skip: &str) {
        let image = self.image;
        for (_, slot) in slots(&image.sites, site::WORDS) {
            let &[_, _, place, what, samples, blocks, bytes, variance] = slot else { continue };
            let fate = if what == u64::from(kind::FRESH) {
                BlockFate::Allocated
            } else {
                BlockFate::Freed
            };
            let float = |word| {
                Some(f64::from_bits(word)).filter(|f| f.is_finite() && *f >= 0.0).unwrap_or(0.0)
            };
            let sum = AllocationSum {
                samples,
                blocks: float(blocks),
                bytes: float(bytes),
                variance: float(variance),
            };
            let stack = self.stack((place >> 32) as u32, skip);
            self.add(stack, place as u32, what as u32, fate, sum);
        }
    }

    fn live(&mut self, skip: &str) {
        let image = self.image;
        for (key, block) in image.keys.iter().zip(image.blocks.chunks_exact(2)) {
            let &[place, word] = block else { continue };
            if *key <= live::CLAIMED {
                continue;
            }
            let (what, size) =
                ((word >> live::SIZE_BITS) as u32, word & ((1 << live::SIZE_BITS) - 1));
            let weight = weight(size, self.every);
            let sum = AllocationSum {
                samples: 1,
                blocks: weight.blocks,
                bytes: weight.bytes,
                variance: weight.variance,
            };
            let stack = self.stack((place >> 32) as u32, skip);
            self.add(stack, place as u32, what, BlockFate::Live, sum);
        }
    }

    fn add(&mut self, stack: usize, thread: u32, what: u32, fate: BlockFate, sum: AllocationSum) {
        self.rows.entry((stack, thread, what, fate)).or_default().add(&sum);
    }

    fn kind(&self, what: u32) -> Rc<str> {
        let named = || {
            let at = (what.checked_sub(kind::TYPED)? as usize).checked_mul(kind::WORDS)?;
            let slot = self.image.types.get(at..at + kind::WORDS)?;
            let name = self.text(*slot.get(kind::NAME)?);
            (slot.get(READY) == Some(&1) && !name.is_empty()).then_some(name)
        };
        match what {
            kind::FRESH => "".into(),
            kind::MEMORY => MEMORY.into(),
            _ => named().unwrap_or_else(|| OBJECT.into()),
        }
    }

    fn finish(mut self) -> Allocations {
        let rows = std::mem::take(&mut self.rows);
        let mut names: FxHashMap<u32, Rc<str>> = FxHashMap::default();
        for ((stack, row, what, fate), sum) in rows {
            let kind = names.entry(what).or_insert_with(|| self.kind(what)).clone();
            let thread = self.done.threads.iter().position(|t| t.row == row);
            self.done.rows.push(AllocationRow { stack, thread, kind, fate, sum });
        }
        // Hash maps have no order; make the result deterministic.
        self.done.rows.sort_by(|a, b| {
            let key = |r: &AllocationRow| (r.fate, r.stack, r.thread);
            b.sum
                .bytes
                .total_cmp(&a.sum.bytes)
                .then_with(|| key(a).cmp(&key(b)))
                .then_with(|| a.kind.cmp(&b.kind))
        });
        let sum = |what: fn(&AllocatingThread) -> u64| {
            self.done.threads.iter().map(what).fold(0, u64::saturating_add)
        };
        self.done.allocations = sum(|t| t.allocations);
        self.done.bytes = sum(|t| t.bytes);
        self.done.cost = HookCost {
            pair_ns: self.word(head::PAIR_PS) as f64 / 1e3,
            samples: sum(|t| t.samples),
            samples_s: sum(|t| t.spent_ns) as f64 / 1e9,
            processor_s: self
                .word(head::PROCESSOR_ENDED)
                .checked_sub(self.word(head::PROCESSOR_BEGAN))
                .map(|ns| ns as f64 / 1e9),
        };
        let ended = self.word(head::ENDED);
        self.done.duration_s = ended.checked_sub(self.word(head::BEGAN)).map(|ns| ns as f64 / 1e9);
        self.done.peak_bytes = self.word(head::PEAK);
        self.done.pid = u32::try_from(self.word(head::PID)).unwrap_or(0);
        self.done.version = Version::from_hex(self.word(head::PYTHON));
        self.done.free_threaded = self.word(head::FREE_THREADED) == 1;
        self.done.end = match self.word(head::STATE) {
            state::STOPPED => AllocEnd::Whole,
            state::CUT => AllocEnd::Cut,
            _ => AllocEnd::Lost,
        };
        self.done.notes = notes(|n| self.word(n), self.done.end);
        self.done
    }
}
