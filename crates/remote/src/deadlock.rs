//! Cycles of waiting: threads that wait for each other and so will wait for ever.
//!
//! A thread is stuck if what it waits for can come only from threads that are stuck. Whoever waits
//! with a timeout, for anybody's notification or for a holder that cannot be told is not known to
//! be. Of what is left the strongly connected parts are the deadlocks; threads that wait for one of
//! those are stuck too, but are not its cause.

use std::collections::BTreeSet;

/// For each thread the threads without one of which it cannot go on; `None` where it may go on by
/// itself or by others.
pub type Waits = [Option<Vec<usize>>];

/// The cycles, each in the order of waiting from its first thread on where it is a plain ring.
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

/// The threads none of whose holders can go on: all are assumed to be, until one of those they wait
/// for is not.
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

/// Strongly connected components (Kosaraju), without recursion: hundreds of threads may wait in one
/// chain.
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

/// A part of the graph along its waits, from its lowest thread on; what one walk does not reach
/// follows by number.
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
    fn rings_are_found_and_chains_are_not() {
        assert_eq!(cycles(&waits(&[&[1], &[0]])), [[0, 1]]);
        assert_eq!(cycles(&waits(&[&[2], &[0], &[1]])), [[0, 2, 1]]);
        assert_eq!(cycles(&waits(&[&[0]])), [[0]], "a thread that waits for itself");
        assert_eq!(cycles(&waits(&[&[1], &[2], &[]])), [[0; 0]; 0], "a chain whose end runs");
        assert_eq!(
            cycles(&waits(&[&[1], &[0], &[0], &[2]])),
            [[0, 1]],
            "those who wait for a ring are not in it"
        );
        assert_eq!(cycles(&waits(&[&[1], &[0], &[3], &[2]])), [[0, 1], [2, 3]]);
    }

    #[test]
    fn one_holder_that_can_go_on_is_enough() {
        // Both holders of a semaphore: one runs.
        assert_eq!(cycles(&waits(&[&[1, 2], &[0], &[]])), [[0; 0]; 0]);
        assert_eq!(cycles(&waits(&[&[1, 2], &[0], &[0]])), [[0, 1, 2]]);
    }

    #[test]
    fn a_long_chain_does_not_use_up_the_stack() {
        let count = 100_000;
        let ring: Vec<_> = (0..count).map(|thread| Some(vec![(thread + 1) % count])).collect();
        assert_eq!(cycles(&ring).len(), 1);
    }

    proptest! {
        /// With one holder each, a thread is in a cycle exactly if following the holders leads back
        /// to it.
        #[test]
        fn as_following_the_holders_says(next: Vec<Option<u8>>) {
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
