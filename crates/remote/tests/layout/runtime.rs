//! Contents of the runtime and interpreter states: mutexes, collector, allocators.

use crate::LayoutTarget;
use cpython_layout::structures::{Arena, GcHead, GcStats, Obmalloc, StaticType};
use cpython_layout::{Mimalloc, MutexKind};
use ungil_remote::layout::StatsLocation;

/// Checks held mutexes, and fields next to mutexes that are not held.
pub(crate) fn runtime(target: &LayoutTarget) {
    let layout = target.python.layout();
    let (runtime, interpreter) = (target.python.runtime(), target.interpreter());
    let held = |name, level| {
        let mutex = target.named(&layout.interpreter.mutexes, name);
        assert_eq!(mutex.kind, MutexKind::Recursive, "{}: {name}", target.build);
        let at = interpreter + mutex.at;
        assert_eq!(target.memory().u8(at), Ok(1), "{}: {name}", target.build);
        assert_eq!(target.word(at + 8), target.printed("ident"), "{}: {name}", target.build);
        assert_eq!(target.word(at + 16), level, "{}: {name}", target.build);
    };
    held("the global import lock", 0);
    if target.minor() >= 14 {
        held("the warnings filters", 1);
    }
    // `audit_hooks`: the mutex, then the first entry: next, hook.
    let audit = target.named(&layout.runtime.mutexes, "the audit hooks").at;
    let entry = target.word(runtime + audit + 8);
    assert_eq!(target.word(entry + 8), target.printed("hook"), "{}", target.build);
    // No pause is requested, neither in the interpreter nor in the process.
    let worlds = [
        interpreter + layout.interpreter.stoptheworld.expect("found"),
        runtime + layout.runtime.stoptheworld.expect("found"),
    ];
    for (world, is_global) in worlds.into_iter().zip([0, 1]) {
        let state: [u8; 4] = target.memory().bytes(world).expect("a state");
        assert_eq!(
            state,
            [0, 0, 0, is_global],
            "{}: mutex, requested, stopped, global",
            target.build
        );
    }
    let types = layout.interpreter.static_types.expect("found");
    let subclasses = target.python.offsets().type_object.tp_name + StaticType::SUBCLASSES_FROM_NAME;
    let index = target.word(target.printed("int") + subclasses);
    let own = interpreter + types + (index - 1) * StaticType::SIZE;
    assert_eq!(target.word(own + StaticType::TYPE), target.printed("int"), "{}", target.build);
    if target.free_threaded() {
        let strings = target.named(&layout.interpreter.mutexes, "the interned strings").at;
        let objects = target.python.objects();
        let name = objects.type_name(target.word(interpreter + strings + 8));
        assert_eq!(name.as_deref(), Some("dict"), "{}", target.build);
        let merge = target.named(&layout.interpreter.mutexes, "the reference-count merge queue");
        assert_eq!((merge.count, merge.stride), (257, 24));
        for bucket in 0..merge.count {
            // A bucket: the mutex, then the list of the threads that hash to it.
            let root = interpreter + merge.at + bucket * merge.stride + 8;
            assert_eq!(
                target.word(target.word(root) + 8),
                root,
                "{}: bucket {bucket}",
                target.build
            );
        }
        assert_eq!(merge.index(merge.at + 24 * 256), Some(256));
        assert_eq!(merge.index(merge.at + 24 * 257), None);
        assert_eq!(merge.index(merge.at + 8), None);
    }
    for mutex in &layout.interpreter.mutexes {
        for index in 0..mutex.count {
            let bits =
                target.memory().u8(interpreter + mutex.at + index * mutex.stride).expect("a byte");
            let held = mutex.kind == MutexKind::Recursive;
            assert!(
                bits == u8::from(held) || mutex.kind == MutexKind::Event,
                "{}: {}",
                target.build,
                mutex.name
            );
        }
    }
    for mutex in layout.runtime.mutexes.iter().filter(|mutex| mutex.kind == MutexKind::Mutex) {
        assert_eq!(
            target.memory().u8(runtime + mutex.at),
            Ok(0),
            "{}: {}",
            target.build,
            mutex.name
        );
    }
}

