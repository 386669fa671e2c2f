//! Tests of the table with uncounted words. Keys are equal if their words are. Some tests force the
//! search to stop for a comparison.

use super::{CompareKeys, KeyComparison, OwnedEntry, Query, Search, Table, UpdateOutcome};
use crate::owned::Owned;
use crate::owned::uncounted::{Uncounted, own, word};

/// A key with a chosen hash.
#[derive(Clone, Copy)]
struct TestKey {
    key: u64,
    hash: u64,
    /// True if every comparison is left to the caller of the search.
    always_unknown: bool,
}

impl Query<Uncounted> for TestKey {
    fn differs(&self, stored: u64) -> bool {
        !self.always_unknown && stored != word(self.key)
    }
    fn compare(&self, _stored: &Owned<Uncounted>) -> KeyComparison {
        KeyComparison::Unknown
    }
}

type TestTable = Table<Uncounted, Uncounted>;

fn key(key: u64) -> TestKey {
    TestKey { key, hash: key, always_unknown: false }
}

fn run<R>(
    key: TestKey,
    mut work: impl FnMut(&TestKey, &mut Search<Uncounted>) -> Result<R, CompareKeys<Uncounted>>,
) -> (R, Search<Uncounted>) {
    let mut search = Search::new(key.hash, if key.always_unknown { 0b10 } else { word(key.key) });
    loop {
        match work(&key, &mut search) {
            Ok(result) => return (result, search),
            Err(CompareKeys(stored)) if stored.as_raw() == word(key.key) => search.accept(stored),
            Err(_) => search.skip(),
        }
    }
}

fn raw(value: Option<Owned<Uncounted>>) -> u64 {
    value.map_or(0, Owned::into_raw)
}

fn get(table: &TestTable, key: TestKey) -> u64 {
    raw(run(key, |k, s| table.get(k, s)).0)
}

