//! Words that stand for themselves; keys are equal if their words are, or if a test says that only
//! asking can tell.

use super::{Ask, Outcome, Query, Search, Table, Taken, Verdict};
use crate::owned::Owned;
use crate::owned::plain::{Plain, own, word};

/// Keys of a chosen hash.
#[derive(Clone, Copy)]
struct Number {
    key: u64,
    hash: u64,
    asks: bool,
}

impl Query<Plain> for Number {
    fn differs(&self, stored: u64) -> bool {
        !self.asks && stored != word(self.key)
    }
    fn judge(&self, _stored: &Owned<Plain>) -> Verdict {
        Verdict::Ask
    }
}

type Numbers = Table<Plain, Plain>;

fn key(key: u64) -> Number {
    Number { key, hash: key, asks: false }
}

fn run<R>(
    key: Number,
    mut work: impl FnMut(&Number, &mut Search<Plain>) -> Result<R, Ask<Plain>>,
) -> (R, Search<Plain>) {
    let mut search = Search::new(key.hash, if key.asks { 0b10 } else { word(key.key) });
    loop {
        match work(&key, &mut search) {
            Ok(result) => return (result, search),
            Err(Ask(stored)) if stored.as_raw() == word(key.key) => search.accept(stored),
            Err(_) => search.pass(),
        }
    }
}

fn raw(value: Option<Owned<Plain>>) -> u64 {
    value.map_or(0, Owned::into_raw)
}

fn get(table: &Numbers, key: Number) -> u64 {
    raw(run(key, |k, s| table.get(k, s)).0)
}

/// Sets the value: what it was, or 0.
fn set(table: &Numbers, key: Number, value: u64) -> u64 {
    let mut value = own(value);
    loop {
        let (replaced, search) = run(key, |k, s| table.replace(k, s, &mut value));
        if replaced {
            return value.into_raw();
        }
        match table.insert(&search, own(key.key), value) {
            Ok(None) => return 0,
            Ok(Some(back)) => value = back,
            Err(full) => panic!("{full:?}"),
        }
    }
}

/// Puts the value in if there is none: whether it was.
fn offer(table: &Numbers, key: Number, value: u64) -> bool {
    let mut search = Search::new(key.hash, word(key.key));
    loop {
        if !matches!(table.get(&key, &mut search), Ok(None)) {
            return false;
        }
        if table.insert(&search, own(key.key), own(value)) == Ok(None) {
            return true;
        }
    }
}

fn remove(table: &Numbers, key: Number) -> Option<u64> {
    match run(key, |k, s| table.remove(k, s, None)).0 {
        Outcome::Done((_, value)) => Some(value.into_raw()),
        _ => None,
    }
}

fn words((key, value): Taken<Plain, Plain>) -> (u64, u64) {
    (key.into_raw(), value.into_raw())
}

