//! Threads, locks that are held, and threads that wait.

use crate::{Target, eventually};
use ungil_remote::layout::{CriticalSection, LockKind, ThreadHandle, WaitEntry};

pub(crate) fn threads(target: &Target) {
    let layout = target.python.layout();
    let at = layout.thread_state;
    let threads = target.threads();
    let mut ids: Vec<u64> = threads.iter().map(|thread| target.word(thread.address + at.id)).collect();
    // Newest first.
    assert!(ids.is_sorted_by(|a, b| a > b) && ids.pop() == Some(1), "{}: {ids:?}", target.build);
    for thread in &threads {
        assert_eq!(target.memory().u32(thread.address + at.state), Ok(0), "{}: they all wait", target.build);
    }
    let looper = target.thread("looper").address;
    assert_eq!(target.word(looper + at.running_loop), target.said("loop"), "{}", target.build);
    if target.minor() >= 14 {
        let running = at.running_task.expect("a field");
        assert_eq!(target.word(looper + running), target.said("task"), "{}", target.build);
        let head = looper + at.tasks_head.expect("a field");
        let mut nodes = Vec::new();
        let mut node = target.word(head);
        while node != head && nodes.len() < 10 {
            nodes.push(node);
            node = target.word(node);
        }
        // The main task and the one it made.
        let inside =
            |name: &str| nodes.iter().any(|node| (0..256).contains(&node.wrapping_sub(target.said(name))));
        assert!(nodes.len() == 2 && inside("task") && inside("waiting_task"), "{}: {nodes:x?}", target.build);
        let list = target.interpreter() + layout.interpreter.tasks_head.expect("a field");
        assert_eq!(target.word(list), list, "{}: no thread with tasks is gone", target.build);

        let maps = std::fs::read_to_string(format!("/proc/{}/maps", target.child.id())).expect("maps");
        let stack = maps.lines().find(|line| line.ends_with("[stack]")).expect("a stack");
        let end = stack.split([' ', '-']).nth(1).expect("an end");
        let end = u64::from_str_radix(end, 16).expect("an address");
        let bounds = at.c_stack.expect("fields");
        let main = target.thread("main").address;
        let [top, soft, hard] =
            [bounds.top, bounds.soft_limit, bounds.hard_limit].map(|o| target.word(main + o));
        assert!(hard < soft && soft < top, "{}", target.build);
        assert!(end.abs_diff(top) < 1 << 20, "{}: {top:x} {end:x}", target.build);
    }
    // The thread that sleeps in `__eq__` is in the set's critical section, which is suspended meanwhile.
    if let Some(section) = at.critical_section {
        let adder = target.thread("adder").address;
        let section = eventually(|| Some(target.word(adder + section)).filter(|&section| section != 0));
        assert_eq!(section & CriticalSection::INACTIVE, CriticalSection::INACTIVE, "{}", target.build);
        let mutex = target.word((section & !CriticalSection::FLAGS) + CriticalSection::MUTEX);
        let object_mutex = layout.objects.mutex.expect("a field");
        assert_eq!(mutex, target.said("slow_set") + object_mutex, "{}", target.build);
    }
}

pub(crate) fn locks(target: &Target) {
    let locks = &target.python.layout().locks;
    let byte = |address| target.memory().u8(address).expect("a byte");
    let lock = target.said("lock");
    match locks.kind("_thread.lock", target.said("lock_size")).expect("a known lock") {
        LockKind::Mutex { at } => assert_eq!(byte(lock + at), 1),
        LockKind::Semaphore { locked, .. } => assert_eq!(byte(lock + locked), 1),
        other => panic!("{}: {other:?}", target.build),
    }
    let rlock = target.said("rlock");
    match locks.kind("_thread.RLock", target.said("rlock_size")).expect("a known lock") {
        LockKind::Recursive { at, owner, level } => {
            assert_eq!((byte(rlock + at), target.word(rlock + level)), (1, 1), "{}", target.build);
            assert_eq!(target.word(rlock + owner), target.said("ident"), "{}", target.build);
        }
        LockKind::RecursiveSemaphore { owner, count, .. } => {
            assert_eq!(target.word(rlock + count), 2, "{}", target.build);
            assert_eq!(target.word(rlock + owner), target.said("ident"), "{}", target.build);
        }
        other => panic!("{}: {other:?}", target.build),
    }
    assert_eq!(locks.kind("_thread.lock", 4096), None);
    assert_eq!(locks.kind("list", target.said("lock_size")), None);
}

pub(crate) fn waits(target: &Target) {
    for (name, waits_at) in
        [("joiner", None), ("getter", Some(target.said("items") + target.python.layout().locks.simple_queue))]
    {
        let entry = target.parked(name);
        let address = target.word(entry + WaitEntry::ADDRESS);
        match waits_at {
            Some(expected) => assert_eq!(address, expected, "{}: {name}", target.build),
            None => {
                let handle = address - ThreadHandle::EXITING;
                assert_eq!(
                    target.word(handle + ThreadHandle::IDENT),
                    target.said("sleeper_ident"),
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
        // It hangs in its bucket's list, between whoever else waits there and the bucket itself.
        let node = entry + WaitEntry::NODE;
        let (next, previous) = (target.word(node), target.word(node + 8));
        assert_eq!((target.word(next + 8), target.word(previous)), (node, node), "{}: {name}", target.build);
    }
}
