//! Cycles in the order in which threads acquire locks: potential deadlocks.
//!
//! A cycle is one only if each pair is of another thread, and if no lock (a gate) is held around all of
//! them. If two of these threads were ordered by starting and joining, they could not have met in this
//! run, but may in another.

use crate::event::{Event, Order};

/// Longest cycle searched for.
const MAX_LENGTH: usize = 4;

/// Returns one cycle for each set of locks.
pub(crate) fn cycles(events: &[Event]) -> Vec<Vec<&Order>> {
    let orders: Vec<&Order> = events
        .iter()
        .filter_map(|event| match event {
            Event::Order(order) => Some(order.as_ref()),
            _ => None,
        })
        .collect();
    let mut found: Vec<Vec<&Order>> = Vec::new();
    for &first in &orders {
        extend(&orders, &mut vec![first], &mut found);
    }
    found
}

fn extend<'a>(orders: &[&'a Order], path: &mut Vec<&'a Order>, found: &mut Vec<Vec<&'a Order>>) {
    let (Some(first), Some(last)) = (path.first().copied(), path.last().copied()) else { return };
    if path.len() > 1 && last.acquired == first.held {
        let locks = |cycle: &[&Order]| {
            let mut locks: Vec<u64> = cycle.iter().map(|order| order.held).collect();
            locks.sort_unstable();
            locks
        };
        if !found.iter().any(|known| locks(known) == locks(path)) {
            found.push(path.clone());
        }
        return;
    }
    if path.len() == MAX_LENGTH {
        return;
    }
    for &next in orders {
        // Each cycle is found once, from the pair whose held lock has the lowest number.
        let fits = next.held == last.acquired
            && next.held > first.held
            && path.iter().all(|before| {
                before.serial != next.serial
                    && !before.gates.iter().any(|gate| next.gates.contains(gate))
            });
        if fits {
            path.push(next);
            extend(orders, path, found);
            path.pop();
        }
    }
}

/// Returns whether all threads of a cycle could have run at the same time.
pub(crate) fn can_meet(cycle: &[&Order]) -> bool {
    cycle
        .iter()
        .enumerate()
        .all(|(index, one)| cycle.iter().skip(index + 1).all(|other| are_concurrent(one, other)))
}

/// Returns whether neither thread had ended before the other one started.
fn are_concurrent(one: &Order, other: &Order) -> bool {
    let knows = |knower: &Order, known: &Order| {
        let time = |order: &Order| order.clock.get(known.number).copied().unwrap_or(0);
        time(knower) >= time(known)
    };
    one.number != other.number && !knows(one, other) && !knows(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(number: usize, clock: &[u32], held: u64, acquired: u64, gates: &[u64]) -> Event {
        Event::Order(Box::new(Order {
            thread: String::new(),
            serial: number as u64,
            number,
            clock: clock.to_vec(),
            held,
            acquired,
            gates: gates.to_vec(),
            held_stack: Vec::new(),
            stack: Vec::new(),
        }))
    }

    #[test]
    fn two_threads_with_opposite_orders_are_a_cycle() {
        let events = [order(1, &[1, 1, 0], 7, 8, &[]), order(2, &[1, 0, 1], 8, 7, &[])];
        assert_eq!(cycles(&events).len(), 1);
    }

    #[test]
    fn three_locks_in_a_ring_are_a_cycle() {
        let events = [
            order(1, &[1, 1, 0, 0], 7, 8, &[]),
            order(2, &[1, 0, 1, 0], 8, 9, &[]),
            order(3, &[1, 0, 0, 1], 9, 7, &[]),
        ];
        assert_eq!(cycles(&events).len(), 1);
    }

    #[test]
    fn one_thread_cannot_wait_for_itself() {
        let events = [order(1, &[1, 1], 7, 8, &[]), order(1, &[1, 1], 8, 7, &[])];
        assert!(cycles(&events).is_empty());
    }

    #[test]
    fn a_gate_lock_prevents_it() {
        let events = [order(1, &[1, 1, 0], 7, 8, &[5]), order(2, &[1, 0, 1], 8, 7, &[5])];
        assert!(cycles(&events).is_empty());
    }

    #[test]
    fn a_thread_that_was_joined_before_cannot_meet_the_other() {
        let joined = [order(1, &[1, 1, 0], 7, 8, &[]), order(2, &[3, 2, 1], 8, 7, &[])];
        let found = cycles(&joined);
        assert!(found.len() == 1 && !can_meet(&found[0]));
        let beside = [order(1, &[1, 1, 0], 7, 8, &[]), order(2, &[1, 0, 1], 8, 7, &[])];
        assert!(can_meet(&cycles(&beside)[0]));
    }
}
