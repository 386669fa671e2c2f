//! What a heap gained and lost between two looks, and its types put together by module.

use super::Count;
use rustc_hash::FxHashMap;
use serde::Serialize;

/// What a type, or a module, gained (or lost) between two looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its module.
    pub module: String,
    /// Its name; empty where types are put together by module.
    pub name: String,
    /// Objects at the second look.
    pub objects: u64,
    /// Bytes at the second look.
    pub bytes: u64,
    /// Objects gained.
    pub objects_gained: i64,
    /// Bytes gained.
    pub bytes_gained: i64,
}

/// How types are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// Each by itself.
    Type,
    /// By the module that defines them.
    Module,
}

/// Types put together by the module that defines them; the names are empty. Most bytes first.
#[must_use]
pub fn by_module(types: &[Count]) -> Vec<Count> {
    let mut sums: FxHashMap<&str, (u64, u64)> = FxHashMap::default();
    for count in types {
        let sum = sums.entry(&count.module).or_default();
        sum.0 += count.objects;
        sum.1 = sum.1.saturating_add(count.bytes);
    }
    let mut found: Vec<Count> = sums
        .into_iter()
        .map(|(module, (objects, bytes))| Count {
            module: module.into(),
            name: String::new(),
            objects,
            bytes,
        })
        .collect();
    found.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.module.cmp(&b.module)));
    found
}

/// What changed from `before` to `after`, most bytes gained first. What did not change is left out.
#[must_use]
pub fn growth(before: &[Count], after: &[Count]) -> Vec<Change> {
    let mut known: FxHashMap<(&str, &str), (&Count, bool)> =
        before.iter().map(|count| (key(count), (count, false))).collect();
    let mut changes = Vec::new();
    for count in after {
        let old = known.get_mut(&key(count)).map(|(old, met)| {
            *met = true;
            (old.objects, old.bytes)
        });
        changes.push(change(count, old.unwrap_or_default(), (count.objects, count.bytes)));
    }
    let lost = known.values().filter(|(_, met)| !met);
    changes.extend(lost.map(|(count, _)| change(count, (count.objects, count.bytes), (0, 0))));
    changes.retain(|change| change.objects_gained != 0 || change.bytes_gained != 0);
    changes.sort_by(|a, b| {
        let size =
            b.bytes_gained.cmp(&a.bytes_gained).then(b.objects_gained.cmp(&a.objects_gained));
        size.then_with(|| (&a.module, &a.name).cmp(&(&b.module, &b.name)))
    });
    changes
}

fn key(count: &Count) -> (&str, &str) {
    (&count.module, &count.name)
}

fn change(of: &Count, old: (u64, u64), new: (u64, u64)) -> Change {
    Change {
        module: of.module.clone(),
        name: of.name.clone(),
        objects: new.0,
        bytes: new.1,
        objects_gained: new.0.wrapping_sub(old.0).cast_signed(),
        bytes_gained: new.1.wrapping_sub(old.1).cast_signed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(module: &str, name: &str, objects: u64, bytes: u64) -> Count {
        Count { module: module.into(), name: name.into(), objects, bytes }
    }

    #[test]
    fn growth_has_what_came_grew_shrank_and_went() {
        let before = [
            count("a", "Same", 1, 10),
            count("a", "Grew", 1, 10),
            count("a", "Went", 3, 30),
            count("a", "Shrank", 9, 90),
        ];
        let after = [
            count("a", "Grew", 4, 40),
            count("a", "Same", 1, 10),
            count("b", "Came", 1, 100),
            count("a", "Shrank", 8, 80),
        ];
        let changes: Vec<_> = growth(&before, &after)
            .into_iter()
            .map(|c| (c.name, c.objects, c.objects_gained, c.bytes_gained))
            .collect();
        let expected =
            [("Came", 1, 1, 100), ("Grew", 4, 3, 30), ("Shrank", 8, -1, -10), ("Went", 0, -3, -30)];
        assert_eq!(changes, expected.map(|(name, a, b, c)| (name.to_string(), a, b, c)));
    }

    #[test]
    fn modules_are_the_sums_of_their_types() {
        let types = [count("a", "X", 1, 10), count("b", "X", 2, 100), count("a", "Y", 3, 5)];
        assert_eq!(by_module(&types), [count("b", "", 2, 100), count("a", "", 4, 15)]);
    }
}