#[cfg(not(loom))]
mod real {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[derive(Clone, Debug)]
    enum Step {
        Set(u64, u64),
        Remove(u64),
        Get(u64),
        Pop,
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0..40u64, 0..1000u64).prop_map(|(k, v)| Step::Set(k, v)),
            6 => (0..40u64).prop_map(Step::Remove),
            4 => (0..40u64).prop_map(Step::Get),
            1 => Just(Step::Pop),
            1 => Just(Step::Clear),
        ]
    }

    proptest! {
        #[test]
        fn it_does_what_a_map_does(steps in prop::collection::vec(step(), 0..400), same_hash: bool, shards in 1..4usize) {
            let table = Numbers::new(shards);
            let mut model = HashMap::new();
            let key = |k| Number { key: k, hash: if same_hash { 7 } else { k }, asks: same_hash };
            for step in steps {
                match step {
                    Step::Set(k, v) => {
                        prop_assert_eq!(set(&table, key(k), v), model.insert(k, v).map_or(0, word));
                    }
                    Step::Remove(k) => prop_assert_eq!(remove(&table, key(k)), model.remove(&k).map(word)),
                    Step::Get(k) => prop_assert_eq!(get(&table, key(k)), model.get(&k).copied().map_or(0, word)),
                    Step::Pop => match table.pop(3).map(words) {
                        Some((k, v)) => prop_assert_eq!(model.remove(&(k >> 2)).map(word), Some(v)),
                        None => prop_assert!(model.is_empty()),
                    },
                    Step::Clear => {
                        prop_assert_eq!(table.drain().map(|all| all.len()), Ok(model.len()));
                        model.clear();
                    }
                }
                prop_assert_eq!(table.len(), model.len());
            }
            let mut all: Vec<_> = (0..table.shards()).flat_map(|i| table.entries(i).unwrap_or_default()).map(words).collect();
            let mut expected: Vec<_> = model.into_iter().map(|(k, v)| (word(k), word(v))).collect();
            all.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(all, expected);
        }
    }

    #[test]
    fn threads_that_add_and_remove_lose_nothing() {
        let table = Numbers::new(2);
        let threads = 4;
        let wins = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let (table, wins) = (&table, &wins);
                scope.spawn(move || {
                    for round in 0..3000u64 {
                        // A key of its own: always there between its addition and its removal,
                        // however the table moves.
                        let mine = key(round << 3 | thread);
                        assert_eq!(set(table, mine, round + 1), 0);
                        assert_eq!(get(table, mine), word(round + 1));
                        assert_eq!(set(table, mine, round + 2), word(round + 1));
                        // A key that all want: one gets it.
                        wins.fetch_add(
                            u64::from(offer(table, key(1 << 40 | round), 1)),
                            Ordering::Relaxed,
                        );
                        assert_eq!(remove(table, mine), Some(word(round + 2)));
                        assert_eq!(get(table, mine), 0);
                    }
                });
            }
        });
        assert_eq!(wins.into_inner(), 3000);
        assert_eq!(table.len(), 3000);
    }

    #[test]
    fn what_is_popped_is_popped_once() {
        let table = Numbers::new(4);
        (0..4000).for_each(|n| assert_eq!(set(&table, key(n), n + 1), 0));
        let sum = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for start in 0..4 {
                let (table, sum) = (&table, &sum);
                scope.spawn(move || {
                    while let Some((k, v)) = table.pop(start).map(words) {
                        assert_eq!((k >> 2) + 1, v >> 2);
                        sum.fetch_add(v >> 2, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(sum.into_inner(), (1..=4000).sum());
        assert_eq!(table.len(), 0);
    }
}

#[cfg(loom)]
mod model {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// Two threads on a table of one shard, whose array holds one key before it must move.
    fn check<A: Send + 'static, B>(
        before: impl Fn(&Numbers) + Sync + Send + 'static,
        other: impl Fn(&Numbers) -> A + Copy + Sync + Send + 'static,
        this: impl Fn(&Numbers) -> B + Copy + Sync + Send + 'static,
        after: impl Fn(&Numbers, A, B) + Sync + Send + 'static,
    ) {
        // No bound on preemptions: loom then lets a thread that waits for a lock run on for ever.
        loom::model(move || {
            let table = Arc::new(Numbers::new(1));
            before(&table);
            let shared = table.clone();
            let thread = thread::spawn(move || other(&shared));
            let mine = this(&table);
            let others = thread.join().expect("no panic");
            after(&table, others, mine);
        });
    }

    #[test]
    fn two_that_add_one_key() {
        let after = |t: &Numbers, a, b| {
            assert!(a != b, "one of them adds it");
            assert_eq!(t.len(), 1);
        };
        check(|_| (), |t| offer(t, key(1), 10), |t| offer(t, key(1), 20), after);
    }

    #[test]
    fn replacing_while_the_array_moves() {
        let after = |t: &Numbers, old, _| {
            assert_eq!(old, word(10));
            assert_eq!(get(t, key(1)), word(11), "the new value moved along");
            assert_eq!((get(t, key(2)), get(t, key(3))), (word(20), word(30)));
        };
        let before = |t: &Numbers| assert_eq!(set(t, key(1), 10), 0);
        check(before, |t| set(t, key(1), 11), |t| (set(t, key(2), 20), set(t, key(3), 30)), after);
    }

    #[test]
    fn removing_while_the_array_moves() {
        let after = |t: &Numbers, gone, _| {
            assert_eq!(gone, Some(word(10)));
            assert_eq!((get(t, key(1)), get(t, key(2)), get(t, key(3))), (0, word(20), word(30)));
            assert_eq!(t.len(), 2);
        };
        let before = |t: &Numbers| assert_eq!(set(t, key(1), 10), 0);
        check(before, |t| remove(t, key(1)), |t| (set(t, key(2), 20), set(t, key(3), 30)), after);
    }

    #[test]
    fn reading_while_the_key_comes_and_goes() {
        let after = |_: &Numbers, read, _| assert!([0, word(10), word(11)].contains(&read));
        check(
            |t| assert_eq!(set(t, key(1), 10), 0),
            |t| get(t, key(1)),
            |t| (remove(t, key(1)), set(t, key(1), 11)),
            after,
        );
    }

    #[test]
    fn a_key_that_stays_is_always_found() {
        let after = |_: &Numbers, read, _| assert_eq!(read, word(10));
        let before = |t: &Numbers| assert_eq!(set(t, key(1), 10), 0);
        check(before, |t| get(t, key(1)), |t| (set(t, key(2), 20), set(t, key(3), 30)), after);
    }

    #[test]
    fn two_that_remove_one_key() {
        let after = |t: &Numbers, a: Option<u64>, b: Option<Taken<Plain, Plain>>| {
            assert!(a.is_some() != b.is_some());
            assert_eq!(t.len(), 0);
        };
        check(|t| assert_eq!(set(t, key(1), 10), 0), |t| remove(t, key(1)), |t| t.pop(0), after);
    }

    #[test]
    fn emptying_while_a_value_is_replaced() {
        let after =
            |t: &Numbers, old, drained: Result<Vec<Taken<Plain, Plain>>, super::super::Full>| {
                let drained = drained.expect("there is memory")[0].1.as_raw();
                match old {
                    0 => assert_eq!((drained, get(t, key(1))), (word(10), word(11))),
                    _ => assert_eq!((drained, get(t, key(1))), (word(11), 0)),
                }
            };
        check(|t| assert_eq!(set(t, key(1), 10), 0), |t| set(t, key(1), 11), |t| t.drain(), after);
    }
}