/// Sets the key's value and returns the previous one, or 0.
fn set(table: &TestTable, key: TestKey, value: u64) -> u64 {
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

/// Inserts the value if the key is absent. Returns true if it did.
fn offer(table: &TestTable, key: TestKey, value: u64) -> bool {
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

fn remove(table: &TestTable, key: TestKey) -> Option<u64> {
    match run(key, |k, s| table.remove(k, s, None)).0 {
        UpdateOutcome::Done((_, value)) => Some(value.into_raw()),
        _ => None,
    }
}

fn words((key, value): OwnedEntry<Uncounted, Uncounted>) -> (u64, u64) {
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
        fn behaves_like_a_hash_map(steps in prop::collection::vec(step(), 0..400), same_hash: bool, shards in 1..4usize) {
            let table = TestTable::new(shards);
            let mut model = HashMap::new();
            let key = |k| TestKey { key: k, hash: if same_hash { 7 } else { k }, always_unknown: same_hash };
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
    fn concurrent_insertions_and_removals_lose_no_entry() {
        let table = TestTable::new(2);
        let threads = 4;
        let wins = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let (table, wins) = (&table, &wins);
                scope.spawn(move || {
                    for round in 0..3000u64 {
                        // A key of this thread's own: present between its insertion and its
                        // removal, however the table moves.
                        let mine = key(round << 3 | thread);
                        assert_eq!(set(table, mine, round + 1), 0);
                        assert_eq!(get(table, mine), word(round + 1));
                        assert_eq!(set(table, mine, round + 2), word(round + 1));
                        // A key that all threads insert: one of them succeeds.
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
    fn every_entry_is_popped_exactly_once() {
        let table = TestTable::new(4);
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
mod loom_models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// Two threads on a table of one shard, whose array holds one key before it must be replaced.
    fn check<A: Send + 'static, B>(
        before: impl Fn(&TestTable) + Sync + Send + 'static,
        other: impl Fn(&TestTable) -> A + Copy + Sync + Send + 'static,
        this: impl Fn(&TestTable) -> B + Copy + Sync + Send + 'static,
        after: impl Fn(&TestTable, A, B) + Sync + Send + 'static,
    ) {
        // No preemption bound: with one, loom lets a thread that waits for a lock run forever.
        loom::model(move || {
            let table = Arc::new(TestTable::new(1));
            before(&table);
            let shared = table.clone();
            let thread = thread::spawn(move || other(&shared));
            let mine = this(&table);
            let others = thread.join().expect("no panic");
            after(&table, others, mine);
        });
    }

    #[test]
    fn one_of_two_insertions_of_a_key_succeeds() {
        let after = |t: &TestTable, a, b| {
            assert!(a != b, "exactly one thread inserts the key");
            assert_eq!(t.len(), 1);
        };
        check(|_| (), |t| offer(t, key(1), 10), |t| offer(t, key(1), 20), after);
    }

    #[test]
    fn a_value_replaced_during_a_move_is_kept() {
        let after = |t: &TestTable, old, _| {
            assert_eq!(old, word(10));
            assert_eq!(get(t, key(1)), word(11), "the new value was moved");
            assert_eq!((get(t, key(2)), get(t, key(3))), (word(20), word(30)));
        };
        let before = |t: &TestTable| assert_eq!(set(t, key(1), 10), 0);
        check(before, |t| set(t, key(1), 11), |t| (set(t, key(2), 20), set(t, key(3), 30)), after);
    }

    #[test]
    fn a_key_removed_during_a_move_stays_removed() {
        let after = |t: &TestTable, gone, _| {
            assert_eq!(gone, Some(word(10)));
            assert_eq!((get(t, key(1)), get(t, key(2)), get(t, key(3))), (0, word(20), word(30)));
            assert_eq!(t.len(), 2);
        };
        let before = |t: &TestTable| assert_eq!(set(t, key(1), 10), 0);
        check(before, |t| remove(t, key(1)), |t| (set(t, key(2), 20), set(t, key(3), 30)), after);
    }

    #[test]
    fn a_reader_sees_the_old_value_the_new_value_or_nothing() {
        let after = |_: &TestTable, read, _| assert!([0, word(10), word(11)].contains(&read));
        check(
            |t| assert_eq!(set(t, key(1), 10), 0),
            |t| get(t, key(1)),
            |t| (remove(t, key(1)), set(t, key(1), 11)),
            after,
        );
    }

    #[test]
    fn a_key_is_found_while_the_array_moves() {
        let after = |_: &TestTable, read, _| assert_eq!(read, word(10));
        let before = |t: &TestTable| assert_eq!(set(t, key(1), 10), 0);
        check(before, |t| get(t, key(1)), |t| (set(t, key(2), 20), set(t, key(3), 30)), after);
    }

    #[test]
    fn one_of_two_removals_of_a_key_succeeds() {
        let after = |t: &TestTable, a: Option<u64>, b: Option<OwnedEntry<Uncounted, Uncounted>>| {
            assert!(a.is_some() != b.is_some());
            assert_eq!(t.len(), 0);
        };
        check(|t| assert_eq!(set(t, key(1), 10), 0), |t| remove(t, key(1)), |t| t.pop(0), after);
    }

    #[test]
    fn a_drain_and_a_replacement_are_ordered() {
        let after = |t: &TestTable,
                     old,
                     drained: Result<
            Vec<OwnedEntry<Uncounted, Uncounted>>,
            super::super::TableAllocError,
        >| {
            let drained = drained.expect("there is memory")[0].1.as_raw();
            match old {
                0 => assert_eq!((drained, get(t, key(1))), (word(10), word(11))),
                _ => assert_eq!((drained, get(t, key(1))), (word(11), 0)),
            }
        };
        check(|t| assert_eq!(set(t, key(1), 10), 0), |t| set(t, key(1), 11), |t| t.drain(), after);
    }
}
