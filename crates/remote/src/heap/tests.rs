//! Tests on synthetic heaps: exact counts, concurrent changes, and corrupt data.

mod image;

use super::allocated::SegmentReader;
use super::gc_list::{AddressSet, ListWalk};
use super::mimalloc::{MimallocSegment, SEGMENT, SLICE};
use super::segments;
use super::type_histogram::TypeHistogram;
use super::{MimallocUsage, SurveyQuality};
use crate::linux::Region;
use crate::objects::ObjectReader;
use cpython_layout::{DebugOffsets, Mimalloc};
use image::{FREE_THREADED, Image, WITH_GIL, offsets};
use proptest::prelude::*;
use std::sync::Mutex;

const KNOWN: [&Mimalloc; 2] = Mimalloc::KNOWN;
const TYPES: u64 = 0x1_0000;
const BASE: u64 = 4 * SEGMENT;
const NUMBER: u64 = 0x5EED_5EED_5EED_5EED;
const BLOCK: u64 = 64;
const CAPACITY: u64 = 40;

/// Returns the address of type `index`: 0 is the metatype, 1 is `m.A`, 2 is `B`.
fn kind(index: u64) -> u64 {
    TYPES + index * 512
}

fn types(image: &mut Image, offsets: &DebugOffsets) {
    image.part(TYPES, 4096);
    let at = offsets.type_object;
    for (index, name) in [b"type\0".as_slice(), b"m.A\0", b"B\0"].into_iter().enumerate() {
        let (address, text) = (kind(index as u64), TYPES + 2048 + index as u64 * 64);
        image.put(text, name);
        image.word(address + offsets.pyobject.ob_type, kind(0));
        image.word(address + at.tp_name, text);
        image.word(address + at.tp_name + 8, 48);
        image.word(address + at.tp_flags, 1 << 12 | if index == 0 { 1 << 31 } else { 0 });
    }
}

/// Returns the address of block `index` of the page.
fn block(index: u64) -> u64 {
    BASE + SLICE + 3 * BLOCK + index * BLOCK
}

/// Returns a segment with one page of the GC heap. Of its 40 blocks, every third is on one of the
/// three free lists; every fifth of the rest is idle, and the others are instances of A and B
/// alternately.
fn heap(offsets: &DebugOffsets) -> (Image, u64, u64) {
    let at = KNOWN[0];
    let mut image = Image::default();
    types(&mut image, offsets);
    image.part(BASE, (4 * SLICE) as usize);
    let segment = [
        (32, SEGMENT),
        (208, 1),
        (216, BASE ^ NUMBER),
        (224, 512),
        (232, 1),
        (248, 512),
        (256, 77),
    ];
    for (offset, word) in segment {
        image.word(BASE + offset, word);
    }
    // The segment's own slice, its page, and the free rest.
    for (index, count) in [(0, 1_u32), (1, 1), (2, 510)] {
        image.put(BASE + at.segment_slices + index * at.page_size, &count.to_le_bytes());
    }
    let page = BASE + at.segment_slices + at.page_size;
    let (mut lists, mut lengths, mut objects, mut idle) = ([0; 3], [0_u64; 3], 0, 0);
    for index in 0..CAPACITY {
        let here = block(index);
        if index % 3 == 0 {
            let list = (index / 3 % 3) as usize;
            image.word(here, lists[list]);
            (lists[list], lengths[list]) = (here, lengths[list] + 1);
        } else if index % 5 == 0 {
            image.word(here + 24, kind(1));
            idle += 1;
        } else {
            image.word(here, 0x7f00_0000_0000);
            image.put(here + 12, &1_u32.to_le_bytes());
            image.word(here + 24, kind(1 + index % 2));
            objects += 1;
        }
    }
    image.put(page + 8, &[2 << 3]);
    image.put(page + 10, &(CAPACITY as u16).to_le_bytes());
    image.word(page + 16, lists[0]);
    image.put(page + 24, &((CAPACITY - lengths[0] - lengths[1]) as u32).to_le_bytes());
    image.put(page + 28, &(BLOCK as u32).to_le_bytes());
    image.word(page + 32, lists[1]);
    image.word(page + 40, lists[2] | 2);
    (image, objects, idle)
}

fn regions() -> Vec<Region> {
    let region = |start, end| Region {
        start,
        end,
        offset: 0,
        writable: true,
        executable: false,
        file: None,
        is_stack: false,
        deleted: false,
    };
    vec![
        region(SEGMENT, 3 * SEGMENT),
        region(BASE - 4096, BASE + SEGMENT),
        region(1 << 40, (1 << 40) + 4096),
    ]
}

/// Surveys an image like a live heap.
fn survey(
    image: &Image,
    offsets: &DebugOffsets,
) -> (Vec<super::TypeCount>, MimallocUsage, SurveyQuality) {
    let (segments, more) = segments::all(image, &regions(), KNOWN[0], NUMBER).expect("reads");
    assert!(!more);
    let mut histogram = TypeHistogram::new(ObjectReader { memory: image, offsets });
    let (mut sums, mut look) = (MimallocUsage::default(), SurveyQuality::default());
    let mut reader = SegmentReader::new(image, KNOWN[0]);
    for segment in &segments {
        reader.segment(segment, 0, &mut histogram, &mut sums, &mut look).expect("reads");
    }
    (histogram.finish(), sums, look)
}

