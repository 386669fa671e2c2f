//! Threads, held locks, and waiting threads.

use crate::{LayoutTarget, eventually};
use cpython_layout::LockKind;
use cpython_layout::structures::{CriticalSection, ThreadHandle, WaitEntry};

pub(crate) fn threads(target: &LayoutTarget) {
    let at = target.python.layout().thread_state;
    let threads = target.threads();
    for thread in &threads {
        assert_eq!(
            target.memory().u32(thread.address + at.state),
            Ok(0),
            "{}: they all wait",
            target.build
        );
    }
    let looper = target.thread("looper").address;
    assert_eq!(target.word(looper + at.running_loop), target.printed("loop"), "{}", target.build);
    // The thread that sleeps in `__eq__` is in the set's critical section, which is suspended
    // meanwhile.
    if let Some(section) = at.critical_section {
        let adder = target.thread("adder").address;
        let section =
            eventually(|| Some(target.word(adder + section)).filter(|&section| section != 0));
        assert_eq!(
            section & CriticalSection::INACTIVE,
            CriticalSection::INACTIVE,
            "{}",
            target.build
        );
        let mutex = target.word((section & !CriticalSection::FLAGS) + CriticalSection::MUTEX);
        let object_mutex = target.python.offsets().build.object_mutex.expect("a field");
        assert_eq!(mutex, target.printed("slow_set") + object_mutex, "{}", target.build);
    }
}

pub(crate) fn locks(target: &LayoutTarget) {
    let header = target.python.offsets().pyobject.size;
    let byte = |address| target.memory().u8(address).expect("a byte");
    let lock = target.printed("lock");
    match LockKind::of("_thread.lock", target.printed("lock_size"), header).expect("a known lock") {
        LockKind::Mutex { at } => assert_eq!(byte(lock + at), 1),
        LockKind::Semaphore { locked, .. } => assert_eq!(byte(lock + locked), 1),
        other => panic!("{}: {other:?}", target.build),
    }
    let rlock = target.printed("rlock");
    match LockKind::of("_thread.RLock", target.printed("rlock_size"), header).expect("a known lock")
    {
        LockKind::Recursive { at, owner, level } => {
            assert_eq!((byte(rlock + at), target.word(rlock + level)), (1, 1), "{}", target.build);
            assert_eq!(target.word(rlock + owner), target.printed("ident"), "{}", target.build);
        }
        LockKind::RecursiveSemaphore { owner, count, .. } => {
            assert_eq!(target.word(rlock + count), 2, "{}", target.build);
            assert_eq!(target.word(rlock + owner), target.printed("ident"), "{}", target.build);
        }
        other => panic!("{}: {other:?}", target.build),
    }
    assert_eq!(LockKind::of("_thread.lock", 4096, header), None);
    assert_eq!(LockKind::of("list", target.printed("lock_size"), header), None);
}

pub(crate) fn waits(target: &LayoutTarget) {
    for (name, waits_at) in [
        ("joiner", None),
        ("getter", Some(target.printed("items") + target.python.offsets().pyobject.size)),
    ] {
        let entry = target.parked(name);
        let address = target.word(entry + WaitEntry::ADDRESS);
        match waits_at {
            Some(expected) => assert_eq!(address, expected, "{}: {name}", target.build),
            None => {
                let handle = address - ThreadHandle::EXITING;
                assert_eq!(
                    target.word(handle + ThreadHandle::IDENT),
                    target.printed("sleeper_ident"),
                    "{}",
                    target.build
                );
                assert_eq!(
                    target.memory().u32(handle + ThreadHandle::STATE),
                    Ok(3),
                    "{}: running",
                    target.build
                );
            }
        }
        // The entry is linked into its bucket's list: its neighbours point back to it.
        let node = entry + WaitEntry::NODE;
        let (next, previous) = (target.word(node), target.word(node + 8));
        assert_eq!(
            (target.word(next + 8), target.word(previous)),
            (node, node),
            "{}: {name}",
            target.build
        );
    }
}