pub(crate) fn collector(target: &LayoutTarget) {
    let at = &target.python.layout().collector;
    let state = target.interpreter() + target.python.offsets().interpreter_state.gc;
    let counts = |entry: u64| [0, 8, 16].map(|offset| target.word(entry + offset));
    for generation in 0..3 {
        let found = match at.collections.expect("found") {
            StatsLocation::Counted { at } => counts(state + at + 24 * generation),
            StatsLocation::Timed { at, rings, .. } => {
                let ring = rings[generation as usize];
                let stats = target.word(state + at);
                let index = u64::from(target.memory().u8(stats + ring.index).expect("an index"));
                assert!(index < ring.len, "{}", target.build);
                let entry = stats + ring.first + index * GcStats::ENTRY;
                let (start, stop) = (target.word(entry), target.word(entry + 8));
                assert!(start <= stop && stop < 1 << 62, "{}", target.build);
                counts(entry + 16)
            }
        };
        let printed = ["collections", "collected", "uncollectable"]
            .map(|name| target.printed(&format!("{name}_{generation}")));
        assert_eq!(found, printed, "{}: generation {generation}", target.build);
    }
    assert_eq!(at.lists.is_some(), !target.free_threaded(), "{}", target.build);
    let len = |head: u64| {
        let link = |address: u64| target.word(address) & !GcHead::FLAGS;
        let mut node = link(state + head);
        let mut len = 0;
        while node != state + head && len < 1 << 20 {
            len += 1;
            node = link(node + GcHead::NEXT);
        }
        len
    };
    if let Some([_, _, old, permanent]) = at.lists {
        assert_eq!(len(old), target.printed("old"), "{}", target.build);
        assert_eq!(len(permanent), target.printed("frozen"), "{}", target.build);
    }
}

/// Checks that every thread's heaps have the right index, number of pages and neighbours.
pub(crate) fn heaps(target: &LayoutTarget) {
    let layout = target.python.layout();
    let mimalloc = layout.mimalloc.expect("found");
    let at = layout.thread_state.mimalloc.expect("found");
    for thread in target.threads() {
        for number in 0..Mimalloc::HEAPS {
            let heap = mimalloc.heap(thread.address + at, number);
            assert_eq!(
                target.memory().u8(heap + mimalloc.heap_tag),
                Ok(number as u8),
                "{}",
                target.build
            );
            let mut pages = 0;
            for queue in 0..Mimalloc::QUEUES {
                let mut page =
                    target.word(heap + mimalloc.heap_pages + queue * Mimalloc::QUEUE_SIZE);
                while page != 0 && pages < 1 << 16 {
                    pages += 1;
                    page = target.word(page + mimalloc.page_next);
                }
            }
            assert_eq!(
                pages,
                target.word(heap + mimalloc.heap_page_count),
                "{}: heap {number}",
                target.build
            );
        }
    }
}

/// Checks that as many arenas have an address as pymalloc has allocated.
pub(crate) fn arenas(target: &LayoutTarget) {
    let state = target
        .word(target.interpreter() + target.python.layout().interpreter.obmalloc.expect("found"));
    let most = u64::from(target.memory().u32(state + Obmalloc::MAX_ARENAS).expect("a number"));
    let first = target.word(state + Obmalloc::ARENAS);
    let arena = |index: u64| first + index * Arena::SIZE;
    let used = (0..most).filter(|&i| target.word(arena(i) + Arena::ADDRESS) != 0).count();
    assert_eq!(used as u64, target.word(state + Obmalloc::ARENAS_IN_USE), "{}", target.build);
    assert!(used > 0, "{}", target.build);
}
