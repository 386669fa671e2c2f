//! Potential deadlocks: cycles in the order in which threads take locks, accumulated over many
//! looks.
//!
//! A thread that holds `A` and waits for or holds `B`, taken later, adds an edge from `A` to `B`
//! (the lock-order graph of the Goodlock algorithm: Havelund, "Using runtime analysis to guide
//! model checking of Java programs", 2000). A cycle of edges by different threads could deadlock
//! under another schedule, unless the threads of all its edges hold a common lock (a gate), which
//! admits only one of them at a time. Only exclusive locks count; a lock that a thread already
//! holds and takes again adds no edge. The address of a freed lock may be reused by another lock,
//! so locks that only the frames taking them refer to are omitted.

use crate::frames::{CodeLine, Frame};
use crate::locks::Hold;
use crate::referrers::ReferrerName;
use crate::thread_dump::ThreadDump;
use crate::wait_target::{WaitTarget, WaitedObject};
use rustc_hash::{FxHashMap, FxHashSet};

/// Maximum number of edges kept (the first ones), so that programs that keep creating locks do not
/// grow the graph without bound.
const MAX_EDGES: usize = 1 << 14;
/// Maximum number of locks in a cycle.
const MAX_CYCLE: usize = 8;
/// Maximum number of cycles reported.
const MAX_CYCLES: usize = 64;

/// A thread took a lock while it held another one.
#[derive(Debug, Clone)]
pub struct OrderEdge {
    /// Address of the lock held.
    pub held: u64,
    /// Address of the lock taken, or waited for.
    pub taken: u64,
    /// Kernel thread id.
    pub thread: u32,
    /// Line that took the first lock.
    pub held_at: Option<CodeLine>,
    /// Line that takes the second lock.
    pub taken_at: Option<CodeLine>,
    /// Number of looks that saw this edge.
    pub count: u64,
    /// Other locks that the thread held every time.
    gates: FxHashSet<u64>,
}

/// A lock in the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderedLock {
    /// Kind of the lock.
    pub target: WaitTarget,
    /// Name stored in the lock itself.
    pub name: Option<String>,
}

/// Lock orders seen in one process.
#[derive(Debug, Default)]
pub struct LockOrder {
    edges: FxHashMap<(u64, u64, u32), OrderEdge>,
    locks: FxHashMap<u64, OrderedLock>,
    /// Names of locks in cycles, and the number of searches for each.
    pub(crate) names: FxHashMap<u64, (Option<ReferrerName>, u8)>,
}

/// A cycle of edges. Each edge starts at the lock that the previous one takes.
pub type OrderCycle = Vec<OrderEdge>;

/// Returns whether a lock admits one thread at a time, so that the order of taking it can cause a
/// deadlock.
fn is_exclusive(target: &WaitTarget) -> bool {
    match target {
        WaitTarget::Lock | WaitTarget::RLock => true,
        WaitTarget::PackageLock(name) => matches!(&**name, "ungil.Lock" | "ungil.RLock"),
        _ => false,
    }
}

impl LockOrder {
    /// Adds the threads of a look that slept throughout it. The locks of a running thread were not
    /// read at one moment; a gate that seems not to be held would turn a harmless order into a
    /// false finding.
    pub fn add(&mut self, dump: &ThreadDump) {
        for info in dump.threads.iter().filter(|info| info.consistent) {
            self.observe(info.thread.native_id, info.frames(), &info.holds, info.wait.as_deref());
        }
    }

    /// Adds a thread: its frames and the locks it holds, innermost first, and what it waits for.
    pub fn observe(
        &mut self,
        thread: u32,
        frames: &[Frame],
        holds: &[Hold],
        wait: Option<&WaitedObject>,
    ) {
        let line =
            |frame: Option<usize>| frame.and_then(|index| frames.get(index)).map(Frame::code_line);
        let taken = |lock, target: &WaitTarget, name: &Option<String>, at| {
            let lock_is = OrderedLock { target: target.clone(), name: name.clone() };
            is_exclusive(target).then_some((lock, at, lock_is))
        };
        // The order of holds without a frame is unknown; they only count as held when something is
        // waited for.
        let with_frames = holds.iter().rev().filter(|hold| hold.frame.is_some());
        let mut order: Vec<_> = with_frames
            .filter_map(|hold| taken(hold.lock, &hold.target, &hold.name, line(hold.frame)))
            .collect();
        let held: FxHashSet<u64> = holds.iter().map(|hold| hold.lock).collect();
        if let Some(wait) = wait.filter(|wait| !held.contains(&wait.object)) {
            order.extend(taken(
                wait.object,
                &wait.target,
                &wait.name,
                line((!frames.is_empty()).then_some(0)),
            ));
        }
        for (index, (lock, at, is)) in order.iter().enumerate() {
            for (outer, outer_at, outer_is) in &order[..index] {
                let gates =
                    || held.iter().copied().filter(|gate| gate != outer && gate != lock).collect();
                let key = (*outer, *lock, thread);
                if self.edges.len() >= MAX_EDGES && !self.edges.contains_key(&key) {
                    continue;
                }
                let edge = self.edges.entry(key).or_insert_with(|| OrderEdge {
                    held: *outer,
                    taken: *lock,
                    thread,
                    held_at: outer_at.clone(),
                    taken_at: at.clone(),
                    count: 0,
                    gates: gates(),
                });
                edge.count += 1;
                edge.gates.retain(|gate| held.contains(gate));
                self.locks.insert(*outer, outer_is.clone());
                self.locks.insert(*lock, is.clone());
            }
        }
    }

