//! Lock orders that could deadlock, as plain data.

use super::builder::hex;
use crate::frames::CodeLine;
use crate::lock_order::{LockOrder, OrderCycle};
use crate::memory::ReadError;
use crate::python::Python;
use crate::thread_dump::{ThreadDump, thread_names};
use crate::thread_observer::ThreadObserver;
use crate::wait_target::WaitTarget;
use rustc_hash::FxHashMap;
use serde::Serialize;
use std::fmt;
use std::time::{Duration, Instant};
use ungil_format::counted;

/// Pause between two looks, as a multiple of the duration of a look; at least [`MIN_PAUSE`].
const PAUSE_FACTOR: u32 = 2;
const MIN_PAUSE: Duration = Duration::from_millis(1);

/// Maximum number of searches for the name of a lock. A search takes milliseconds.
const MAX_SEARCHES: u8 = 8;

/// A cycle of lock orders: it has not deadlocked, but could.
#[derive(Debug, Clone, Serialize)]
pub struct LockOrderView {
    /// In each edge, a thread takes the lock that is held in the next edge; in the last edge, the
    /// one held in the first.
    pub edges: Vec<OrderEdgeView>,
}

/// A thread took one lock while it held another.
#[derive(Debug, Clone, Serialize)]
pub struct OrderEdgeView {
    /// Kernel thread id.
    pub native_id: u32,
    /// Thread name.
    pub thread: String,
    /// The lock it held.
    pub held: LockView,
    /// Where it took that lock.
    pub held_at: Option<CodeLine>,
    /// The lock it took, or waited for.
    pub taken: LockView,
    /// Where it took or waited for that lock.
    pub taken_at: Option<CodeLine>,
    /// Number of looks that saw this.
    pub count: u64,
}

/// A lock by name.
#[derive(Debug, Clone, Serialize)]
pub struct LockView {
    /// Address of the object.
    pub lock: String,
    /// Kind of the lock.
    pub kind: WaitTarget,
    /// Name used by the program.
    pub name: Option<String>,
}

/// Result of watching lock orders.
#[derive(Debug, Clone, Default)]
pub struct LockOrders {
    /// Cycles.
    pub cycles: Vec<LockOrderView>,
    /// Number of cycles omitted because only the frames taking a lock refer to it: it may be
    /// several locks that successively had the same address.
    pub left_out: usize,
}

/// Watches the orders in which threads take locks until `is_over` returns `true`.
///
/// # Errors
/// The process ended or may no longer be read.
pub fn watch_lock_order(
    python: &mut Python,
    observer: &mut ThreadObserver,
    order: &mut LockOrder,
    is_over: &mut dyn FnMut() -> bool,
) -> Result<(), ReadError> {
    while !is_over() {
        let begin = Instant::now();
        order.add(&observer.dump(python)?);
        std::thread::sleep((begin.elapsed() * PAUSE_FACTOR).max(MIN_PAUSE));
    }
    Ok(())
}

/// Names the locks in the cycles of `order`, with `dump` a look at the same process. The names are
/// cached in `order`.
#[must_use]
pub fn lock_orders(order: &mut LockOrder, python: &Python, dump: &ThreadDump) -> LockOrders {
    let cycles = order.cycles();
    if cycles.is_empty() {
        return LockOrders::default();
    }
    search_names(order, &cycles, python, dump);
    let threads = thread_names(python, dump);
    let by_tid: FxHashMap<u32, &String> = dump
        .threads
        .iter()
        .filter_map(|info| Some((info.thread.native_id, threads.get(&info.thread.address)?)))
        .collect();
    let mut found = LockOrders::default();
    for cycle in cycles {
        if cycle.iter().all(|edge| matches!(order.names.get(&edge.held), Some((Some(_), _)))) {
            found.cycles.push(view(order, &cycle, &by_tid));
        } else {
            found.left_out += 1;
        }
    }
    found
}

/// Searches for the names of the locks of `cycles` that have none yet.
fn search_names(order: &mut LockOrder, cycles: &[OrderCycle], python: &Python, dump: &ThreadDump) {
    let names = &order.names;
    let is_wanted =
        |lock: &u64| !matches!(names.get(lock), Some((Some(_), _) | (_, MAX_SEARCHES..)));
    let mut wanted: Vec<u64> =
        cycles.iter().flatten().map(|edge| edge.held).filter(is_wanted).collect();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        return;
    }
    // Frames that hold or wait for a lock are skipped: what only they refer to may be a new lock
    // each time.
    let frames = dump.threads.iter().flat_map(|info| {
        let holding = info.holds.iter().filter_map(|hold| hold.frame).max();
        let taking = info.wait.as_ref().map(|_| 0);
        info.frames().iter().skip(holding.max(taking).map_or(0, |index| index + 1))
    });
    let mut found = python.names(wanted.iter().copied(), frames);
    for lock in wanted {
        let (name, searches) = order.names.entry(lock).or_default();
        *searches = searches.saturating_add(1);
        *name = found.remove(&lock).or_else(|| name.take());
    }
}

fn view(order: &LockOrder, cycle: &OrderCycle, threads: &FxHashMap<u32, &String>) -> LockOrderView {
    let lock = |address: u64| {
        let known = order.lock(address);
        LockView {
            lock: hex(address),
            kind: known.map_or(WaitTarget::Lock, |known| known.target.clone()),
            name: known
                .and_then(|known| known.name.clone())
                .or_else(|| order.names.get(&address)?.0.as_ref().map(ToString::to_string)),
        }
    };
    let edges = cycle.iter().map(|edge| OrderEdgeView {
        native_id: edge.thread,
        thread: threads
            .get(&edge.thread)
            .map_or_else(|| format!("thread {}", edge.thread), |name| (*name).clone()),
        held: lock(edge.held),
        held_at: edge.held_at.clone(),
        taken: lock(edge.taken),
        taken_at: edge.taken_at.clone(),
        count: edge.count,
    });
    LockOrderView { edges: edges.collect() }
}

impl fmt::Display for LockView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} \"{name}\"", self.kind.label()),
            None => write!(f, "{} {}", self.kind.label(), self.lock),
        }
    }
}

impl fmt::Display for OrderEdgeView {
    /// Formats as `"worker-1" (4712) takes threading.Lock "b" at move (app.py:12) while it holds
    /// threading.Lock "a" (seen 7 times)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" ({}) takes {}", self.thread, self.native_id, self.taken)?;
        if let Some(at) = &self.taken_at {
            write!(f, " at {at}")?;
        }
        write!(f, " while it holds {}", self.held)?;
        if let Some(at) = self.held_at.as_ref().filter(|at| Some(*at) != self.taken_at.as_ref()) {
            write!(f, " from {at}")?;
        }
        write!(f, " (seen {})", counted(self.count, "time"))
    }
}

impl fmt::Display for LockOrderView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, edge) in self.edges.iter().enumerate() {
            write!(f, "{}{edge}", if index > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}
