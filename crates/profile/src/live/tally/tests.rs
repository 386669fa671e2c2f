//! Tests of sums over looks whose times are given.

use super::*;
use crate::live::ThreadObservation;
use ungil_remote::{Releaser, WaitedObject};

fn code_line(line: u32) -> Arc<CodeLine> {
    Arc::new(CodeLine { function: "f".into(), file: "a.py".into(), line: Some(line) })
}

fn look(threads: &[(u32, ThreadState, Option<u64>, u32)]) -> Look {
    let seen =
        |&(thread, state, object, line): &(u32, ThreadState, Option<u64>, u32)| ThreadObservation {
            thread,
            state,
            line: Some(code_line(line)),
            wait: object.map(|object| {
                let (target, releaser) = (WaitTarget::Lock, Releaser::WithBlock);
                Arc::new(WaitedObject { object, target, name: None, releaser })
            }),
        };
    Look { at_ns: 0, threads: threads.iter().map(seen).collect(), torn: 0 }
}

#[test]
fn time_is_added_to_thread_line_and_lock() {
    let mut tally = Tally::default();
    tally.add(
        &look(&[
            (1, ThreadState::Running, None, 10),
            (2, ThreadState::Lock, Some(7), 20),
            (3, ThreadState::Lock, Some(7), 20),
        ]),
        0.5,
    );
    tally.add(
        &look(&[
            (1, ThreadState::Lock, Some(7), 11),
            (2, ThreadState::Running, None, 21),
            (3, ThreadState::Event, Some(8), 30),
        ]),
        0.25,
    );
    assert!((tally.seconds - 0.75).abs() < 1e-12);
    assert_eq!(tally.threads[&1][ThreadState::Running.index()], 0.5);
    assert_eq!(tally.threads[&1][ThreadState::Lock.index()], 0.25);
    assert_eq!(tally.lines[&code_line(20)][ThreadState::Lock.index()], 1.0);
    assert_eq!(tally.objects.len(), 1, "an event is not contended");
    let object = &tally.objects[&7];
    assert_eq!((object.wait_s, object.most_waiters), (1.25, 2));
    assert_eq!(object.line.as_ref().map(|(line, _)| line.line), Some(Some(20)));
    assert_eq!(tally.of_state(ThreadState::Lock), 1.25);
}

#[test]
fn merging_two_halves_equals_the_whole() {
    let looks: Vec<Look> = (0..40_u32)
        .map(|i| {
            look(&[(i % 3, ThreadState::ALL[i as usize % 7], Some(u64::from(i % 4)), 10 + i % 5)])
        })
        .collect();
    let mut whole = Tally::default();
    let mut halves = [Tally::default(), Tally::default()];
    for (i, look) in looks.iter().enumerate() {
        whole.add(look, 0.125);
        halves[i / 20].add(look, 0.125);
    }
    let [mut first, second] = halves;
    first.merge(&second);
    assert_eq!((first.looks, first.seconds), (whole.looks, whole.seconds));
    assert_eq!(first.threads, whole.threads);
    assert_eq!(first.lines, whole.lines);
    for (object, known) in &whole.objects {
        assert_eq!(first.objects[object].wait_s, known.wait_s);
    }
}

#[test]
fn keys_beyond_the_bound_are_counted_but_not_kept() {
    let mut tally = Tally::default();
    for line in 0..(MAX_KEYS as u32 + 100) {
        tally.add(&look(&[(1, ThreadState::Running, None, line)]), 1.0);
    }
    assert_eq!(tally.lines.len(), MAX_KEYS);
    assert_eq!(tally.dropped_s, 100.0);
}