    /// Returns what is known about a lock of an edge.
    #[must_use]
    pub fn lock(&self, lock: u64) -> Option<&OrderedLock> {
        self.locks.get(&lock)
    }

    /// Returns the cycles that could deadlock, shortest first.
    #[must_use]
    pub fn cycles(&self) -> Vec<OrderCycle> {
        let mut after: FxHashMap<u64, Vec<&OrderEdge>> = FxHashMap::default();
        for edge in self.edges.values() {
            after.entry(edge.held).or_default().push(edge);
        }
        after.values_mut().for_each(|edges| edges.sort_by_key(|edge| (edge.taken, edge.thread)));
        let mut starts: Vec<u64> = after.keys().copied().collect();
        starts.sort_unstable();
        let mut found = Vec::new();
        for &start in &starts {
            let search = CycleSearch { after: &after, start };
            search.extend(&mut Vec::new(), start, &mut found);
        }
        // The same cycle by other threads is reported once.
        let mut seen = FxHashSet::default();
        found.retain(|cycle: &OrderCycle| {
            seen.insert(cycle.iter().map(|edge| edge.held).collect::<Vec<_>>())
        });
        found.sort_by_key(Vec::len);
        found.truncate(MAX_CYCLES);
        found
    }
}

/// Depth-first search for the cycles whose lowest lock address is `start`.
struct CycleSearch<'a> {
    after: &'a FxHashMap<u64, Vec<&'a OrderEdge>>,
    start: u64,
}

impl CycleSearch<'_> {
    fn extend(&self, path: &mut Vec<OrderEdge>, at: u64, found: &mut Vec<OrderCycle>) {
        if path.len() >= MAX_CYCLE || found.len() >= MAX_CYCLES * 16 {
            return;
        }
        for edge in self.after.get(&at).into_iter().flatten() {
            let repeats =
                |known: &OrderEdge| known.thread == edge.thread || known.held == edge.taken;
            let closes = edge.taken == self.start;
            if edge.taken < self.start
                || path
                    .iter()
                    .any(|known| repeats(known) && !(closes && known.thread != edge.thread))
            {
                continue;
            }
            path.push((*edge).clone());
            if !closes {
                self.extend(path, edge.taken, found);
            } else if path.len() > 1 && !has_gate(path) {
                found.push(path.clone());
            }
            path.pop();
        }
    }
}

/// Returns whether one lock was held during all edges.
fn has_gate(cycle: &[OrderEdge]) -> bool {
    let Some((first, rest)) = cycle.split_first() else { return false };
    first.gates.iter().any(|gate| rest.iter().all(|edge| edge.gates.contains(gate)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locks::Confidence;
    use crate::wait_target::Releaser;

    /// Records that `thread` holds these locks, taken in this order, and waits for `waits`.
    fn saw(order: &mut LockOrder, thread: u32, held: &[u64], waits: Option<u64>) {
        let hold = |&lock: &u64| Hold {
            lock,
            target: WaitTarget::Lock,
            name: None,
            depth: 1,
            confidence: Confidence::With,
            frame: Some(0),
        };
        let holds: Vec<Hold> = held.iter().rev().map(hold).collect();
        let wait = waits.map(|lock| WaitedObject::new(lock, WaitTarget::Lock, Releaser::WithBlock));
        order.observe(thread, &[], &holds, wait.as_ref());
    }

    fn cycles(looks: &[(u32, &[u64], Option<u64>)]) -> Vec<Vec<u64>> {
        let mut order = LockOrder::default();
        looks.iter().for_each(|&(thread, held, waits)| saw(&mut order, thread, held, waits));
        order.cycles().iter().map(|cycle| cycle.iter().map(|edge| edge.held).collect()).collect()
    }

    #[test]
    fn finds_opposite_orders_of_held_and_awaited_locks() {
        assert_eq!(cycles(&[(1, &[10], Some(20)), (2, &[20], Some(10))]), [[10, 20]]);
        assert_eq!(cycles(&[(1, &[10, 20], None), (2, &[20, 10], None)]), [[10, 20]]);
        assert_eq!(
            cycles(&[(1, &[10], Some(20)), (2, &[20], Some(30)), (3, &[30], Some(10))]),
            [[10, 20, 30]]
        );
    }

    #[test]
    fn ignores_orders_that_cannot_deadlock() {
        let none: [Vec<u64>; 0] = [];
        assert_eq!(cycles(&[(1, &[10], Some(20)), (2, &[10], Some(20))]), none, "one order");
        assert_eq!(cycles(&[(1, &[10], Some(20)), (1, &[20], Some(10))]), none, "one thread");
        assert_eq!(cycles(&[(1, &[10], Some(10))]), none, "taken again");
        let gated: [(u32, &[u64], Option<u64>); 2] =
            [(1, &[5, 10], Some(20)), (2, &[5, 20], Some(10))];
        assert_eq!(cycles(&gated), none, "a gate");
        assert_eq!(
            cycles(&[(1, &[10], Some(20)), (2, &[20], Some(30)), (1, &[30], Some(10))]),
            none,
            "two edges of a thread"
        );
    }

    #[test]
    fn gate_must_always_be_held() {
        let found =
            cycles(&[(1, &[5, 10], Some(20)), (2, &[5, 20], Some(10)), (2, &[20], Some(10))]);
        assert_eq!(found, [[10, 20]]);
        let other = cycles(&[(1, &[5, 10], Some(20)), (2, &[6, 20], Some(10))]);
        assert_eq!(other, [[10, 20]], "two gates that are not the same");
    }
}