#[test]
fn counts_exactly_the_objects_of_a_page() {
    let offsets = offsets(&FREE_THREADED);
    let (image, objects, idle) = heap(&offsets);
    let (types, sums, look) = survey(&image, &offsets);
    assert_eq!(look, SurveyQuality::default());
    let mut names: Vec<_> =
        types.iter().map(|count| format!("{}.{}", count.module, count.name)).collect();
    names.sort();
    assert_eq!(names, ["builtins.B", "m.A"]);
    assert_eq!(types.iter().map(|count| count.objects).sum::<u64>(), objects);
    assert_eq!(types.iter().map(|count| count.bytes).sum::<u64>(), objects * BLOCK);
    assert_eq!((sums.idle_objects, sums.other_blocks, sums.pages), (idle, 0, 1));
    assert_eq!((sums.blocks, sums.block_bytes), (objects + idle, (objects + idle) * BLOCK));
}

#[test]
fn counts_surviving_objects_of_a_torn_page() {
    let offsets = offsets(&FREE_THREADED);
    let (mut image, objects, _) = heap(&offsets);
    // The list of blocks freed by other threads changes with every read.
    image.restless =
        Some((BASE + KNOWN[0].segment_slices + KNOWN[0].page_size + 40, Mutex::new(0)));
    let (types, _, look) = survey(&image, &offsets);
    assert_eq!(look.torn, 1);
    assert_eq!(types.iter().map(|count| count.objects).sum::<u64>(), objects);
}

#[test]
fn ignores_freed_and_foreign_segments() {
    let offsets = offsets(&FREE_THREADED);
    for (offset, word) in [(208, 0), (216, NUMBER), (224, 511), (32, u64::MAX), (232, 0)] {
        let (mut image, ..) = heap(&offsets);
        image.word(BASE + offset, word);
        assert_eq!(survey(&image, &offsets).1.blocks, 0, "{offset}");
    }
}

/// Returns a list head followed by GC objects. `links` are the next and previous indices of each,
/// head first.
fn list(offsets: &DebugOffsets, links: &[(u64, u64)]) -> Image {
    let mut image = Image::default();
    types(&mut image, offsets);
    image.part(BASE, 64 * (links.len() + 64));
    for (index, &(next, previous)) in links.iter().enumerate() {
        let here = object(index as u64);
        image.word(here, object(next));
        image.word(here + 8, object(previous) | 2);
        image.word(here + 16, 1);
        image.word(here + 24, kind(1));
    }
    image
}

fn object(index: u64) -> u64 {
    BASE + 64 * index
}

fn walk(image: &Image, offsets: &DebugOffsets) -> (u64, bool) {
    let mut histogram = TypeHistogram::new(ObjectReader { memory: image, offsets });
    let mut seen = AddressSet::default();
    let heads = [BASE];
    let mut walk = ListWalk::new(image, offsets, &mut seen, &heads, BASE);
    walk.run(&mut histogram, &mut |_| true).expect("reads");
    let torn = walk.torn;
    (histogram.finish().iter().map(|count| count.objects).sum(), torn)
}

#[test]
fn walks_a_list_to_its_end() {
    let offsets = offsets(&WITH_GIL);
    for len in [1, 2, 3, 1000] {
        let links: Vec<_> =
            (0..len).map(|index| ((index + 1) % len, (index + len - 1) % len)).collect();
        assert_eq!(walk(&list(&offsets, &links), &offsets), (len - 1, false));
    }
}

#[test]
fn stops_at_a_ring_without_the_list_head() {
    let offsets = offsets(&WITH_GIL);
    // 0 -> 1 -> 2 -> 3 -> 1
    let links = [(1, 3), (2, 0), (3, 1), (1, 2)];
    let (objects, torn) = walk(&list(&offsets, &links), &offsets);
    assert!(objects <= 3 && torn);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_links_do_not_hang(links in prop::collection::vec((0_u64..24, 0_u64..24), 1..24)) {
        let offsets = offsets(&WITH_GIL);
        prop_assert!(walk(&list(&offsets, &links), &offsets).0 <= 24);
    }

    #[test]
    fn corrupt_heap_does_not_panic(
        changes in prop::collection::vec((0_u64..200, 0_u64..8, any::<u64>(), 0_u8..4), 1..12),
    ) {
        let offsets = offsets(&FREE_THREADED);
        let (mut image, ..) = heap(&offsets);
        for (place, byte, word, how) in changes {
            // Words of the segment header, the first page headers, the blocks and the types.
            let address = match place % 4 {
                0 => BASE + 8 * (place / 4 % 33),
                1 => BASE + 264 + 8 * (place / 4 % 36),
                2 => block(0) + 8 * place,
                _ => TYPES + 8 * place,
            };
            match how {
                0 => image.word(address, word),
                1 => image.word(address, block(word % 64)),
                2 => image.word(address, BASE + word % (2 * SEGMENT)),
                _ => image.put(address + byte, &[word as u8]),
            }
        }
        let (types, sums, _) = survey(&image, &offsets);
        // Upper bound of what fits into the one segment.
        prop_assert!(types.iter().map(|count| count.objects).sum::<u64>() <= SEGMENT / 8);
        prop_assert!(sums.pages <= 512);
    }

    #[test]
    fn arbitrary_header_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), index in 0_u64..600) {
        for at in KNOWN {
            let _ = MimallocSegment::parse(at, BASE, &bytes);
            let segment = MimallocSegment { address: BASE, size: SEGMENT, used: 1, first: 1, entries: 512, thread: 0, cookie: 0 };
            let _ = super::mimalloc::MimallocPage::parse(at, &segment, index, &bytes);
        }
    }
}
