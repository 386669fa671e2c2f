//! Wait cycles: threads that wait for each other and therefore wait forever.
//!
//! A thread is stuck if everything that could end its wait comes from stuck threads. A thread that
//! waits with a timeout, for a notification that anyone may send, or for an unknown holder is not
//! considered stuck. The strongly connected components of the remaining graph are the deadlocks.
//! Threads that wait for a member of a component are stuck too, but they are not part of the cause.

use std::collections::BTreeSet;

/// For each thread, the threads of which it needs at least one in order to continue; `None` if it
/// may continue without them.
pub type Waits = [Option<Vec<usize>>];

/// Returns the cycles. A cycle that is a plain ring is in the order of waiting, starting with its
/// lowest index.
#[must_use]
pub fn cycles(waits: &Waits) -> Vec<Vec<usize>> {
    let stuck = stuck(waits);
    let none = Vec::new();
    let after =
        |thread: usize| if stuck[thread] { waits[thread].as_ref().unwrap_or(&none) } else { &none };
    let mut found: Vec<Vec<usize>> = components(waits.len(), after)
        .into_iter()
        .filter(|part| match part.as_slice() {
            [alone] => after(*alone).contains(alone),
            _ => true,
        })
        .map(|part| in_order(part, after))
        .collect();
    found.sort_unstable();
    found
}

/// Returns for each thread whether it is stuck. Starts with all waiting threads and removes those
/// that have a holder that is not stuck, until nothing changes.
fn stuck(waits: &Waits) -> Vec<bool> {
    let mut stuck: Vec<bool> =
        waits.iter().map(|wait| wait.as_ref().is_some_and(|holders| !holders.is_empty())).collect();
    loop {
        let free: Vec<usize> = (0..waits.len())
            .filter(|&thread| stuck[thread])
            .filter(|&thread| {
                let holders = waits[thread].iter().flatten();
                holders.copied().any(|holder| !stuck.get(holder).copied().unwrap_or(false))
            })
            .collect();
        if free.is_empty() {
            return stuck;
        }
        free.into_iter().for_each(|thread| stuck[thread] = false);
    }
}

/// Returns the strongly connected components (Kosaraju's algorithm). Not recursive, because
/// hundreds of threads may wait in one chain.
fn components<'a>(count: usize, after: impl Fn(usize) -> &'a Vec<usize>) -> Vec<Vec<usize>> {
    let mut before = vec![Vec::new(); count];
    for thread in 0..count {
        for &holder in after(thread).iter().filter(|&&holder| holder < count) {
            before[holder].push(thread);
        }
    }
    let mut finished = Vec::with_capacity(count);
    let mut seen = vec![false; count];
    for start in 0..count {
        let mut path = if seen[start] { Vec::new() } else { vec![(start, 0)] };
        seen[start] = true;
        while let Some((thread, next)) = path.last_mut() {
            match after(*thread).get(*next) {
                Some(&holder) => {
                    *next += 1;
                    if holder < count && !std::mem::replace(&mut seen[holder], true) {
                        path.push((holder, 0));
                    }
                }
                None => finished.extend(path.pop().map(|(thread, _)| thread)),
            }
        }
    }
    let mut parts = Vec::new();
    let mut taken = vec![false; count];
    for &start in finished.iter().rev() {
        let mut part = Vec::new();
        let mut open = vec![start];
        while let Some(thread) = open.pop() {
            if !std::mem::replace(&mut taken[thread], true) {
                part.push(thread);
                open.extend_from_slice(&before[thread]);
            }
        }
        if !part.is_empty() {
            parts.push(part);
        }
    }
    parts
}

/// Orders a component along its waits, starting with its lowest index. Threads that one walk does
/// not reach follow in index order.
fn in_order<'a>(mut part: Vec<usize>, after: impl Fn(usize) -> &'a Vec<usize>) -> Vec<usize> {
    part.sort_unstable();
    let mut left: BTreeSet<usize> = part.iter().copied().collect();
    let mut order = Vec::with_capacity(part.len());
    let mut next = part.first().copied();
    while let Some(thread) = next {
        left.remove(&thread);
        order.push(thread);
        next = after(thread).iter().copied().find(|holder| left.contains(holder));
    }
    order.extend(left);
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn waits(edges: &[&[usize]]) -> Vec<Option<Vec<usize>>> {
        edges.iter().map(|holders| (!holders.is_empty()).then(|| holders.to_vec())).collect()
    }

    #[test]
    fn finds_rings_but_not_chains() {
        assert_eq!(cycles(&waits(&[&[1], &[0]])), [[0, 1]]);
        assert_eq!(cycles(&waits(&[&[2], &[0], &[1]])), [[0, 2, 1]]);
        assert_eq!(cycles(&waits(&[&[0]])), [[0]], "a thread that waits for itself");
        assert_eq!(cycles(&waits(&[&[1], &[2], &[]])), [[0; 0]; 0], "a chain whose end runs");
        assert_eq!(
            cycles(&waits(&[&[1], &[0], &[0], &[2]])),
            [[0, 1]],
            "a thread that waits for a ring is not in it"
        );
        assert_eq!(cycles(&waits(&[&[1], &[0], &[3], &[2]])), [[0, 1], [2, 3]]);
    }

    #[test]
    fn no_cycle_if_one_holder_can_continue() {
        // Two holders of a semaphore, one of which runs.
        assert_eq!(cycles(&waits(&[&[1, 2], &[0], &[]])), [[0; 0]; 0]);
        assert_eq!(cycles(&waits(&[&[1, 2], &[0], &[0]])), [[0, 1, 2]]);
    }

    #[test]
    fn long_ring_does_not_overflow_the_stack() {
        let count = 100_000;
        let ring: Vec<_> = (0..count).map(|thread| Some(vec![(thread + 1) % count])).collect();
        assert_eq!(cycles(&ring).len(), 1);
    }

    proptest! {
        /// With one holder per thread, a thread is in a cycle if and only if following the holders
        /// leads back to it.
        #[test]
        fn matches_following_the_holders(next: Vec<Option<u8>>) {
            let graph: Vec<_> = next.iter().map(|holder| holder.map(|holder| vec![usize::from(holder)])).collect();
            let found = cycles(&graph);
            for start in 0..graph.len() {
                let mut at = start;
                let back = (0..graph.len()).any(|_| {
                    match graph.get(at).and_then(|holders| holders.as_ref()) {
                        Some(holders) => { at = holders[0]; at == start }
                        None => { at = usize::MAX; false }
                    }
                });
                prop_assert_eq!(found.iter().any(|cycle| cycle.contains(&start)), back);
            }
        }
    }
}
